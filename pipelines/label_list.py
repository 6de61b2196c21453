"""Labels as people keep them: a text file with one in each line, or a table with a column of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.parse import read_text
from cairnhub.core.text import did_you_mean, quoted
from cairnhub.hierarchies.proposal.named_groups import NamedGroup
from cairnhub.pipelines.sources.csv_tables import read_csv


@dataclass(frozen=True)
class LabelList:
    """Labels and what a table says of them, row by row.

    Attributes:
        labels: distinct.
        texts: what each is in words; None where the labels are words.
        descriptions: a sentence each; None where there is no such column.
        known: what is known of each one's groups, by level.
    """

    labels: list[str]
    texts: list[str] | None
    descriptions: list[str] | None
    known: dict[str, list[str]]


def read_labels(
    path: Path,
    column: str | None = None,
    text: str | None = None,
    description: str | None = None,
    known: Sequence[str] = (),
) -> LabelList:
    """Read a `.csv` or `.tsv` table, or a file of lines.

    Args:
        path: the file, in UTF-8.
        column: that of the labels; by default the first. Rows of one label must agree in the other columns.
        text: the column that says in words what a label is.
        description: the column with a sentence on each.
        known: columns with known groups; the level has the column's name.

    Raises:
        NotFound: no such file or column.
        BadInput: no label, columns asked of a file of lines, or rows of one label that differ.
    """
    if not path.is_file():
        raise NotFound(f"{path}: no such file; give a text file with a label in each line, or a .csv or .tsv")
    asked = [name for name in (column, text, description, *known) if name]
    if path.suffix.lower() not in (".csv", ".tsv"):
        if asked:
            raise BadInput(
                f"{path} is read line by line and has no column {quoted(asked)}; a .csv or .tsv has columns"
            )
        lines = dict.fromkeys(line.strip() for line in read_text(path).splitlines())
        return LabelList(_some([line for line in lines if line], path), None, None, {})
    table = read_csv(path, ())
    if table.columns.empty:
        raise BadInput(f"{path}: empty; its first line must name the columns")
    for name in asked:
        if name not in table.columns:
            raise NotFound(f"{path} has no column {name!r}{did_you_mean(name, table.columns)}")
    column = column or str(table.columns[0])
    table = table[table[column].str.strip() != ""]
    used = table[
        list(dict.fromkeys([column, *(name for name in (text, description, *known) if name)]))
    ].drop_duplicates()
    _check_agreement(used, column, path)

    def values(name: str | None) -> list[str] | None:
        return used[name].tolist() if name else None

    return LabelList(
        _some(used[column].tolist(), path),
        values(text),
        values(description),
        {name: used[name].tolist() for name in known},
    )


def _some(labels: list[str], path: Path) -> list[str]:
    if not labels:
        raise BadInput(f"{path}: no label in it; give one in each line")
    return labels


def _check_agreement(table: pd.DataFrame, column: str, path: Path) -> None:
    """Rows of one label say the same of it."""
    twice = table[table[column].duplicated(keep=False)]
    if len(twice):
        rows = twice[twice[column] == twice[column].iloc[0]]
        one, other = rows.iloc[0], rows.iloc[1]
        differs = next(name for name in table.columns if one[name] != other[name])
        raise BadInput(
            f"{path}, lines {rows.index[0]} and {rows.index[1]}: {column} {one[column]!r} has {differs} "
            f"{one[differs]!r} and {other[differs]!r}; keep one"
        )


def read_names(path: Path) -> tuple[NamedGroup, ...]:
    """Read wanted groups: a name in each line, with examples behind a colon if there are any.

    Raises:
        NotFound: no such file.
        BadInput: a name twice, or none.
    """
    if not path.is_file():
        raise NotFound(
            f"{path}: no such file; it should have a group in each line, such as `fruit: apple, pear`"
        )
    groups = []
    for line in read_text(path).splitlines():
        name, _, examples = line.partition(":")
        if name.strip():
            listed = tuple(example.strip() for example in examples.split(",") if example.strip())
            groups.append(NamedGroup(name.strip(), listed))
    names = [group.name for group in groups]
    if not groups or len(set(names)) < len(names):
        twice = next((name for name in names if names.count(name) > 1), "")
        raise BadInput(
            f"{path}: "
            + (
                f"the group {twice!r} stands there twice"
                if twice
                else "no group in it; give one in each line"
            )
        )
    return tuple(groups)
