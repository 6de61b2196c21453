"""`results/recipes.md`: what each paper reports, and beside it what was reproduced here."""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cairnhub.core.errors import NotFound
from cairnhub.core.parse import FORBID, parse_yaml, read_text, typed
from cairnhub.core.text import did_you_mean
from cairnhub.pipelines.artifacts.evaluation import Evaluation
from cairnhub.pipelines.params import Params
from cairnhub.training.losses.presets import PRESETS
from cairnhub.training.metrics.keys import H_AP, ByMetric
from cairnhub.training.recipes.files import FOLDER
from cairnhub.training.recipes.recipe import recipe_names

REPORTED = FOLDER / "reported.yaml"
NOT_RUN = "not run"
HEAD = """# Reported and reproduced

Written by `cairn recipes`; values in percent. A recipe counts as run once `train.full.recipes` in
`params.yaml` names it for a dataset and `dvc repro` has evaluated that dataset at full scale.

| recipe | settings of | paper of the loss | metric | reported | reproduced |
| --- | --- | --- | --- | ---: | ---: |
"""


@dataclass(frozen=True)
class ReportedResults:
    """What papers say of a recipe file.

    Attributes:
        settings_of: the paper whose settings it holds.
        reported: preset -> metric of `metrics.json` -> what the preset's own paper reports, in percent.
    """

    settings_of: str = ""
    reported: dict[str, dict[str, float]] = field(default_factory=dict)

    __pydantic_config__ = FORBID


def load_reported(path: Path) -> dict[str, ReportedResults]:
    """What is reported, by recipe file.

    Raises:
        CairnError: another shape, or a recipe or preset that there is not.
    """
    reported = typed(dict[str, ReportedResults], parse_yaml(read_text(path), str(path)), str(path))
    files = {name.partition("/")[0] for name in recipe_names()}
    for key, of_file in reported.items():
        _check_known(key, files, f"{path}: {key}: no recipe file is called so")
        for preset in of_file.reported:
            _check_known(preset, PRESETS, f"{path}: {key}.reported.{preset}: no preset is called so")
    return reported


def recipe_table(params: Params, results: Path, reported: Path = REPORTED) -> str:
    """One row per recipe and reported metric, as Markdown.

    Args:
        params: which dataset is trained by which recipe.
        results: the folder `results/` of a checkout.
        reported: the file of what papers say.

    Raises:
        CairnError: that file has another shape, or names a recipe or preset that there is not.
    """
    papers = load_reported(reported)
    published = [name for name in recipe_names() if "/" in name]
    rows = [row for name in published for row in _rows(name, params, results, papers)]
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _rows(
    name: str, params: Params, results: Path, papers: dict[str, ReportedResults]
) -> list[tuple[str, ...]]:
    file, _, preset = name.partition("/")
    of_file = papers.get(file, ReportedResults())
    by_protocol, values = _metrics(name, params, results), of_file.reported.get(preset, {})
    start = (f"`{name}`", of_file.settings_of.partition(" (")[0] or "-", PRESETS[preset].paper)
    return [
        (
            *start,
            metric,
            f"{values[metric]:.1f}" if metric in values else "-",
            _reproduced(by_protocol, metric),
        )
        for metric in values or (str(H_AP),)
    ]


def _metrics(name: str, params: Params, results: Path) -> list[ByMetric[float]]:
    """Each protocol's metrics of the model that the recipe trained at full scale; none where it was not run."""
    for dataset, recipe in params.train.full.recipes.items():
        path = results / "evaluate/full" / dataset / "metrics.json"
        if recipe == name and path.is_file():
            return [values for values, _ in Evaluation.load(path).protocols("trained").values()]
    return []


def _reproduced(protocols: list[ByMetric[float]], metric: str) -> str:
    """The mean over protocols: DyML reports the mean of its three."""
    values = [metrics[metric] for metrics in protocols if metric in map(str, metrics)]
    return f"{100 * np.mean(values):.1f}" if values else NOT_RUN


def _check_known(name: str, known: Collection[str], problem: str) -> None:
    if name not in known:
        raise NotFound(f"{problem}{did_you_mean(name, known)}; there are: {', '.join(sorted(known))}")
