"""What papers report of recipes, where the settings stand in their code, and what differs from it. Needs no torch."""

from dataclasses import dataclass, field
from pathlib import Path

from cairnhub.core.errors import NotFound
from cairnhub.core.parse import FORBID, parse_yaml, read_text, typed
from cairnhub.core.text import did_you_mean
from cairnhub.training.recipes.files import FOLDER, recipe_files, recipe_stem, rows_of

NAME = "reported.yaml"


@dataclass(frozen=True)
class ReportedRow:
    """A row of a paper's table.

    Attributes:
        configs: files of the paper's code that hold the loss.
        reported: metric of `metrics.json` -> value, in percent; those that are certain.
        differs: where the recipe does not follow the code, and why.
    """

    configs: tuple[str, ...]
    reported: dict[str, float] = field(default_factory=dict)
    differs: tuple[str, ...] = ()

    __pydantic_config__ = FORBID


@dataclass(frozen=True)
class ReportedRecipes:
    """The rows that share a recipe file.

    Attributes:
        configs: files of the paper's code that hold what the rows share.
        rows: by name.
        differs: as of a row, of them all.
    """

    configs: tuple[str, ...]
    rows: dict[str, ReportedRow]
    differs: tuple[str, ...] = ()

    __pydantic_config__ = FORBID


@dataclass(frozen=True)
class Paper:
    """A paper, by a folder of recipes.

    Attributes:
        paper: its name, authors, place.
        repository: of its code.
        commit: that was read.
        recipes: by the recipe file's name in the folder.
        differs: as of a row, of all of the paper's recipes.
    """

    paper: str
    repository: str
    commit: str
    recipes: dict[str, ReportedRecipes]
    differs: tuple[str, ...] = ()

    __pydantic_config__ = FORBID


def load_papers(folder: Path = FOLDER) -> dict[str, Paper]:
    """What is reported, by folder of recipes.

    Raises:
        CairnError: a file of another shape, a recipe file or row that there is not, or one of a paper's folder of
            which nothing is said.
    """
    return {path.parent.name: _load_paper(path, folder) for path in sorted(folder.glob(f"*/{NAME}"))}


def _load_paper(path: Path, folder: Path) -> Paper:
    paper = typed(Paper, parse_yaml(read_text(path), str(path)), str(path))
    files = {
        recipe_stem(file, path.parent): file for file in recipe_files(folder) if file.parent == path.parent
    }
    _check_same(set(paper.recipes), set(files), f"{path}: recipes", "recipe file")
    for name, file in files.items():
        _check_same(
            set(paper.recipes[name].rows),
            set(rows_of(file)),
            f"{path}: recipes.{name}.rows",
            "row of the recipe file",
        )
    return paper


def _check_same(described: set[str], there: set[str], where: str, what: str) -> None:
    for name in sorted(described - there):
        raise NotFound(f"{where}.{name}: no {what} is called so{did_you_mean(name, there)}; there are: "
                       f"{', '.join(sorted(there))}")  # fmt: skip
    for name in sorted(there - described):
        raise NotFound(f"{where}: nothing is said of {name}: add it, with its configs")
