"""The input pipeline at 160 px: how long a training step waits for images, and images per second.

    python benchmarks/input.py [--n-images 4000] [--n-workers 2] [--n-threads 2] [--n-steps 40] [--n-rounds 5]

Drawn JPEGs of 160 to 200 px are written as files and published by the real writer. Waiting is measured in the real
training loop with the network of the recipe `small`: time in which the loop asks for a batch, over the whole time, from
the second batch on (the first one starts the workers). Images per second are those of whole epochs in the same random
order, cut to (3, 160, 160), by the published shards and by a plain `DataLoader` over the files; rounds alternate, the
ratio is the median over rounds. Other work on the machine slows both alike. Writes results/input.json beside this file.
"""

import argparse
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cairnhub.datasets_hub.card import Card
from cairnhub.datasets_hub.open_split import open_split
from cairnhub.datasets_hub.records import ImageRow, RowList
from cairnhub.datasets_hub.writer import write_dataset
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.training.data import ImageDataset
from cairnhub.training.loop import Training
from cairnhub.training.recipes.recipe import load_recipe

SIDE_PX, BATCH_SIZE, N_CLASSES = 160, 64, 40


def drawn_jpeg(i: int, side_px: int = SIDE_PX) -> bytes:
    """Soft noise with grain, of `side_px` to 1.25 times that; at 160 px 5 to 12 KB, as photographs of this size are."""
    rng = np.random.default_rng(i)
    width, height = (int(side) for side in rng.integers(side_px, side_px * 5 // 4 + 1, 2))
    soft = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize((width, height))
    grain = rng.normal(0, 6, (height, width, 1))
    out = io.BytesIO()
    pixels = np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(out, "JPEG", quality=88)
    return out.getvalue()


class Files(Dataset[Tensor]):
    """What one writes first: a list of paths, opened and cut one by one."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self.paths[index]) as image:
            square = ImageOps.fit(image.convert("RGB"), (SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1)


def make_dataset(folder: Path, n_images: int, side_px: int = SIDE_PX) -> list[Path]:
    """The files, and the same images published in `folder / "hub"`."""
    labels = [f"class {i % N_CLASSES}" for i in range(n_images)]
    tree = LabelTree.from_table(
        pd.DataFrame(
            [(f"class {i}", f"group {i // 8}") for i in range(N_CLASSES)], columns=["class", "group"]
        ),
        ["class", "group"],
    )
    card = Card(
        name="input",
        title="Input",
        description="Drawn images.",
        licence="CC0-1.0",
        redistributable=True,
        levels=tree.levels,
        annotation_origin="given",
    )
    images = [drawn_jpeg(i, side_px) for i in range(n_images)]
    rows = [
        ImageRow(image, f"{i}.jpg", str(i), "train", label)
        for i, (image, label) in enumerate(zip(images, labels, strict=True))
    ]
    write_dataset(folder / "hub", card, tree, [RowList(rows)])
    paths = [folder / f"{i}.jpg" for i in range(n_images)]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(image)
    return paths


def images_per_s(images: Dataset[Tensor], n_workers: int, order: list[int]) -> float:
    loader = DataLoader(images, batch_size=BATCH_SIZE, sampler=order, num_workers=n_workers)
    batches = iter(loader)
    next(batches)  # workers have started
    start, n_images = time.perf_counter(), 0
    for batch in batches:
        n_images += len(batch)
    return n_images / (time.perf_counter() - start)


class Watched:
    """A loader that notes how long each batch was waited for, and when it came."""

    def __init__(self, loader: DataLoader[Tensor]) -> None:
        self.loader = loader
        self.waits: list[float] = []
        self.came_at: list[float] = []

    def __iter__(self) -> Iterator[Tensor]:
        batches = iter(self.loader)
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                return
            self.came_at.append(time.perf_counter())
            self.waits.append(self.came_at[-1] - start)
            yield batch


def share_waited(images: ImageDataset, n_workers: int, n_steps: int, n_threads: int) -> dict[str, float]:
    """Train by the recipe `small` at 160 px for some steps."""
    torch.set_num_threads(n_threads)
    small = load_recipe("small")
    recipe = small.model_copy(
        update={"network": small.network.model_copy(update={"image_side_px": SIDE_PX}), "n_epochs": 1}
    )
    training = Training(recipe, images, seed=0, n_workers=n_workers)
    training.sampler.n_batches = n_steps
    batches = training.sampler.batches
    training.sampler.batches = lambda epoch: batches(epoch)[:n_steps]  # type: ignore[method-assign]
    watched = Watched(training.loader)
    training.loader = watched  # type: ignore[assignment]
    training.run(None, save_every_s=60)
    whole = time.perf_counter() - watched.came_at[0]
    return {
        "share_waited": round(sum(watched.waits[1:]) / whole, 4),
        "step_ms": round(1000 * whole / n_steps, 1),
        "start_s": round(watched.waits[0], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-images", type=int, default=4000)
    parser.add_argument("--n-workers", type=int, default=2)
    parser.add_argument("--n-threads", type=int, default=2, help="of the training process")
    parser.add_argument("--n-steps", type=int, default=40)
    parser.add_argument("--n-rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        paths = make_dataset(Path(scratch), options.n_images)
        published = ImageDataset(open_split(Path(scratch) / "hub", "train"), SIDE_PX)
        order = np.random.default_rng(0).permutation(len(paths)).tolist()
        assert torch.equal(published[order[0]], Files(paths)[order[0]])
        rates: dict[str, list[float]] = {"published": [], "files": []}
        for _ in range(options.n_rounds):
            rates["published"].append(images_per_s(published, options.n_workers, order))
            rates["files"].append(images_per_s(Files(paths), options.n_workers, order))
        waited = share_waited(published, options.n_workers, options.n_steps, options.n_threads)
        mean_bytes = sum(path.stat().st_size for path in paths) / len(paths)
    ratios = [ours / theirs for ours, theirs in zip(rates["published"], rates["files"], strict=True)]
    result = {
        "n_images": options.n_images,
        "mean_kb": round(mean_bytes / 1000, 1),
        "n_workers": options.n_workers,
        "n_cpus": os.cpu_count(),
        "training": {"batch_size": BATCH_SIZE, "n_threads": options.n_threads, **waited},
        "images_per_s": {name: round(statistics.median(values)) for name, values in rates.items()},
        "published_over_files": round(statistics.median(ratios), 3),
    }
    target = Path(__file__).parent / "results" / "input.json"
    target.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
