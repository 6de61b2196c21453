"""The training loop: seeded, one pass over the classes per epoch, a loss curve as it goes."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from hierarchies import CairnError
from training.data import ImageDataset, augment, draw_views, normalise
from training.methods import make_loss
from training.models import RetrievalModel
from training.recipes import Optimizer, Recipe
from training.samplers import ClassSampler


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


def train(recipe: Recipe, images: ImageDataset, seed: int, n_workers: int) -> Trained:
    """Train a model by a recipe.

    Args:
        recipe: network, loss, batches, optimiser.
        images: the training split.
        seed: fixes weights, batches and augmentation; the result does not depend on `n_workers`.
        n_workers: processes that decode images.

    Raises:
        CairnError: too few classes for a batch, or the loss stops being a number.
    """
    torch.use_deterministic_algorithms(True)
    network = recipe.network
    model = untrained_model(recipe, seed).train()
    classes, finest = np.unique(images.labels[:, 0], return_inverse=True)
    labels = torch.from_numpy(np.column_stack([finest, images.labels[:, 1:]]).astype(np.int64))
    loss = make_loss(recipe.method, recipe.loss, len(classes), recipe.network.embedding_dim)
    sampler = ClassSampler(images.labels, recipe.batch, seed)
    indexed = _Indexed(images)
    loader = DataLoader(
        indexed, batch_sampler=sampler, num_workers=n_workers, persistent_workers=n_workers > 0
    )
    optimizer, schedule = _optimizer(recipe.optimizer, model, loss, n_steps=recipe.n_epochs * len(sampler))
    generator = torch.Generator().manual_seed(seed)
    rows = []
    with tqdm(total=recipe.n_epochs * len(sampler), desc="train", unit="step") as bar:
        for epoch in range(recipe.n_epochs):
            values = []
            for positions, batch in loader:
                views = draw_views(len(batch), recipe.augment, generator)
                seen = augment(normalise(batch, network.colours), views, network.image_side_px)
                value = loss(model(seen), labels[positions])
                _step(optimizer, value, epoch)
                schedule.step()
                values.append(value.item())
                bar.update()
            bar.set_postfix(loss=f"{np.mean(values):.3f}")
            rate = schedule.get_last_lr()[0]
            rows.append((bar.n, epoch + 1, round(float(np.mean(values)), 6), rate))
    return Trained(model.eval(), pd.DataFrame(rows, columns=["step", "epoch", "loss", "learning_rate"]))


class _Indexed(torch.utils.data.Dataset[tuple[int, Tensor]]):
    """Images with their position, so that a batch finds its labels."""

    def __init__(self, images: ImageDataset) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[int, Tensor]:
        return index, self.images[index]


def _step(optimizer: torch.optim.Optimizer, value: Tensor, epoch: int) -> None:
    if not torch.isfinite(value):
        raise CairnError(
            f"the loss is {value.item()} in epoch {epoch + 1}: lower the learning rate in the recipe"
        )
    optimizer.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _optimizer(
    settings: Optimizer, model: nn.Module, loss: nn.Module, n_steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Adam on the network and, at their own rate, on the loss's proxies; linear warm-up, then a cosine."""
    groups = [
        {
            "params": list(model.parameters()),
            "lr": settings.learning_rate,
            "weight_decay": settings.weight_decay,
        },
        {"params": list(loss.parameters()), "lr": settings.proxy_learning_rate},
    ]
    optimizer = torch.optim.Adam(groups)

    def factor(step: int) -> float:
        if step < settings.n_warmup_steps:
            return (step + 1) / settings.n_warmup_steps
        progress = (step - settings.n_warmup_steps) / max(1, n_steps - settings.n_warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
