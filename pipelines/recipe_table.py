"""`results/recipes.md`: what each paper reports, and beside it what was reproduced here."""

import json
from pathlib import Path

import numpy as np

from cairnhub.pipelines.params import Params
from cairnhub.training.build_loss import PAPERS
from cairnhub.training.recipes import load_recipe, recipe_names

NOT_RUN = "not run"
HEAD = """# Reported and reproduced

Written by `cairn recipes`; values in percent. A recipe counts as run once `train.full.recipes` in
`params.yaml` names it for a dataset and `dvc repro` has evaluated that dataset at full scale.

| recipe | paper of the method | metric | reported | reproduced |
| --- | --- | --- | ---: | ---: |
"""


def recipe_table(params: Params, results: Path) -> str:
    """One row per recipe and reported metric, as Markdown.

    Args:
        params: which dataset is trained by which recipe.
        results: the folder `results/` of a checkout.
    """
    return HEAD + "".join(
        f"| {' | '.join(row)} |\n" for name in recipe_names() for row in _rows(name, params, results)
    )


def _rows(name: str, params: Params, results: Path) -> list[tuple[str, ...]]:
    recipe = load_recipe(name)
    if "/" not in name:
        return []
    found, reported = _metrics(name, params, results), recipe.reported.get(recipe.method, {})
    start = (f"`{name}`", PAPERS[recipe.method])
    return [
        (*start, metric, f"{reported[metric]:.1f}" if metric in reported else "-", _reproduced(found, metric))
        for metric in reported or ("h_ap",)
    ]


def _metrics(name: str, params: Params, results: Path) -> list[dict[str, float]]:
    """Each protocol's metrics of the model that the recipe trained at full scale; none where it was not run."""
    for dataset, recipe in params.train.full.recipes.items():
        path = results / "evaluate/full" / dataset / "metrics.json"
        if recipe == name and path.is_file():
            return list(json.loads(path.read_text(encoding="utf-8"))["trained"].values())
    return []


def _reproduced(protocols: list[dict[str, float]], metric: str) -> str:
    """The mean over protocols: DyML reports the mean of its three."""
    values = [metrics[metric] for metrics in protocols if metric in metrics]
    return f"{100 * np.mean(values):.1f}" if values else NOT_RUN
