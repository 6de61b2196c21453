"""The training loop: seeded, resumable, the same on one rank or several."""

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from tqdm import tqdm

from hierarchies import CairnError
from training.checkpoint import Checkpoints, Progress, RunState
from training.data import ImageDataset, augment, draw_views, normalise
from training.distributed import device, ranks, reduce_gradients
from training.gradients import Diverged, accumulate_gradients
from training.methods import make_loss
from training.models import RetrievalModel
from training.recipes import Recipe
from training.samplers import ClassSampler

SAVE_EVERY_S = 60.0
MOMENTUM = 0.9


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Attributes:
        model: in evaluation mode.
        curve: columns `step`, `epoch`, `loss` (mean over the epoch), `learning_rate`; one row per epoch.
    """

    model: RetrievalModel
    curve: pd.DataFrame


def untrained_model(recipe: Recipe, seed: int) -> RetrievalModel:
    """The network as training finds it, for the same seed."""
    torch.manual_seed(seed)
    return RetrievalModel(recipe.network).eval()


def train(
    recipe: Recipe,
    images: ImageDataset,
    seed: int,
    n_workers: int,
    checkpoints: Path | None = None,
    save_every_s: float = SAVE_EVERY_S,
) -> Trained:
    """Train a model by a recipe; a run that was killed goes on where its checkpoints end.

    Args:
        recipe: network, loss, batches, optimiser.
        images: the training split.
        seed: fixes weights, batches and augmentation; the result does not depend on `n_workers`.
        n_workers: processes that decode images.
        checkpoints: folder for checkpoints, to be removed by the caller once the result is safe; None keeps none.
        save_every_s: seconds between checkpoints.

    Raises:
        CairnError: too few classes for a batch, missing weights, the loss stops being a number, or a checkpoint
            cannot be written.
    """
    training = Training(recipe, images, seed, n_workers)
    kept = Checkpoints(checkpoints, fingerprint(recipe, images, seed)) if checkpoints else None
    if kept and kept.resume(training.state):
        print(f"going on after step {training.n_done} of {training.n_steps}")
    training.run(kept, save_every_s)
    curve = pd.DataFrame(training.state.progress.curve, columns=["step", "epoch", "loss", "learning_rate"])
    return Trained(training.model.eval(), curve)


def fingerprint(recipe: Recipe, images: ImageDataset, seed: int) -> str:
    """What makes two runs the same run."""
    described = recipe.model_dump(mode="json", exclude={"description", "source", "reported"})
    labels = hashlib.sha256(np.ascontiguousarray(images.labels).tobytes()).hexdigest()
    text = json.dumps([described, labels, seed, torch.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Training:
    """One run: its parts, and its steps."""

    def __init__(self, recipe: Recipe, images: ImageDataset, seed: int, n_workers: int) -> None:
        self.recipe, self.ranks, self.device = recipe, ranks(), device()
        torch.use_deterministic_algorithms(True, warn_only=self.device.type == "cuda")
        self.sampler = ClassSampler(images.labels, recipe.batch, seed)
        self.rows = self.ranks.rows(recipe.batch.size)
        self.n_steps = recipe.n_epochs * len(self.sampler)
        self.model = untrained_model(recipe, seed).train().to(self.device)
        classes, finest = np.unique(images.labels[:, 0], return_inverse=True)
        labels = np.column_stack([finest, images.labels[:, 1:]]).astype(np.int64)
        self.labels = torch.from_numpy(labels).to(self.device)
        loss = make_loss(recipe.method, recipe.loss, len(classes), recipe.network.embedding_dim)
        self.loss = loss.to(self.device)
        optimizers = _optimizers(recipe, self.model, self.loss)
        schedules = [_schedule(recipe, optimizer, len(self.sampler)) for optimizer in optimizers]
        generator = torch.Generator().manual_seed(seed)
        self.state = RunState(self.model, self.loss, optimizers, schedules, generator, Progress())
        self.next_batches: list[list[int]] = []  # of this rank, for the loader's workers
        self.loader = DataLoader(
            images,
            batch_sampler=self.next_batches,
            num_workers=n_workers,
            persistent_workers=n_workers > 0,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # its own, so that a resumed run draws no number twice
        )

    @property
    def n_done(self) -> int:
        """Steps made."""
        progress = self.state.progress
        return progress.epoch * len(self.sampler) + len(progress.losses)

    def run(self, checkpoints: Checkpoints | None, save_every_s: float) -> None:
        """Make the steps that are left."""
        saved_at = time.monotonic()
        with tqdm(
            total=self.n_steps, initial=self.n_done, desc="train", unit="step", disable=self.ranks.rank > 0
        ) as bar:
            while (progress := self.state.progress).epoch < self.recipe.n_epochs:
                batches = self.sampler.batches(progress.epoch)[len(progress.losses) :]
                self.next_batches[:] = [batch[self.rows] for batch in batches]
                for positions, images in zip(batches, self.loader, strict=True):
                    progress.losses.append(self._step(positions, images, checkpoints))
                    bar.update()
                    if checkpoints and self.ranks.rank == 0 and time.monotonic() - saved_at >= save_every_s:
                        checkpoints.save(self.n_done, self.state)
                        saved_at = time.monotonic()
                self._close_epoch()
                bar.set_postfix(loss=f"{progress.curve[-1][2]:.3f}")

    def _step(self, positions: Sequence[int], images: Tensor, checkpoints: Checkpoints | None) -> float:
        recipe, network = self.recipe, self.recipe.network
        views = draw_views(len(positions), recipe.augment, self.state.generator)[self.rows]
        seen = augment(normalise(images.to(self.device), network.colours), views, network.image_side_px)
        for optimizer in self.state.optimizers:
            optimizer.zero_grad(set_to_none=True)
        try:
            value = accumulate_gradients(
                self._embed, self.loss, seen, self.labels[list(positions)], recipe.batch.chunk
            )
        except Diverged as error:
            batch = {"images": images, "seen": seen, "positions": torch.tensor(positions)}
            saved = f"; its batch is in {checkpoints.save_batch(batch)}" if checkpoints else ""
            raise CairnError(
                f"step {self.n_done + 1}, epoch {self.state.progress.epoch + 1}: {error}{saved}: lower the learning "
                "rate in the recipe, or look for a damaged image"
            ) from error
        reduce_gradients(self.model, self.loss)
        for optimizer, schedule in zip(self.state.optimizers, self.state.schedules, strict=True):
            optimizer.step()
            schedule.step()
        return value.item()

    def _embed(self, images: Tensor) -> Tensor:
        """Embeddings in float32, whatever the network computes in."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
            embeddings: Tensor = self.model(images)
        return embeddings.float()

    def _close_epoch(self) -> None:
        progress = self.state.progress
        mean = round(float(np.mean(progress.losses)), 6)
        rate = float(self.state.schedules[0].get_last_lr()[0])
        step = self.n_done
        progress.epoch, progress.losses = progress.epoch + 1, []
        progress.curve.append((step, progress.epoch, mean, rate))


def _optimizers(recipe: Recipe, model: RetrievalModel, loss: nn.Module) -> list[torch.optim.Optimizer]:
    """One for the network, backbone first and head second, and one for the loss's proxies if it has some."""
    settings = recipe.optimizer
    head = [*model.pool.parameters(), *model.head.parameters()]
    groups: list[dict[str, Any]] = [
        {"params": [weight for weight in model.backbone.parameters() if weight.requires_grad]},
        {"params": head, "lr": settings.head_factor * settings.learning_rate},
    ]
    rate, decay = settings.learning_rate, settings.weight_decay
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Adam(groups, lr=rate, weight_decay=decay)
        if settings.name == "adam"
        else torch.optim.SGD(groups, lr=rate, weight_decay=decay, momentum=MOMENTUM, nesterov=True)
    ]
    proxies = list(loss.parameters())
    return optimizers + ([torch.optim.Adam(proxies, lr=settings.proxy_learning_rate)] if proxies else [])


def _schedule(recipe: Recipe, optimizer: torch.optim.Optimizer, n_per_epoch: int) -> LambdaLR:
    """Linear warm-up, then a cosine; the backbone, first of two groups, may rest at first."""
    settings, n_steps = recipe.optimizer, recipe.n_epochs * n_per_epoch

    def factor(step: int) -> float:
        if step < settings.n_warmup_steps:
            return (step + 1) / settings.n_warmup_steps
        progress = (step - settings.n_warmup_steps) / max(1, n_steps - settings.n_warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    def rested(step: int) -> float:
        return 0.0 if step < settings.n_frozen_epochs * n_per_epoch else factor(step)

    is_network = len(optimizer.param_groups) == 2
    return LambdaLR(optimizer, [rested, factor] if is_network else factor)
