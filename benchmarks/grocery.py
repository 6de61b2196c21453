"""Real photographs: a colour histogram, a pretrained network as it is, and heads trained on it by four losses.

    python benchmarks/grocery.py --mirror <folder with images.tar and labels.csv> [--seeds 0 1 2]
    python benchmarks/grocery.py --mirror <..> --fine-tune    # adds those rows to the results: an hour on one core

The Grocery Store Dataset, its own split: 2,640 photographs to train on, 296 to choose a learning rate by, 2,485 that
are searched in each other. EfficientNet-Lite0 with the weights that its package carries sees 160 x 160 pixels; its
vectors are computed once, and a head is trained on them by recipe `photos` with each loss, at the learning rate, of
four, that gives that loss the best H-AP on the 296. One thread. Vectors are kept under data/benchmarks/grocery. Writes
results/grocery.json. Fine-tuning goes on from each loss's head: the last blocks learn with it, on random crops, at the
learning rate, of two, that gives that loss the best H-AP on the 296.
"""

import argparse
import io
import json
import statistics
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import t as student
from torch import Tensor
from torch.nn import functional

from cairnhub.training.data import ImageSubset, LabelledImages, to_tensor
from cairnhub.training.embedding import frozen_encoder
from cairnhub.training.encoders import (
    EmbeddedSplit,
    Encoder,
    colour_histogram,
    embed_split,
    model_encoder,
    projection_encoder,
)
from cairnhub.training.evaluation import evaluate, headlines
from cairnhub.training.loop import train
from cairnhub.training.models import ModelDescription, load_model, save_model
from cairnhub.training.recipes.recipe import Recipe, load_recipe
from cairnhub.training.recipes.settings import Network

KEPT = Path(__file__).parents[1] / "data/benchmarks/grocery"
RESULTS = Path(__file__).parent / "results/grocery.json"
LEVELS = ("fine", "middle", "coarse")
METHODS = ["HAPPIER", "NormalisedSoftmax", "SmoothAP", "ROADMAP"]
N_FROZEN_BLOCKS, N_TUNED_EPOCHS, N_WARMUP_STEPS = 12, 3, 10
TUNED_RATES = [0.0001, 0.0003]
RATES = [0.0001, 0.0003, 0.001, 0.003]
N_TIMED = 256
SPLITS = ["train", "val", "test"]


class Photos(LabelledImages):
    """A split, read from the archive."""

    def __init__(self, mirror: Path, split: str, side_px: int) -> None:
        table = pd.read_csv(mirror / "labels.csv")
        codes = np.column_stack(
            [
                table[list(LEVELS[depth:])].agg("/".join, axis=1).astype("category").cat.codes
                for depth in range(3)
            ]
        )
        is_split = (table["split"] == split).to_numpy()
        self.paths, self.labels = table.loc[is_split, "path"].tolist(), codes[is_split].astype(np.int64)
        self.archive, self.side_px = tarfile.open(mirror / "images.tar"), side_px  # noqa: SIM115
        self.members = {member.name.removeprefix("./"): member for member in self.archive}

    def __getitem__(self, index: int) -> Tensor:
        opened = self.archive.extractfile(self.members[self.paths[index]])
        assert opened is not None
        return to_tensor(io.BytesIO(opened.read()).getvalue(), self.side_px)


def kept(name: str, encoder: Encoder, images: Photos) -> Tensor:
    """Vectors of a split, made where they are missing."""
    path = KEPT / f"{name}.npy"
    if not path.is_file():
        KEPT.mkdir(parents=True, exist_ok=True)
        np.save(path, embed_split(images, encoder, 64, n_workers=0).embeddings.numpy())
    return torch.from_numpy(np.load(path))


def measured(vectors: Tensor, images: Photos) -> dict[str, float]:
    result = evaluate(EmbeddedSplit(vectors, images.labels), None, LEVELS)
    return {str(key): round(result.values[key], 4) for key in headlines(result.levels)}


def recipe_of(method: str, rate: float) -> Recipe:
    recipe = load_recipe(f"photos/{method}")
    weights = recipe.optimizer.backbone.model_copy(update={"learning_rate": rate})
    optimizer = recipe.optimizer.model_copy(update={"backbone": weights})
    return recipe.model_copy(update={"optimizer": optimizer})


def fine_tuned(method: str, rate: float, seed: int, images: Mapping[str, Photos], features: Tensor) -> Path:
    """The head of a loss, then the network's last blocks with it: the model folder, made where it is missing."""
    folder = KEPT / f"tuned_{method}_{rate}_{seed}"
    if folder.is_dir():
        return folder
    head = recipe_of(method, rate)
    description = ModelDescription(f"photos/{method}", head.network, LEVELS, "", seed)
    began = KEPT / "head"
    began.mkdir(parents=True, exist_ok=True)
    save_model(began, train(head, images["train"], seed, 0, features=features).model, description)
    changes = {"weights": str(began), "frozen": N_FROZEN_BLOCKS, "frozen_batch_norm": True}
    network = Network.model_validate(head.network.model_dump() | changes)
    optimizer = head.optimizer.model_copy(update={"n_warmup_steps": N_WARMUP_STEPS})
    plan = {"network": network, "optimizer": optimizer, "n_epochs": N_TUNED_EPOCHS}
    tuned = train(head.model_copy(update=plan), images["train"], seed, 0).model
    partial = folder.with_suffix(".partial")
    partial.mkdir(exist_ok=True)
    save_model(partial, tuned, description)
    return partial.rename(folder)


def add_fine_tuned(images: Mapping[str, Photos], features: Tensor, seeds: Sequence[int]) -> None:
    """Measure each loss over the seeds, and add what it gives to the results."""

    def values(method: str, rate: float, seed: int, split: str) -> dict[str, float]:
        model, _ = load_model(fine_tuned(method, rate, seed, images, features))
        embedded = embed_split(images[split], model_encoder(model), 64, n_workers=0)
        return measured(embedded.embeddings, images[split])

    rows = {}
    for method in METHODS:
        by_rate = {rate: values(method, rate, seeds[0], "val")["h_ap"] for rate in TUNED_RATES}
        rate = max(by_rate, key=lambda rate: by_rate[rate])
        rows[method] = summary(by_rate, rate, [values(method, rate, seed, "test") for seed in seeds])
        print(method, json.dumps(rows[method]), flush=True)
    result = json.loads(RESULTS.read_text())
    plan = {"seeds": list(seeds), "n_frozen_blocks": N_FROZEN_BLOCKS, "n_epochs": N_TUNED_EPOCHS}
    RESULTS.write_text(json.dumps(result | {"fine_tuned": {**plan, "methods": rows}}, indent=1) + "\n")


def summary(by_rate: dict[float, float], rate: float, runs: list[dict[str, float]]) -> dict[str, object]:
    """How the learning rate was chosen, and what the runs of all seeds gave with it."""
    return {
        "h_ap_on_val_by_rate": by_rate,
        "learning_rate": rate,
        "values": {name: round(statistics.mean(run[name] for run in runs), 4) for name in runs[0]},
        "intervals": {name: interval([run[name] for run in runs]) for name in ("h_ap", "r_at_1_fine")},
        "h_ap_per_seed": [run["h_ap"] for run in runs],
    }


def interval(values: list[float]) -> list[float]:
    """Student's 95 % interval of a mean over seeds."""
    half = student.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return [round(statistics.mean(values) - half, 4), round(statistics.mean(values) + half, 4)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--fine-tune", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = load_recipe("photos").network
    images = {split: Photos(options.mirror, split, network.decoded_side_px) for split in SPLITS}
    encoder = frozen_encoder(network)
    features = {split: kept(f"features_{split}", encoder, images[split]) for split in SPLITS}
    if options.fine_tune:
        add_fine_tuned(images, features["train"], options.seeds)
        return
    start, timed = time.monotonic(), ImageSubset(images["val"], np.arange(N_TIMED))
    embed_split(timed, encoder, 64, n_workers=0)
    milliseconds = round(1000 * (time.monotonic() - start) / N_TIMED, 1)
    histograms = kept("histogram_test", colour_histogram, images["test"])

    def head(method: str, rate: float, seed: int, split: str) -> tuple[dict[str, float], float]:
        start = time.monotonic()
        trained = train(recipe_of(method, rate), images["train"], seed, 0, features=features["train"]).model
        seconds = time.monotonic() - start
        with torch.inference_mode():
            return measured(projection_encoder(trained)(features[split]), images[split]), seconds

    heads = {}
    for method in METHODS:
        by_rate = {rate: head(method, rate, 0, "val")[0]["h_ap"] for rate in RATES}
        rate = max(by_rate, key=lambda rate: by_rate[rate])
        runs = [head(method, rate, seed, "test") for seed in options.seeds]
        seconds = round(statistics.mean(run[1] for run in runs), 1)
        heads[method] = {**summary(by_rate, rate, [run[0] for run in runs]), "seconds": seconds}
        print(method, json.dumps(heads[method]), flush=True)
    result = {
        "seeds": options.seeds,
        "n_queries": len(images["test"]),
        "image_side_px": network.image_side_px,
        "milliseconds_per_vector": milliseconds,
        "colour_histogram": measured(histograms, images["test"]),
        "off_the_shelf": measured(functional.normalize(features["test"], dim=1), images["test"]),
        "trained_head": heads,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({name: result[name] for name in ("colour_histogram", "off_the_shelf")}))


if __name__ == "__main__":
    main()
