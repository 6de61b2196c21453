"""The training loop: seeded, resumable, the same on one rank or several."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from cairnhub.core.errors import BadInput
from cairnhub.training.build_loss import build_loss
from cairnhub.training.callbacks import Callback, EpochReport, StepReport, Watchers, curve_table
from cairnhub.training.checkpoint import Checkpoints, RunState
from cairnhub.training.cross_batch_memory import CrossBatchMemory
from cairnhub.training.data import ImageSubset, LabelledImages, augment, draw_views, labelled, normalise
from cairnhub.training.distributed import device, ranks
from cairnhub.training.early_stopping import held_out_h_ap, hold_out
from cairnhub.training.frozen_features import as_features
from cairnhub.training.grad_cache import NonFinite, accumulate_gradients
from cairnhub.training.low_rank import adapt, merge
from cairnhub.training.models import RetrievalModel, refuse_live_batch_norm, untrained_model
from cairnhub.training.optimisation import Optimisation
from cairnhub.training.picture_crops import PictureCrops
from cairnhub.training.recipes.recipe import Recipe
from cairnhub.training.samplers.named_samplers import make_sampler

log = logging.getLogger(__name__)

IntArray: TypeAlias = npt.NDArray[np.integer]
SAVE_EVERY_S = 60.0
Row = (
    int | tuple[int, int, int]
)  # of the images; with an epoch and a place in it where views are cut from pictures


@dataclass(frozen=True)
class TrainingResult:
    """What training gives.

    Attributes:
        model: in evaluation mode.
        curve: columns `step`, `epoch`, `loss` (mean over the epoch), `learning_rate` and, with validation,
            `held_out_h_ap`; one row per epoch.
    """

    model: RetrievalModel
    curve: pd.DataFrame


def train(
    recipe: Recipe,
    images: LabelledImages,
    seed: int,
    n_workers: int,
    checkpoints: Path | None = None,
    save_every_s: float = SAVE_EVERY_S,
    code: str = "",
    loss: nn.Module | None = None,
    backbone: nn.Module | None = None,
    features: Tensor | None = None,
    callbacks: Sequence[Callback] = (),
) -> TrainingResult:
    """Train a model by a recipe; a run that was killed goes on where its checkpoints end.

    Args:
        recipe: network, loss, batches, optimiser.
        images: the training split; those without a label (-1) are left out.
        seed: fixes weights, batches and augmentation; the result does not depend on `n_workers`.
        n_workers: processes that decode images.
        checkpoints: folder for checkpoints, to be removed by the caller once the result is safe; None keeps none.
        save_every_s: seconds between checkpoints.
        code: a fingerprint of the code; checkpoints of another are not gone on with.
        loss: takes the place of the recipe's: any module called with embeddings (B, d) and labels (B, L), numbered from
            0 at every level. Its parameters learn as `optimizer.proxies` says.
        backbone: a module of your own, where the recipe says `backbone: own`: of images (B, 3, side, side) it gives
            maps (B, C, H, W), tokens (B, T, C) or vectors (B, C). It is trained in place.
        features: of every image, (N, C), what `RetrievalModel.features` gives, where `network.frozen` is `all`;
            computed if they are not given.
        callbacks: told of steps and epochs, and may end the run; they change nothing else.

    Raises:
        CairnError: too few classes for a batch or to hold out, missing weights, the loss stops being a number, or a
            checkpoint cannot be written.
    """
    training = Training(recipe, images, seed, n_workers, loss, backbone, features)
    run = fingerprint(recipe, images, seed, code, loss)
    store = Checkpoints(checkpoints, run) if checkpoints else None
    if store and store.resume(training.state):
        log.info(
            f"going on after step {training.state.progress.step} of {recipe.n_epochs * training.steps_per_epoch}"
        )
    training.run(store, save_every_s, callbacks)
    if recipe.network.lora:
        merge(training.optimisation.final_model.backbone)
    curve = curve_table(training.state.progress.curve)
    return TrainingResult(training.optimisation.final_model.laid_out_plainly().eval(), curve)


def fingerprint(
    recipe: Recipe, images: LabelledImages, seed: int, code: str = "", loss: nn.Module | None = None
) -> str:
    """What makes two runs the same run."""
    described = recipe.model_dump(mode="json", exclude_none=True)  # losses that it does not name are None
    labels = hashlib.sha256(np.ascontiguousarray(images.labels).tobytes()).hexdigest()
    given = [] if loss is None else [type(loss).__qualname__, repr(loss)]
    text = json.dumps([described, labels, seed, torch.__version__, code, *given], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _numbered(labels: IntArray) -> tuple[IntArray, IntArray]:
    """Labels (n, L) numbered from 0 at every level, and those of every finest class, (n_classes, L)."""
    columns = [np.unique(column, return_inverse=True)[1] for column in labels.T]
    numbered = np.column_stack(columns).astype(np.int64)
    _, first = np.unique(numbered[:, 0], return_index=True)
    return numbered, numbered[first]


class Training:
    """One run: its parts, and its steps."""

    def __init__(
        self,
        recipe: Recipe,
        images: LabelledImages,
        seed: int,
        n_workers: int,
        loss: nn.Module | None = None,
        backbone: nn.Module | None = None,
        features: Tensor | None = None,
    ) -> None:
        self.recipe, self.ranks, self.device, self.n_workers = recipe, ranks(), device(), n_workers
        torch.use_deterministic_algorithms(True, warn_only=self.device.type == "cuda")
        self.model = untrained_model(recipe.network, seed, backbone)
        if recipe.network.lora:
            adapt(self.model.backbone, recipe.network.lora)
        self.model.settle(self.device)
        refuse_live_batch_norm(recipe.batch.chunk, self.model)
        self.is_frozen = recipe.network.frozen == "all"
        if self.is_frozen:
            images = as_features(self.model, images, features, n_workers)
        elif features is not None:
            raise BadInput(
                "features: are those of a frozen backbone: set network.frozen to all, or give none"
            )
        images = labelled(images)
        self.held_out: ImageSubset | None = None
        if recipe.validation:
            images, self.held_out = hold_out(images, recipe.validation, seed)
        self.sampler = make_sampler(images.labels, recipe.batch, seed)
        self.rows = self.ranks.rows(recipe.batch.size)
        labels, class_labels = _numbered(images.labels)
        self.labels = torch.from_numpy(labels).to(self.device)
        self.model.train()
        self.loss = build_loss(recipe, torch.from_numpy(class_labels), len(self.sampler), loss).to(
            self.device
        )
        self.steps_per_epoch = -(-len(self.sampler) // recipe.batch.n_accumulated)
        self.optimisation = Optimisation(recipe, self.model, self.loss, self.steps_per_epoch)
        self.state = RunState(self.optimisation, torch.Generator().manual_seed(seed))
        self.n_batches = 0  # of the epoch
        self.next_batches: list[list[Row]] = []  # of this rank, for the loader's workers
        self.cuts_pictures = recipe.augment.cut_from == "picture"
        side_px = recipe.network.image_side_px
        self.loader = DataLoader(
            PictureCrops(images, recipe.augment, side_px, seed) if self.cuts_pictures else images,
            batch_sampler=self.next_batches,
            num_workers=n_workers,
            persistent_workers=n_workers > 0,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # its own, so that a resumed run draws no number twice
        )

    @property
    def is_over(self) -> bool:
        """Whether all epochs are made, or held-out images have not been ranked better for long enough."""
        progress, validation = self.state.progress, self.recipe.validation
        is_stale = validation and progress.epoch - progress.best_epoch >= validation.patience
        return bool(is_stale) or progress.epoch >= self.recipe.n_epochs

    def run(
        self, checkpoints: Checkpoints | None, save_every_s: float, callbacks: Sequence[Callback] = ()
    ) -> None:
        """Make the steps that are left, or those until a callback ends it."""
        watchers = Watchers(callbacks)
        try:
            self._run(checkpoints, save_every_s, watchers)
        finally:
            watchers.on_end()
        if self.state.best:
            self.optimisation.final_model.load_state_dict(self.state.best)

    def _run(self, checkpoints: Checkpoints | None, save_every_s: float, watchers: Watchers) -> None:
        saved_at, is_stopped = time.monotonic(), False
        with self._progress_bar() as bar:
            while not (self.is_over or is_stopped):
                progress = self.state.progress
                self.model.backbone_rests = progress.epoch < self.recipe.optimizer.n_frozen_epochs
                batches = self._start_epoch()
                for positions, images in zip(batches, self.loader, strict=True):
                    is_step = self._add_batch(positions, images, checkpoints)
                    bar.update(len(positions))
                    is_due = is_step and time.monotonic() - saved_at >= save_every_s
                    if checkpoints and self.ranks.rank == 0 and is_due:
                        checkpoints.save(progress.step, self.state)
                        saved_at = time.monotonic()
                    if is_step and watchers.on_step(self._step_report()):
                        is_stopped = True
                        break
                if len(progress.losses) < self.n_batches:
                    break
                self._close_epoch()
                epoch = EpochReport(*progress.curve[-1], curve_table(progress.curve))
                bar.set_postfix(epoch.shown())
                is_stopped |= watchers.on_epoch(epoch)

    def _start_epoch(self) -> list[list[int]]:
        """The batches that are left of the epoch; the loader is given this rank's part."""
        progress, size = self.state.progress, self.recipe.batch.size
        every, n_made = self.sampler.batches(progress.epoch), len(progress.losses)
        self.n_batches = len(every)
        batches = every[n_made:]
        self.next_batches[:] = [
            [self._row(row, (n_made + number) * size + place) for place, row in enumerate(batch)][self.rows]
            for number, batch in enumerate(batches)
        ]
        return batches

    def _row(self, row: int, place: int) -> Row:
        return (row, self.state.progress.epoch, place) if self.cuts_pictures else row

    def _progress_bar(self) -> "tqdm[NoReturn]":
        """Images done and to do, images per second, time left."""
        per_epoch, size = len(self.sampler), self.recipe.batch.size
        n_done = self.state.progress.epoch * per_epoch + len(self.state.progress.losses)
        return tqdm(
            total=self.recipe.n_epochs * per_epoch * size,
            initial=n_done * size,
            desc="train",
            unit=" images",
            unit_scale=True,
            disable=self.ranks.rank > 0 or None,
        )

    def _add_batch(self, positions: Sequence[int], images: Tensor, checkpoints: Checkpoints | None) -> bool:
        """Add a batch's gradients, and make a step where they are enough; whether they were."""
        losses, n_accumulated = self.state.progress.losses, self.recipe.batch.n_accumulated
        first = len(losses) // n_accumulated * n_accumulated
        n_in_step = min(n_accumulated, self.n_batches - first)
        losses.append(self._add_gradients(positions, images, n_in_step, checkpoints))
        is_step = len(losses) == first + n_in_step
        if is_step:
            self.optimisation.step()
            self.state.progress.step += 1
        return is_step

    def _step_report(self) -> StepReport:
        progress, n_accumulated = self.state.progress, self.recipe.batch.n_accumulated
        first = (len(progress.losses) - 1) // n_accumulated * n_accumulated
        mean = float(np.mean(progress.losses[first:]))
        return StepReport(progress.step, progress.epoch, mean, self.optimisation.learning_rate)

    def _add_gradients(
        self, positions: Sequence[int], images: Tensor, n_in_step: int, checkpoints: Checkpoints | None
    ) -> float:
        recipe, progress = self.recipe, self.state.progress
        seen = images.to(self.device) if self.is_frozen else self._augmented(images, len(positions))
        loss: Callable[[Tensor, Tensor], Tensor] = self.loss
        if isinstance(self.loss, CrossBatchMemory):
            loss = partial(self.loss, images=torch.tensor(positions))
        try:
            value = accumulate_gradients(
                self._embed,
                loss,
                seen,
                self.labels[list(positions)],
                recipe.batch.chunk,
                lambda value: self.optimisation.scaler.scale(value / n_in_step),
            )
        except NonFinite as error:
            batch = {"images": images, "seen": seen, "positions": torch.tensor(positions)}
            saved = f"; {checkpoints.save_batch(batch)}" if checkpoints else ""
            raise NonFinite(
                f"step {progress.step + 1}, epoch {progress.epoch + 1}: {error}{saved}: lower the learning "
                "rate in the recipe, or look for a damaged image"
            ) from error
        return value.item()

    def _augmented(self, images: Tensor, n_images: int) -> Tensor:
        """Random views of this rank's images, of `n_images` in the batch."""
        views = draw_views(n_images, self.recipe.augment, self.state.generator)[self.rows]
        pixels = normalise(images.to(self.device), self.model.colours)
        return augment(pixels, views, self.recipe.network.image_side_px)

    def _embed(self, seen: Tensor) -> Tensor:
        """Embeddings in float32, whatever the network computes in."""
        precision = getattr(torch, self.recipe.precision)
        with torch.autocast(self.device.type, precision, enabled=precision is not torch.float32):
            embeddings: Tensor = self.model.project(seen) if self.is_frozen else self.model(seen)
        return embeddings.float()

    def _close_epoch(self) -> None:
        progress = self.state.progress
        mean = round(float(np.mean(progress.losses)), 6)
        progress.epoch, progress.losses = progress.epoch + 1, []
        self.optimisation.go_to(progress.step, progress.epoch)
        h_ap = self._validate() if self.held_out else None
        progress.curve.append((progress.step, progress.epoch, mean, self.optimisation.learning_rate, h_ap))

    def _validate(self) -> float:
        """H-AP of what is held out; the best weights are kept."""
        assert self.held_out is not None
        progress, model = self.state.progress, self.optimisation.final_model
        h_ap = held_out_h_ap(model, self.held_out, self.recipe.batch.size, self.n_workers)
        self.model.train()
        if h_ap > progress.best_h_ap:
            progress.best_h_ap, progress.best_epoch = h_ap, progress.epoch
            self.state.best = {name: value.clone() for name, value in model.state_dict().items()}
        return round(h_ap, 6)
