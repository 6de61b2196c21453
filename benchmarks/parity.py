r"""The papers' code and ours, side by side: the same network, weights, batches and steps, on photographs.

    python benchmarks/parity.py --mirror <folder> --official SUPRANK=<path> HAPPIER=<path> ROADMAP=<path> \
        SMOOTH_AP=<path>

Paths are those of checkouts, which are imported and never copied, `<path>@<commit>` where git does not know; a method
whose code is not given is left out. Their code needs pytorch-metric-learning, scikit-learn, omegaconf, rich and
tensorboard. The mirror holds `images.tar` and `labels.csv` with the columns path, fine, middle, coarse, split.

- Curves: 50 small steps in float64. The largest difference of the losses, of the final weights, and of every final
  metric, by SupRank's accuracy calculator and by `retrieval_metrics(definition="paper")` on the test photographs.
- R@1: longer trainings in float32, over three seeds. Theirs and ours agree where their means differ by less than the
  seeds of either do.
- Samplers: statistics of an epoch of SupRank's two and of ours.

One thread. Writes results/parity.json beside this file; exit status 1 where a curve or R@1 disagrees.
"""

import argparse
import csv
import io
import json
import logging
import os
import platform
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from official_code import METHODS, SOURCES, Batches, Method, their_batches, their_metrics
from PIL import Image
from torch import Tensor, nn

from cairnhub.training.losses.registry import read_loss
from cairnhub.training.metrics import retrieval_metrics
from cairnhub.training.models import untrained_model
from cairnhub.training.recipes.settings import Batch, Network
from cairnhub.training.samplers import ClassSampler

RESULTS = Path(__file__).parent / "results" / "parity.json"
LEVELS = ("fine", "middle", "coarse")
SIDE_PX, BATCH, PER_CLASS, DIM = 32, 32, 4, 32
TOLERANCE = 1e-6
GENTLE = {"lr": 5e-4, "momentum": 0.0, "proxies": 0.1}
"""Chosen after larger ones, where either code differs from itself if its images move by 1e-15: docs/losses.md."""
BRISK = {"lr": 0.02, "momentum": 0.9, "proxies": 1.0}
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Photos:
    """Photographs (n, 3, side, side) in -1..1 and labels (n, 3), numbered from 0 at every level."""

    images: Tensor
    labels: Tensor

    @property
    def class_labels(self) -> Tensor:
        """Labels of every finest class, (n_classes, 3)."""
        return self.labels.unique(dim=0)


def load(mirror: Path, split: str) -> Photos:
    """A split of a mirror."""
    with (mirror / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    with tarfile.open(mirror / "images.tar") as archive:
        members = {member.name.removeprefix("./"): member for member in archive.getmembers()}
        pictures = []
        for row in rows:
            opened = archive.extractfile(members[row["path"]])
            assert opened is not None
            picture = Image.open(io.BytesIO(opened.read())).convert("RGB").resize((SIDE_PX, SIDE_PX))
            pictures.append(np.asarray(picture))
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    columns = [np.unique([row[level] for row in rows], return_inverse=True)[1] for level in LEVELS]
    return Photos(images, torch.from_numpy(np.column_stack(columns).astype(np.int64)))


def batches(photos: Photos, n_steps: int, seed: int) -> list[Tensor]:
    """Positions of batches ordered by class, which Smooth-AP's code asks for."""
    sampler = ClassSampler(photos.labels.numpy(), Batch(size=BATCH, images_per_class=PER_CLASS), seed)
    made: list[Tensor] = []
    for epoch in range(n_steps):
        made += [torch.tensor(batch) for batch in sampler.batches(epoch)]
        if len(made) >= n_steps:
            return made[:n_steps]
    raise AssertionError


def train(
    loss: nn.Module, photos: Photos, steps: list[Tensor], seed: int, pace: dict[str, float]
) -> tuple[list[float], nn.Module]:
    """A curve and the trained network; everything in torch's default type."""
    network = Network(backbone="small_cnn", width=8, embedding_dim=DIM, image_side_px=SIDE_PX)
    model = untrained_model(network, seed).to(torch.get_default_dtype()).train()
    groups = [{"params": model.parameters()}, {"params": list(loss.parameters()), "lr": pace["proxies"]}]
    optimizer = torch.optim.SGD(groups, lr=pace["lr"], momentum=pace["momentum"])
    curve = []
    for positions in steps:
        optimizer.zero_grad()
        value = loss(
            model(photos.images[positions].to(torch.get_default_dtype())), photos.labels[positions]
        ).sum()
        value.backward()
        optimizer.step()
        curve.append(value.item())
    return curve, model.eval()


def losses(method: Method, root: Path, photos: Photos, seed: int) -> tuple[nn.Module, nn.Module]:
    """Theirs and ours, with the same proxies."""
    torch.manual_seed(seed)
    dtype = torch.get_default_dtype()
    theirs = method.make(root, Batches(photos.class_labels, DIM, BATCH, PER_CLASS)).to(dtype)
    ours = read_loss(method.loss).make(photos.class_labels, DIM).to(dtype)
    learned = [parameter for parameter in theirs.parameters() if parameter.requires_grad]
    for mine, other in zip(ours.parameters(), learned, strict=True):
        other.data = mine.detach().clone()
    for parameter in set(theirs.parameters()) - set(learned):  # tables that they keep as parameters
        parameter.requires_grad_(False)
    return theirs, ours


@torch.no_grad()
def embed(model: nn.Module, photos: Photos) -> Tensor:
    """Unit vectors (n, d)."""
    dtype = torch.get_default_dtype()
    return torch.cat([model(part.to(dtype)) for part in photos.images.split(256)])


def our_metrics(embeddings: Tensor, labels: Tensor) -> dict[str, float]:
    """What SupRank's calculator gives, by ours, under its names."""
    values = retrieval_metrics(embeddings, labels, levels=LEVELS, ks=(1, 10), definition="paper").values
    named = {"H-AP_multi": values["h_ap"], "NDCG_multi": values["ndcg"], "ASI_multi": values["asi"]}
    for number, level in enumerate(LEVELS):
        named |= {
            f"AP_level{number}": values[f"ap_{level}"],
            f"mAP@R_level{number}": values[f"map_at_r_{level}"],
            f"R@1_level{number}": values[f"r_at_1_{level}"],
            f"R@10_level{number}": values[f"r_at_10_{level}"],
        }
    return {name: float(value) for name, value in named.items()}


def compare_curves(
    method: Method, roots: dict[str, Path], train_set: Photos, test: Photos, n_steps: int
) -> dict:
    """The two trainings in float64."""
    torch.set_default_dtype(torch.float64)
    steps = batches(train_set, n_steps, seed=0)
    both = [
        train(loss, train_set, steps, 0, GENTLE)
        for loss in losses(method, roots[method.source], train_set, seed=0)
    ]
    (their_curve, their_model), (our_curve, our_model) = both
    weights = zip(their_model.parameters(), our_model.parameters(), strict=True)
    result = {
        "n_steps": n_steps,
        "first_loss": our_curve[0],
        "last_loss": our_curve[-1],
        "largest_loss_difference": max(abs(a - b) for a, b in zip(their_curve, our_curve, strict=True)),
        "largest_weight_difference": max((a - b).abs().max().item() for a, b in weights),
    }
    vectors = [embed(model, test) for model in (their_model, our_model)]
    ours = [our_metrics(vector, test.labels) for vector in vectors]
    result["metrics_of_our_training_by_our_code"] = ours[1]
    result["largest_metric_difference_of_trainings"] = largest_difference(*ours)
    if "SUPRANK" in roots:
        theirs = [their_metrics(roots["SUPRANK"], vector, test.labels) for vector in vectors]
        result["metrics_of_our_training_by_their_code"] = {name: theirs[1][name] for name in ours[1]}
        result["largest_metric_difference_of_codes"] = largest_difference(theirs[1], ours[1])
    result["agrees"] = result["largest_loss_difference"] <= TOLERANCE
    return result


def largest_difference(first: dict[str, float], second: dict[str, float]) -> float:
    """Over the metrics of `second`."""
    return max(abs(first[name] - second[name]) for name in second)


def compare_seeds(
    method: Method, root: Path, train_set: Photos, test: Photos, n_steps: int, seeds: list[int]
) -> dict:
    """R@1 of the finest level after trainings in float32."""
    torch.set_default_dtype(torch.float32)
    found: tuple[list[float], list[float]] = ([], [])
    for seed in seeds:
        steps = batches(train_set, n_steps, seed)
        for values, loss in zip(found, losses(method, root, train_set, seed), strict=True):
            _, model = train(loss, train_set, steps, seed, BRISK)
            values.append(our_metrics(embed(model, test), test.labels)["R@1_level0"])
    theirs, ours = found
    spread = max(max(values) - min(values) for values in found)
    return {
        "n_steps": n_steps,
        "seeds": seeds,
        "theirs": theirs,
        "ours": ours,
        "difference_of_means": mean(ours) - mean(theirs),
        "spread_of_seeds": spread,
        "agrees": abs(mean(ours) - mean(theirs)) <= spread,
    }


def sampler_statistics(made: list[list[int]], labels: np.ndarray) -> dict[str, float]:
    """Of one epoch's batches."""
    drawn = np.concatenate([np.asarray(batch) for batch in made])
    counts = np.bincount(labels[:, 0])
    largest = np.argsort(-counts, kind="stable")[: max(1, round(len(counts) / 10))]
    return {
        "n_batches": len(made),
        "images_in_a_batch": mean(len(batch) for batch in made),
        "classes_in_a_batch": mean(len(np.unique(labels[batch, 0])) for batch in made),
        "coarse_classes_in_a_batch": mean(len(np.unique(labels[batch, -1])) for batch in made),
        "share_of_images_seen": len(np.unique(drawn)) / len(labels),
        "share_of_repeated_draws": 1 - len(np.unique(drawn)) / len(drawn),
        "share_from_the_largest_tenth_of_classes": float(np.isin(labels[drawn, 0], largest).mean()),
    }


def compare_samplers(root: Path, photos: Photos) -> dict[str, dict[str, float]]:
    """SupRank's samplers and ours on the same labels."""
    labels = photos.labels.numpy()
    theirs = their_batches(root, labels, BATCH, PER_CLASS, seed=0)
    found = {f"SupRank, {name}": sampler_statistics(made, labels) for name, made in theirs.items()}
    ours = ClassSampler(labels, Batch(size=BATCH, images_per_class=PER_CLASS), 0).batches(0)
    return found | {"ours, all classes": sampler_statistics(ours, labels)}


@dataclass(frozen=True)
class Checkout:
    """Their code: where it lies, and of which commit it is."""

    root: Path
    commit: str


def given_checkouts(pairs: list[str]) -> dict[str, Checkout]:
    """Checkouts by name."""
    checkouts = {}
    for pair in pairs:
        name, _, place = pair.partition("=")
        path, _, commit = place.partition("@")
        if name not in SOURCES or not (Path(path) / SOURCES[name][1]).is_file():
            known = ", ".join(f"{key}=<checkout of {place}>" for key, (place, _) in SOURCES.items())
            sys.exit(f"--official {pair}: no such checkout; there are: {known}")
        asked = (
            ["git", "-C", path, "rev-parse", "HEAD"] if (Path(path) / ".git").exists() else ["echo", commit]
        )
        done = subprocess.run(asked, capture_output=True, text=True, check=True)
        checkouts[name] = Checkout(Path(path).resolve(), done.stdout.strip() or "unknown commit")
    return checkouts


def main() -> int:
    """Compare what is given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--official", nargs="+", required=True, metavar="NAME=PATH")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--long-steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    checkouts = given_checkouts(args.official)
    roots = {name: checkout.root for name, checkout in checkouts.items()}
    os.environ["TQDM_DISABLE"] = "1"
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    started = time.monotonic()
    train_set, test = load(args.mirror, "train"), load(args.mirror, "test")
    methods = {name: METHODS[name] for name in args.methods if METHODS[name].source in roots}
    result: dict = {
        "about": {
            "torch": torch.__version__,
            "machine": platform.machine(),
            "n_train": len(train_set.labels),
            "n_test": len(test.labels),
            "n_classes": [int(n) + 1 for n in train_set.labels.max(0).values],
            "float64": GENTLE,
            "float32": BRISK,
            "official": {name: f"{SOURCES[name][0]} {found.commit}" for name, found in checkouts.items()},
        },
        "methods": {},
    }
    for name, method in methods.items():
        curves = compare_curves(method, roots, train_set, test, args.steps)
        seeds = compare_seeds(method, roots[method.source], train_set, test, args.long_steps, args.seeds)
        result["methods"][name] = {"ours": method.loss, "float64": curves, "float32": seeds}
        print(
            f"{name:10s} loss {curves['first_loss']:.4f} -> {curves['last_loss']:.4f}, curves differ by "
            f"{curves['largest_loss_difference']:.1e}, metrics of the trainings by "
            f"{curves['largest_metric_difference_of_trainings']:.1e}, of the codes by "
            f"{curves.get('largest_metric_difference_of_codes', float('nan')):.1e}; R@1 theirs "
            f"{mean(seeds['theirs']):.4f}, ours {mean(seeds['ours']):.4f}, spread {seeds['spread_of_seeds']:.4f}",
            flush=True,
        )
    if "SUPRANK" in roots:
        result["samplers"] = compare_samplers(roots["SUPRANK"], train_set)
        for name, statistics in result["samplers"].items():
            print(name, {key: round(value, 3) for key, value in statistics.items()})
    result["about"]["seconds"] = round(time.monotonic() - started)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    agreed = [
        part["agrees"]
        for found in result["methods"].values()
        for part in (found["float64"], found["float32"])
    ]
    return 0 if all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main())
