"""The methods against each other: the same network, batches and steps, three seeds each, on published datasets.

    python benchmarks/recipes.py [--datasets gldv2 grocery] [--methods HAPPIER ...] [--seeds 0 1 2] [--kept]

Every run is a process of its own with one thread, and leaves a file under data/benchmarks/recipes: a run that is
there is not made again, so that this may be stopped and started. All methods have the settings of the dataset's
recipe, made for HAPPIER; none was tuned. Of a method, `interval` is Student's over seeds. Of HAPPIER's lead over a
method, `over_seeds` is Student's over the differences at equal seed (so of equal initial weights and batches), and
`over_queries` a bootstrap over queries of the differences averaged over seeds. Writes results/recipes.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from cairnhub.training.losses.presets import PRESETS
from cairnhub.training.metrics.bootstrap import bootstrap_intervals

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "data/benchmarks/recipes"
RESULTS = Path(__file__).parent / "results" / "recipes.json"
RECIPES = {"gldv2": "small", "inat2018": "small", "grocery": "small_photos"}
N_EPOCHS = {"gldv2": 20, "inat2018": 20}  # more than the recipe's, which pays for portable kernels
OURS = "HAPPIER"
FIRST = [OURS, "NormalisedSoftmax", "SmoothAP", "SupAP"]
METHODS = [*FIRST, *(method for method in PRESETS if method not in FIRST)]

Run = dict[str, object]


def run_one(dataset: str, method: str, seed: int) -> Run:
    """Train and evaluate once, in this process."""
    import torch

    from cairnhub.datasets_hub.loader import describe, load_tree
    from cairnhub.datasets_hub.open_split import open_split
    from cairnhub.training.data import ImageDataset
    from cairnhub.training.encoders import embed_split, model_encoder
    from cairnhub.training.evaluation import evaluate, headlines
    from cairnhub.training.loop import train
    from cairnhub.training.recipes.recipe import load_recipe

    class Decoded(ImageDataset):
        """Decoded once and kept: the runs compare losses, not decoders."""

        def __init__(self, name: str, side_px: int) -> None:
            super().__init__(open_split(dataset, name), side_px)
            self.kept = [super(Decoded, self).__getitem__(index) for index in range(len(self))]

        def __getitem__(self, index: int) -> torch.Tensor:
            return self.kept[index]

    torch.set_num_threads(1)
    start = time.monotonic()
    recipe, tree = load_recipe(f"{RECIPES[dataset]}/{method}"), load_tree(dataset)
    recipe = recipe.model_copy(update={"n_epochs": N_EPOCHS.get(dataset, recipe.n_epochs)})
    side_px = recipe.network.decoded_side_px
    trained = train(recipe, Decoded("train", side_px), seed, n_workers=0)
    protocol = describe(dataset).card.protocols[0]
    embedded = {
        name: embed_split(Decoded(name, side_px), model_encoder(trained.model), 256, n_workers=0)
        for name in (protocol.query, protocol.gallery)
    }
    gallery = None if protocol.gallery == protocol.query else embedded[protocol.gallery]
    measured = evaluate(embedded[protocol.query], gallery, tree.levels, protocol.levels)
    return {
        "values": {str(key): measured.values[key] for key in headlines(measured.levels)},
        "h_ap_per_query": measured.per_query["h_ap"].tolist(),
        "n_steps": int(trained.curve["step"].iloc[-1]),
        "seconds": round(time.monotonic() - start, 1),
    }


def run_file(dataset: str, method: str, seed: int) -> Path:
    return KEPT / dataset / f"{method}-{seed}.json"


def kept_run(dataset: str, method: str, seed: int) -> Run:
    """The run's file, made by a process of its own where it is missing."""
    path = run_file(dataset, method, seed)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, __file__, "--run", dataset, method, str(seed), str(path)]
        subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
    found: Run = json.loads(path.read_text())
    return found


def all_runs(dataset: str, methods: list[str], seeds: list[int], only_kept: bool) -> dict[str, list[Run]]:
    """Every seed's run by method."""
    return {
        method: [kept_run(dataset, method, seed) for seed in seeds]
        for method in methods
        if not only_kept or all(run_file(dataset, method, seed).is_file() for seed in seeds)
    }


def interval(values: list[float]) -> list[float]:
    """Student's 95 % interval of a mean over seeds."""
    half = student.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    mean = statistics.mean(values)
    return [round(mean - half, 4), round(mean + half, 4)]


def summary(runs: dict[str, list[Run]]) -> dict[str, object]:
    """Of one dataset: each method's metrics, and by how much HAPPIER's H-AP exceeds it."""
    h_ap = {method: [run["values"]["h_ap"] for run in of_seed] for method, of_seed in runs.items()}
    per_query = {
        method: np.mean([run["h_ap_per_query"] for run in of_seed], axis=0)
        for method, of_seed in runs.items()
    }
    table = {}
    for method, of_seed in runs.items():
        names = of_seed[0]["values"]
        row = {
            "h_ap_per_seed": [round(value, 4) for value in h_ap[method]],
            "interval": interval(h_ap[method]),
            "values": {
                name: round(statistics.mean(run["values"][name] for run in of_seed), 4) for name in names
            },
            "seconds": round(statistics.mean(run["seconds"] for run in of_seed)),
        }
        if method != OURS and OURS in runs:
            leads = [ours - theirs for ours, theirs in zip(h_ap[OURS], h_ap[method], strict=True)]
            difference = {"lead": np.asarray(per_query[OURS] - per_query[method])}
            over_queries = bootstrap_intervals(difference)["lead"]
            row["lead_of_happier"] = {
                "mean": round(statistics.mean(leads), 4),
                "over_seeds": interval(leads),
                "over_queries": [round(end, 4) for end in (over_queries.low, over_queries.high)],
            }
        table[method] = row
    any_run = next(iter(runs.values()))[0]
    return {
        "n_queries": len(any_run["h_ap_per_query"]),
        "n_steps": any_run["n_steps"],
        "methods": table,
    }


def table(dataset: dict[str, object]) -> str:
    """Markdown, in percent: the mean over seeds, half the width of its interval, and HAPPIER's lead."""
    methods = dataset["methods"]
    names = list(next(iter(methods.values()))["values"])
    lines = ["| method | H-AP | HAPPIER leads by | " + " | ".join(_title(name) for name in names[1:]) + " |"]
    lines.append("| --- |" + " ---: |" * (len(names) + 1))
    for method, row in methods.items():
        low, high = row["interval"]
        values = [f"{100 * row['values'][name]:.1f}" for name in names]
        cells = [method, f"{values[0]} ± {50 * (high - low):.1f}", _lead(row), *values[1:]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _title(name: str) -> str:
    return name.replace("r_at_1_", "R@1 ").replace("ap_", "AP ")


def _lead(row: dict[str, object]) -> str:
    if "lead_of_happier" not in row:
        return ""
    lead = row["lead_of_happier"]
    low, high = lead["over_seeds"]
    return f"{100 * lead['mean']:.1f} ± {50 * (high - low):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--datasets", nargs="+", choices=RECIPES, default=["gldv2", "grocery"])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--kept", action="store_true", help="only sum up: methods whose runs are all there")
    parser.add_argument("--run", nargs=4, metavar=("DATASET", "METHOD", "SEED", "FILE"))
    options = parser.parse_args()
    if options.run:
        dataset, method, seed, path = options.run
        Path(path).write_text(json.dumps(run_one(dataset, method, int(seed))))
        return
    result = {
        "seeds": options.seeds,
        "datasets": {
            dataset: {"recipe": RECIPES[dataset], **summary(runs)}
            for dataset in options.datasets
            if (runs := all_runs(dataset, options.methods, options.seeds, options.kept))
        },
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    for name, dataset in result["datasets"].items():
        print(f"{name}, {dataset['n_queries']} queries, {dataset['n_steps']} steps\n\n{table(dataset)}\n")


if __name__ == "__main__":
    main()
