"""Declare somebody's own images under `sources` of `params.yaml`: a table or folders of classes, and their tree."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.text import did_you_mean, quoted
from cairnhub.pipelines.settings.sources import FOLDERS
from cairnhub.pipelines.sources.csv_tables import read_csv

Ask = Callable[[str, str], str]
"""Asks a person: a question and the answer that Enter gives."""
_SPLITS = ("split", "subset", "partition")
_PATHS = ("path", "image", "file", "filename", "image_path")


@dataclass(frozen=True)
class Declaration:
    """What a person says of their own images; what is left out is looked up in the folder, or asked.

    Attributes:
        labels: the CSV in the folder, or `folders`.
        images: folders or archives in it.
        levels: columns of the labels, fine to coarse; for folders any names.
        texts: columns that say what a label is.
        known: columns with groups that are known of some labels.
        tree_levels: names of levels to propose above the labels.
        sizes: how many groups each of them gets.
        depth: how many levels.
        names: a file with wanted groups.
        pack: what is known of words.
    """

    labels: str = ""
    images: Sequence[str] = ()
    levels: Sequence[str] = ()
    texts: Sequence[str] = ()
    known: Sequence[str] = ()
    tree_levels: Sequence[str] = ()
    sizes: Sequence[int] = ()
    depth: int | None = None
    names: str = ""
    pack: str = ""

    @property
    def tree(self) -> dict[str, Any]:
        """What is said of the tree, as `params.yaml` has it; empty for nothing."""
        said = {
            "texts": [*self.texts],
            "known": [*self.known],
            "levels": [*self.tree_levels],
            "sizes": [*self.sizes],
            "depth": self.depth,
            "names": self.names,
            "pack": self.pack,
        }
        return {key: value for key, value in said.items() if value}


def declared_source(said: Declaration, folder: Path, ask: Ask | None = None) -> dict[str, Any]:
    """The entry of `sources` for images in a folder.

    Args:
        said: by flags.
        folder: the mirror.
        ask: asks what `said` and the folder leave open; None: what is usual is taken.

    Raises:
        NotFound: no such folder, CSV or column.
        BadInput: a CSV with no column of paths, or none for labels.
    """
    if not folder.is_dir():
        raise NotFound(f"no folder {folder}: give the folder that holds the images with --mirror")
    tables = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in (".csv", ".tsv"))
    usual = tables[0] if len(tables) == 1 else FOLDERS
    labels = said.labels or (ask("CSV with the labels, or `folders`", usual) if ask and tables else usual)
    source: dict[str, Any] = {"format": "table", "labels": labels, "images": [*said.images] or ["."]}
    if labels == FOLDERS:
        levels = [*said.levels] or ["class"]
    else:
        columns = _columns(folder / labels)
        source["path"] = path_column(columns, ask)
        split = next((name for name in columns if name.lower() in _SPLITS), "")
        source |= {"split": split} if split else {}
        levels = [*said.levels] or _asked_levels(columns, {source["path"], split}, said, ask)
        _check_columns(folder / labels, columns, [*levels, *said.texts, *said.known])
    source["levels"] = levels
    if said.tree or len(levels) == 1:
        source["tree"] = {"from": "text", **_asked_tree(said, labels, levels, ask)}
    return source


def n_classes(source: dict[str, Any], folder: Path) -> int:
    """How many labels of the finest level a declared source has; by its folders where there is no table."""
    if source["labels"] == FOLDERS:
        return sum(
            any(not each.is_dir() for each in path.iterdir()) for path in folder.rglob("*") if path.is_dir()
        )
    return int(read_csv(folder / source["labels"], [source["levels"][0]])[source["levels"][0]].nunique())


def path_column(columns: Sequence[str], ask: Ask | None = None) -> str:
    """The column of a table that says where an image is.

    Raises:
        BadInput: none is called as such columns are.
    """
    return _column(columns, _PATHS, "the image's path", ask)


def _columns(path: Path) -> list[str]:
    if not path.is_file():
        raise NotFound(f"{path}: no such file; name the CSV with --labels, or say --labels {FOLDERS}")
    return [*map(str, read_csv(path, ()).columns)]


def _column(columns: Sequence[str], usual: Sequence[str], what: str, ask: Ask | None) -> str:
    found = next((name for name in columns if name.lower() in usual), "")
    chosen = found or (ask(f"Column with {what} ({', '.join(columns)})", columns[0]) if ask else "")
    if chosen not in columns:
        raise BadInput(f"no column with {what} among {quoted(columns, 20)}; call it {usual[0]!r}")
    return chosen


def _asked_levels(columns: Sequence[str], taken: set[str], said: Declaration, ask: Ask | None) -> list[str]:
    """Columns of labels: all that are left where nobody says, but those that tell of a label."""
    left = [name for name in columns if name not in {*taken, "", *said.texts, *said.known}]
    if not left:
        raise BadInput(
            f"no column of labels among {quoted(columns, 20)}; name them with --levels, fine to coarse"
        )
    if ask:
        left = split_list(ask(f"Columns of labels, fine to coarse ({', '.join(left)})", ",".join(left)))
    return left


def _asked_tree(said: Declaration, labels: str, levels: Sequence[str], ask: Ask | None) -> dict[str, Any]:
    tree = said.tree
    if ask and not tree:
        if (
            labels != FOLDERS
            and (texts := ask("Columns whose text says what a label is", levels[0])) != levels[0]
        ):
            tree["texts"] = split_list(texts)
        tree["levels"] = split_list(ask("Names of the levels to propose, fine to coarse", "group,supergroup"))
    return tree


def _check_columns(path: Path, columns: Sequence[str], named: Sequence[str]) -> None:
    for name in named:
        if name not in columns:
            raise NotFound(
                f"{path}: no column {name!r}{did_you_mean(name, columns)}; there are {quoted(columns, 20)}"
            )


def split_list(text: str) -> list[str]:
    """Names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
