"""Sections of `gpu.py` about networks: training steps, and images that arrive for them."""

import functools
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_losses import timed, wait
from gpu_report import Plan, Report, Row
from input import images_per_s, make_dataset
from torch import Tensor, nn

from cairnhub.datasets_hub.open_split import open_split
from cairnhub.training.build_loss import build_loss
from cairnhub.training.data import ImageDataset, normalise
from cairnhub.training.grad_cache import accumulate_gradients
from cairnhub.training.models import untrained_model
from cairnhub.training.optimisation import Optimisation
from cairnhub.training.recipes.recipe import Recipe


def recipe(plan: Plan, size: int, precision: str) -> Recipe:
    """HAPPIER by Adam; batch norm keeps its statistics, so that chunks may pass one by one."""
    network = {
        "backbone": plan.backbone,
        "embedding_dim": 512,
        "image_side_px": plan.side_px,
        "frozen_batch_norm": True,
    }
    chunk = plan.step if size > plan.step else None
    return Recipe.model_validate(
        {
            "network": network,
            "loss": "HAPPIER",
            "batch": {"size": size, "images_per_class": 4, "chunk": chunk},
            "optimizer": {"backbone": {"learning_rate": 1e-5}},
            "n_epochs": 1,
            "precision": precision,
        }
    )


class Step:
    """A training step on images that lie in the device's memory; notes how long its loss took."""

    def __init__(self, plan: Plan, size: int, precision: str, compiled: bool) -> None:
        self.plan, self.recipe = plan, recipe(plan, size, precision)
        generator = torch.Generator(plan.device).manual_seed(0)
        shape = (size, 3, plan.side_px, plan.side_px)
        self.images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator, device=plan.device)
        fine = torch.arange(size) // 4
        labels = torch.stack([fine, fine // 4, fine // 16], 1)
        self.labels = labels.to(plan.device)
        self.model = untrained_model(self.recipe.network, 0).to(plan.device).train()
        self.network: nn.Module = self.model
        if compiled:
            self.network = torch.compile(self.model, backend=plan.compiled_by)
        self.loss = build_loss(self.recipe, labels[::4], n_batches=1).to(plan.device)
        self.optimisation = Optimisation(self.recipe, self.model, self.loss, 1)
        self.loss_s: list[float] = []
        self.values: list[float] = []

    def __call__(self) -> None:
        """One step."""
        value = accumulate_gradients(
            self._embed,
            self._timed_loss,
            self.images,
            self.labels,
            self.recipe.batch.chunk,
            self.optimisation.scaler.scale,
        )
        self.optimisation.step()
        self.values.append(value.item())

    def _embed(self, images: Tensor) -> Tensor:
        precision = getattr(torch, self.recipe.precision)
        with torch.autocast(self.plan.device, precision, enabled=precision is not torch.float32):
            embeddings: Tensor = self.network(normalise(images, self.model.colours))
        return embeddings.float()

    def _timed_loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Its gradient is made here too: rank losses make theirs with the value."""
        wait(self.plan)
        start = time.perf_counter()
        value: Tensor = self.loss(embeddings, labels)
        wait(self.plan)
        self.loss_s.append(time.perf_counter() - start)
        return value


def steps(plan: Plan, report: Report) -> None:
    """Seconds of a step, images per second, the loss's share; precisions, gradient caching, compiled."""
    for size, precision, compiled in (
        (plan.step, "float32", False),
        (plan.step, "bfloat16", False),
        (plan.cached, "bfloat16", False),
        (plan.step, "bfloat16", True),
    ):
        name = f"{plan.backbone} {plan.side_px} px, {precision}{', compiled' * compiled}"
        report.measure(name, functools.partial(_step_row, plan, size, precision, compiled))


def _step_row(plan: Plan, size: int, precision: str, compiled: bool) -> Row:
    step = Step(plan, size, precision, compiled)
    start = time.perf_counter()
    step()
    wait(plan)
    row: Row = {"B": size, "first_s": time.perf_counter() - start}
    row |= timed(plan, step, is_warm=True, at_least=3 if size == plan.step else 1)
    median_s = row["median_s"]
    loss_s = sorted(step.loss_s[1:])[len(step.loss_s[1:]) // 2]
    row |= {"images_per_s": size / median_s, "loss_s": loss_s, "share_in_loss": loss_s / median_s}
    return row | {"is_finite": bool(np.isfinite(step.values).all())}


def input_pipeline(plan: Plan, report: Report) -> None:
    """Images per second from Parquet, decoded and cut, by workers; a step needs as many."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_dataset(folder, plan.n_photos, plan.side_px)
        images = ImageDataset(open_split(folder / "hub", "train"), plan.side_px)
        for n_workers in plan.n_workers:
            report.measure(f"{n_workers} workers", functools.partial(_input_row, plan, images, n_workers))


def _input_row(plan: Plan, images: Any, n_workers: int) -> Row:
    n_drawn = max(200, 8 * plan.n_photos)
    order = np.random.default_rng(0).integers(plan.n_photos, size=n_drawn).tolist()
    return {
        "side_px": plan.side_px,
        "cpus": os.cpu_count(),
        "images_per_s": images_per_s(images, n_workers, order),
    }
