"""The landmarks of GLDv2: readable names, types, and the labels that it publishes itself."""

import unicodedata
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from urllib.parse import unquote

import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.core.text import without_controls
from cairnhub.hierarchies.label_tree.label_rules import disambiguate
from cairnhub.pipelines.sources.csv_tables import read_csv

COMMONS_PREFIX = "Category:"
_STEPS: dict[str, Callable[[str], str]] = {
    "percent-decoded": unquote,
    "control characters": without_controls,
    "composed (NFC)": lambda text: unicodedata.normalize("NFC", text),
    "underscores": lambda text: text.replace("_", " "),
    "stray spaces": lambda text: " ".join(text.split()),
}


def read_name(commons_url: str) -> tuple[str, str]:
    """The name inside a Commons category URL, and what had to be changed to make it readable.

    >>> read_name("http://commons.wikimedia.org/wiki/Category:Caf%C3%A9__de_Flore_")
    ('Café de Flore', 'percent-decoded, underscores, stray spaces')
    """
    _, _, name = commons_url.partition(COMMONS_PREFIX)
    name = name or commons_url
    changes = []
    for change, step in _STEPS.items():
        before, name = name, step(name)
        if name != before:
            changes.append(change)
    return name, ", ".join(changes)


def readable_name(commons_url: str) -> str:
    """The name inside a Commons category URL: decoded, NFC, single spaces."""
    return read_name(commons_url)[0]


def landmark_table(metadata: Path, mined: Mapping[str, str]) -> pd.DataFrame:
    """Every landmark of both id spaces with a unique readable name.

    Args:
        metadata: folder of the CSVs.
        mined: types by Commons category, for landmarks without a supercategory.

    Returns:
        Columns `space` (`train` or `index`), `landmark_id`, `landmark` (unique: a name that occurs twice gets
        its space and id), `type` (supercategory or mined type, empty where there is neither), `original` (the URL)
        and `changes` (what made the URL a name).
    """
    spaces = []
    for space in ("train", "index"):
        names = keyed(metadata / f"{space}_label_to_category.csv", "landmark_id", ["category"])
        types = read_csv(
            metadata / f"{space}_label_to_hierarchical.csv", ["landmark_id", "supercategory"], is_only=True
        )
        types = types.drop_duplicates()
        _one_row_each(types, metadata / f"{space}_label_to_hierarchical.csv")
        spaces.append(names.merge(types, on="landmark_id", how="left").assign(space=space))
    table = pd.concat(spaces, ignore_index=True)
    table = table.rename(columns={"category": "original"})
    read = [read_name(url) for url in table["original"]]
    table["landmark"] = [name for name, _ in read]
    given = table["supercategory"].fillna("").str.split().str.join(" ")
    table["type"] = given.where(given != "", [mined.get(url, "") for url in table["original"]])
    ids = table["space"] + " " + table["landmark_id"]
    unique = disambiguate(table["landmark"].tolist(), ids.tolist())
    table["changes"] = [
        ", ".join(filter(None, (changes, "id appended" if name != label else "")))
        for (name, changes), label in zip(read, unique, strict=True)
    ]
    table["landmark"] = unique
    return table[["space", "landmark_id", "landmark", "type", "original", "changes"]]


def published_labels(metadata: Path, landmarks: pd.DataFrame) -> pd.DataFrame:
    """The labels that GLDv2 itself publishes, for the landmarks that have one."""
    columns = ["landmark_id", "hierarchical_label", "natural_or_human_made"]
    spaces = [
        read_csv(metadata / f"{space}_label_to_hierarchical.csv", columns, is_only=True).assign(space=space)
        for space in ("train", "index")
    ]
    labels = pd.concat(spaces, ignore_index=True).drop_duplicates(["space", "landmark_id"])
    labels = landmarks.merge(labels, on=["space", "landmark_id"])
    labels = labels.rename(columns={"hierarchical_label": "category", "natural_or_human_made": "kind"})
    is_labelled = (labels["category"] != "") & (labels["kind"] != "")
    return labels.loc[is_labelled, ["landmark", "category", "kind"]]


def _one_row_each(types: pd.DataFrame, path: Path) -> None:
    repeated = types[types["landmark_id"].duplicated(keep=False)]
    if len(repeated):
        example = repeated["landmark_id"].iloc[0]
        parents = sorted(repeated.loc[repeated["landmark_id"] == example, "supercategory"])
        raise BrokenData(
            f"{path}: landmark {example} has two supercategories: {', '.join(map(repr, parents))}"
        )


def keyed(
    path: Path, key: str, columns: list[str], is_multiline: bool = False, repetitive: Collection[str] = ()
) -> pd.DataFrame:
    """Text columns of a CSV that speaks of each key once: a second row would make images of nothing."""
    frame = read_csv(path, [key, *columns], is_multiline, is_only=True, repetitive=repetitive)
    if (repeated := frame[key].duplicated()).any():
        line, name = frame.index[repeated][0], frame.loc[repeated, key].iloc[0]
        raise BrokenData(f"{path}:{line}: {key} {name[:100]!r} is listed twice; fetch it again")
    return frame
