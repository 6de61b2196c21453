"""`results/recipes.md`: what each paper reports, and beside it what was reproduced here."""

from pathlib import Path
from typing import Any

import numpy as np

from cairnhub.core.parse import read_json
from cairnhub.pipelines.params import Params
from cairnhub.training.build_loss import PAPERS
from cairnhub.training.metrics.keys import H_AP, ByMetric, from_json
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
        for metric in reported or (str(H_AP),)
    ]


def _metrics(name: str, params: Params, results: Path) -> list[ByMetric[float]]:
    """Each protocol's metrics of the model that the recipe trained at full scale; none where it was not run."""
    for dataset, recipe in params.train.full.recipes.items():
        path = results / "evaluate/full" / dataset / "metrics.json"
        if recipe == name and path.is_file():
            trained = read_json(path, dict[str, Any])["trained"]
            return [from_json(protocol)[0] for protocol in trained["protocols"].values()]
    return []


def _reproduced(protocols: list[ByMetric[float]], metric: str) -> str:
    """The mean over protocols: DyML reports the mean of its three."""
    values = [metrics[metric] for metrics in protocols if metric in map(str, metrics)]
    return f"{100 * np.mean(values):.1f}" if values else NOT_RUN
