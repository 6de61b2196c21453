"""`results/recipes.md`: what each paper reports, beside it what was reproduced here, and what differs from its code."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cairnhub.pipelines.artifacts.evaluation import Evaluation
from cairnhub.pipelines.params import Params
from cairnhub.training.metrics.keys import ByMetric
from cairnhub.training.recipes.files import FOLDER
from cairnhub.training.recipes.reported import Paper, ReportedRow, load_papers

METRIC = "h_ap_published"  # of a row of which nothing certain is reported
NOT_RUN = "not run"
HEAD = """# Reported and reproduced

Written by `cairn recipes`; values in percent, `-` where no certain one is at hand. A recipe counts as run once
`train.full.recipes` in `params.yaml` names it for a dataset and `dvc repro` has evaluated that dataset at full scale.
`h_ap_published` is H-AP as the papers compute it, with the query among the relevances.
Under *differs* stand the notes at the end of each paper's part that hold for the row; without one it follows the
paper's code.
"""
FILES = """
| settings | from |
| --- | --- |
"""
Cells = tuple[str, ...]
ROWS = """
| recipe | metric | reported | reproduced | loss from | differs |
| --- | --- | ---: | ---: | --- | --- |
"""


def recipe_table(params: Params, results: Path, folder: Path = FOLDER) -> str:
    """One row per row of a paper's table and reported metric, as Markdown, paper by paper.

    Args:
        params: which dataset is trained by which recipe.
        results: the folder `results/` of a checkout.
        folder: of recipes, and of what is reported of them.

    Raises:
        CairnError: what is reported has another shape, or names a recipe that there is not.
    """
    return HEAD + "".join(_part(*named, params, results) for named in load_papers(folder).items())


def _part(name: str, paper: Paper, params: Params, results: Path) -> str:
    notes = _notes(paper)
    files = [(f"`{name}/{file}.yaml`", ", ".join(recipes.configs)) for file, recipes in paper.recipes.items()]
    rows = [
        cells
        for file, recipes in paper.recipes.items()
        for row, of_row in recipes.rows.items()
        for cells in _rows(
            f"{name}/{file}/{row}",
            of_row,
            [notes[note] for note in (*paper.differs, *recipes.differs, *of_row.differs)],
            params,
            results,
        )
    ]
    source = f"{paper.repository}/tree/{paper.commit}"
    listed = "".join(f"{number}. {note}\n" for note, number in notes.items()) or "nothing.\n"
    return (
        f"\n## {paper.paper}\n\nFrom {source}:\n{FILES}{_lines(files)}{ROWS}{_lines(rows)}"
        f"\nWhat differs from the source:\n\n{listed}"
    )


def _lines(rows: Iterable[Cells]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _notes(paper: Paper) -> dict[str, int]:
    """Every difference of a paper's recipes, numbered from 1 in the order of the table."""
    notes = list(paper.differs)
    for recipes in paper.recipes.values():
        notes += recipes.differs
        notes += [note for row in recipes.rows.values() for note in row.differs]
    return {note: number for number, note in enumerate(dict.fromkeys(notes), start=1)}


def _rows(name: str, row: ReportedRow, notes: Iterable[int], params: Params, results: Path) -> list[Cells]:
    by_protocol = _metrics(name, params, results)
    return [
        (
            f"`{name}`",
            metric,
            f"{row.reported[metric]:.1f}" if metric in row.reported else "-",
            _reproduced(by_protocol, metric),
            ", ".join(row.configs),
            ", ".join(map(str, sorted(set(notes)))),
        )
        for metric in row.reported or (METRIC,)
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
