"""When a hierarchical loss pays: photographs of seen and of unseen classes, one thing changed at a time.

    python benchmarks/which_loss.py --mirror <folder with images.tar and labels.csv> [--seeds 0 1 2]

The Grocery Store Dataset twice. `seen` is its own split: every class of the test split is trained on. `unseen` is split
by class, within each coarse group, another draw for each seed: half of the classes are trained on, three twentieths
choose the learning rate, the rest is searched in itself. EfficientNet-Lite0 as `grocery.py` has it; its vectors are
computed once, and a head is trained on them by recipe `photos`, for a third of its epochs, with one thing changed. A
method's learning rate, of four, is the one with the best H-AP on what is kept for that, at seed 0; a variant has that
of its method. One thread.

Vectors and runs are kept under data/benchmarks: a run that was killed goes on. Writes results/which_loss.json.
"""

import argparse
import hashlib
import json
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))

from grocery import LEVELS, SPLITS, Photos, interval, kept

from cairnhub.training.data import ImageSubset, LabelledImages
from cairnhub.training.embedding import frozen_encoder
from cairnhub.training.encoders import projection_encoder
from cairnhub.training.loop import train
from cairnhub.training.metrics.keys import H_AP, MetricKey
from cairnhub.training.metrics.retrieval import retrieval_metrics
from cairnhub.training.recipes.recipe import Recipe, load_recipe

KEPT = Path(__file__).parents[1] / "data/benchmarks/which_loss"
RESULTS = Path(__file__).parent / "results/which_loss.json"
METHODS = [
    "HAPPIER",
    "HAPPIER_F",
    "SupHAP",
    "NormalisedSoftmax",
    "NormalisedSoftmax_levels",
    "SmoothAP",
    "ROADMAP",
]
RATES = [0.0001, 0.0003, 0.001, 0.003]
N_EPOCHS = 10
SHOWN = [H_AP, *(MetricKey("ap", level) for level in LEVELS), MetricKey("r_at", "fine", 1)]
SHARES = {"train": 0.5, "val": 0.65}
"""Of the classes of each coarse group, those up to here."""


@dataclass(frozen=True)
class Trial:
    """One set-up.

    Attributes:
        loss: a preset, or weighted terms.
        levels: columns of the labels that training sees; evaluation sees all.
        batch: what differs from the recipe's batches.
    """

    loss: str | Mapping[str, Any]
    levels: tuple[int, ...] = (0, 1, 2)
    batch: Mapping[str, int] = field(default_factory=dict)

    def recipe(self, rate: float) -> Recipe:
        """Recipe `photos` with what differs."""
        whole = load_recipe("photos").model_dump(exclude_none=True, exclude={"loss", "step", "optimizer"})
        optimizer = load_recipe("photos").optimizer.model_dump(exclude_none=True)
        for part in ("backbone", "head"):
            optimizer[part]["learning_rate"] = rate
        whole["batch"] |= self.batch
        whole["n_epochs"] = N_EPOCHS
        return Recipe.model_validate({**whole, "optimizer": optimizer, "loss": self.loss})


def happier(weight: float = 0.9, alpha: float = 1.0) -> dict[str, Any]:
    return {
        "SupHAP": {"weight": weight, "alpha": alpha},
        "Cluster": {"weight": round(1 - weight, 2)},
    }


SMALL_BATCHES = {"size": 64, "images_per_class": 8}
BY_SUPER_CLASS = {**SMALL_BATCHES, "n_superclasses": 2}
VARIANTS = {
    "weight of SupHAP 0.1": Trial(happier(0.1)),
    "alpha 0.5": Trial(happier(alpha=0.5)),
    "alpha 2": Trial(happier(alpha=2)),
    "alpha 4": Trial(happier(alpha=4)),
    "fine alone": Trial("HAPPIER", levels=(0,)),
    "fine and middle": Trial("HAPPIER", levels=(0, 1)),
    "fine and coarse": Trial("HAPPIER", levels=(0, 2)),
    "8 classes of 8": Trial("HAPPIER", batch=SMALL_BATCHES),
    "8 classes of 8, of 2 super-classes": Trial("HAPPIER", batch=BY_SUPER_CLASS),
    "SmoothAP, 8 classes of 8": Trial("SmoothAP", batch=SMALL_BATCHES),
    "SmoothAP, 8 classes of 8, of 2 super-classes": Trial("SmoothAP", batch=BY_SUPER_CLASS),
}


class Levels(LabelledImages):
    """Images whose labels are some columns only, numbered from 0."""

    def __init__(self, images: LabelledImages, levels: tuple[int, ...]) -> None:
        self.images = images
        columns = [np.unique(images.labels[:, level], return_inverse=True)[1] for level in levels]
        self.labels = np.column_stack(columns).astype(np.int64)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]


class Joined(LabelledImages):
    """Splits one after the other."""

    def __init__(self, parts: list[LabelledImages]) -> None:
        self.parts = parts
        self.labels = np.concatenate([part.labels for part in parts])
        self.starts = np.cumsum([0, *(len(part) for part in parts)])

    def __getitem__(self, index: int) -> Tensor:
        part = int(np.searchsorted(self.starts, index, side="right")) - 1
        return self.parts[part][index - int(self.starts[part])]


def split_by_class(labels: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Rows of each part: classes of the finest level, those of each coarse group alike."""
    rng, part_of = np.random.default_rng(seed), {}
    for group in np.unique(labels[:, 2]):
        classes = rng.permutation(np.unique(labels[labels[:, 2] == group, 0]))
        for place, label in enumerate(classes):
            share = (place + 0.5) / len(classes)
            part_of[int(label)] = next((part for part, end in SHARES.items() if share < end), "test")
    parts = np.array([part_of[int(label)] for label in labels[:, 0]])
    return {part: np.flatnonzero(parts == part) for part in SPLITS}


def measured(vectors: Tensor, labels: np.ndarray) -> dict[str, float]:
    values = retrieval_metrics(vectors, torch.from_numpy(labels), levels=LEVELS, ks=(1,)).values
    return {str(key): round(float(values[key]), 4) for key in SHOWN}


class Study:
    """Images, their vectors, and what has been run."""

    def __init__(self, mirror: Path, seeds: list[int]) -> None:
        network = load_recipe("photos").network
        encoder = frozen_encoder(network)
        photos = [Photos(mirror, split, network.decoded_side_px) for split in SPLITS]
        vectors = [
            kept(f"features_{split}", encoder, images) for split, images in zip(SPLITS, photos, strict=True)
        ]
        self.seeds = seeds
        self.images, self.features = Joined(photos), torch.cat(vectors)  # type: ignore[arg-type]
        ends = np.cumsum([len(part) for part in photos])
        self.own = dict(zip(SPLITS, np.split(np.arange(ends[-1]), ends[:-1]), strict=True))

    def rows(self, setting: str, seed: int) -> dict[str, np.ndarray]:
        """Of the images, those of each part."""
        return self.own if setting == "seen" else split_by_class(self.images.labels, seed)

    def off_the_shelf(self, setting: str, seed: int) -> dict[str, float]:
        """The backbone as it is."""
        rows = self.rows(setting, seed)["test"]
        return measured(functional.normalize(self.features[rows], dim=1), self.images.labels[rows])

    def run(self, trial: Trial, setting: str, rate: float, seed: int, part: str) -> dict[str, float]:
        """Train and measure, or what that gave before."""
        recipe = trial.recipe(rate)
        plan = [recipe.model_dump(mode="json", exclude_none=True), trial.levels, setting, seed, part]
        path = KEPT / f"{hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:20]}.json"
        if not path.is_file():
            KEPT.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(self._run(recipe, trial, setting, seed, part)))
        found: dict[str, float] = json.loads(path.read_text())
        return found

    def _run(self, recipe: Recipe, trial: Trial, setting: str, seed: int, part: str) -> dict[str, float]:
        rows = self.rows(setting, seed)
        labels = self.images.labels[rows[part]]
        learnt = Levels(ImageSubset(self.images, rows["train"]), trial.levels)
        model = train(recipe, learnt, seed, 0, features=self.features[rows["train"]]).model
        with torch.inference_mode():
            return measured(projection_encoder(model)(self.features[rows[part]]), labels)

    def over_seeds(self, measure: Callable[[int], dict[str, float]]) -> dict[str, Any]:
        """Means, Student's intervals and each seed's values."""
        runs = [measure(seed) for seed in self.seeds]
        return {
            "values": {name: round(statistics.mean(run[name] for run in runs), 4) for name in runs[0]},
            "interval": {name: interval([run[name] for run in runs]) for name in runs[0]},
            "per_seed": {name: [run[name] for run in runs] for name in runs[0]},
        }

    def method(self, trial: Trial, setting: str, rate: float) -> dict[str, Any]:
        """Of every seed, on the test part."""
        return self.over_seeds(lambda seed: self.run(trial, setting, rate, seed, "test"))


def lead(found: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """How far one is before another, at equal seed."""
    pairs = zip(found["per_seed"]["h_ap"], other["per_seed"]["h_ap"], strict=True)
    differences = [first - second for first, second in pairs]
    return {"mean": round(statistics.mean(differences), 4), "interval": interval(differences)}


def heads(study: Study, setting: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for method in METHODS:
        trial = Trial(method)
        by_rate = {rate: study.run(trial, setting, rate, 0, "val")["h_ap"] for rate in RATES}
        rate = max(by_rate, key=lambda rate: by_rate[rate])
        chosen = {"h_ap_on_val_by_rate": by_rate, "learning_rate": rate}
        found[method] = {**chosen, **study.method(trial, setting, rate)}
        print(setting, method, rate, json.dumps(found[method]["values"]), flush=True)
    for name, trial in VARIANTS.items():
        rate = found["SmoothAP" if trial.loss == "SmoothAP" else "HAPPIER"]["learning_rate"]
        found[name] = study.method(trial, setting, rate)
        print(setting, name, json.dumps(found[name]["values"]), flush=True)
    for name in found.keys() - {"HAPPIER"}:
        found[name]["h_ap_before_HAPPIER"] = lead(found[name], found["HAPPIER"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    study = Study(options.mirror, options.seeds)
    result: dict[str, Any] = {"seeds": options.seeds, "rates": RATES}
    for setting in ("unseen", "seen"):
        parts = study.rows(setting, 0)
        labels = study.images.labels
        result[setting] = {
            "n_images": {part: len(rows) for part, rows in parts.items()},
            "n_classes": {part: len(np.unique(labels[rows, 0])) for part, rows in parts.items()},
            "off_the_shelf": study.over_seeds(lambda seed, of=setting: study.off_the_shelf(of, seed)),
            "head": heads(study, setting),
        }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
