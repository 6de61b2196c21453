"""CSVs as others write them: text columns, read strictly and in little memory."""

import csv
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from cairnhub.core.errors import BadInput, BrokenData, NotFound
from cairnhub.core.text import quoted

ROWS_AT_ONCE = 10_000
"""Of a CSV: those being read take many times the memory of those that are read."""
SHOWN = 60
"""Characters of a faulty cell that a message quotes."""


def read_csv(
    path: Path,
    columns: Sequence[str],
    is_multiline: bool = False,
    is_only: bool = False,
    repetitive: Collection[str] = (),
) -> pd.DataFrame:
    """Read text columns of a CSV, or of a `.tsv`; absent values are empty strings.

    Args:
        path: the file, in UTF-8; blank lines count for nothing.
        columns: those that it must have; all that it has are read, unless `is_only`.
        is_multiline: whether cells may have line breaks. Else a quote that is left open is an error: it would swallow
            the rows that follow.
        is_only: whether the other columns are left out, as is best of tables with millions of rows.
        repetitive: columns that say the same again and again: they are read as categories.

    Returns:
        The rows. Their index is the line of the file that each begins at, from 1.

    Raises:
        CairnError: the file is missing, is no CSV, or lacks one of `columns` or has it twice; or a row has its quotes
            not in order, or more or fewer cells than the header. Names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = _rows(file, path, is_multiline)
            _, cells = next(rows, (1, []))
            header = _told_apart(cells, columns)
            require_columns(pd.DataFrame(columns=pd.Index(header)), columns, path)
            kept = columns if is_only else header
            places = [header.index(name) for name in kept]
            code_of: dict[str, dict[str, int]] = {name: {} for name in repetitive}
            pieces: dict[str, list[Any]] = {name: [] for name in kept}
            lines: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
            while some := list(islice(rows, ROWS_AT_ONCE)):
                numbers, records = zip(*some, strict=True)
                lines.append(np.array(numbers))
                by_column = list(zip(*records, strict=True))
                for name, at in zip(kept, places, strict=True):
                    pieces[name].append(
                        _coded(by_column[at], code_of[name])
                        if name in code_of
                        else pa.array(by_column[at], pa.large_string())
                    )
    except FileNotFoundError as error:
        raise NotFound(f"{path} is missing: run the fetch stage again") from error
    except (UnicodeDecodeError, OSError) as error:
        raise BrokenData(
            f"{path}: not a readable CSV: {error}; fetch it again, or save it as a CSV in UTF-8"
        ) from error
    whole: dict[str, Any] = {}
    for name in kept:  # one by one, as one piece of memory each
        parts = pieces.pop(name)
        whole[name] = _categories(parts, code_of[name]) if name in code_of else _texts(parts)
    return pd.DataFrame(whole, pd.Index(np.concatenate(lines)), columns=pd.Index(kept))


def _texts(parts: Sequence[pa.Array]) -> Any:
    return pd.array(pa.concat_arrays([pa.array([], pa.large_string()), *parts]), dtype="str")


def _categories(parts: Sequence[npt.NDArray[np.int32]], code_of: Mapping[str, int]) -> pd.Categorical:
    codes = np.concatenate([np.empty(0, np.int32), *parts])
    return pd.Categorical.from_codes(codes, pd.Index([*code_of], dtype="str"))


def _coded(texts: Sequence[str], code_of: dict[str, int]) -> npt.NDArray[np.int32]:
    """A number for each text; new texts get the next ones."""
    return np.array([code_of.setdefault(text, len(code_of)) for text in texts], np.int32)


def _rows(file: TextIO, path: Path, is_multiline: bool) -> Iterator[tuple[int, list[str]]]:
    """The rows, the header first, each with the line that it begins at; all have as many cells as the header."""
    reader = csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
    n_columns, line = 0, 1
    try:
        for cells in reader:
            if cells and (len(cells) > 1 or not cells[0].isspace()):
                n_columns = n_columns or len(cells)
                if reader.line_num > line and not is_multiline:
                    raise _left_open(
                        f"{path}:{line}", next(cell for cell in cells if re.search("[\r\n]", cell))
                    )
                if len(cells) != n_columns:
                    raise BadInput(
                        f"{path}:{line}: cells: {len(cells)}, where the header has {n_columns}; a cell with a comma "
                        "must stand in quotes, and an empty one needs its comma"
                    )
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        if "end of data" in str(error) or "field limit" in str(error):
            raise _left_open(f"{path}:{line}", "") from error
        raise BadInput(
            f"{path}:{line}: {error}: a cell that has quotes must stand in quotes, and those inside be doubled, as in "
            '"5"" tall"'
        ) from error


def _left_open(where: str, cell: str) -> BadInput:
    shown = f" ({cell[:SHOWN]!r})" if cell else ""
    return BadInput(
        f"{where}: a quote at the beginning of a cell is not closed in its line{shown} and would swallow the rows that "
        'follow; write """5 in tall" for a cell that begins with a quote, or declare multiline: true for a table whose '
        "cells have line breaks"
    )


def _told_apart(header: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The header, in which repeated names that nobody asks for get the number of their column."""
    return [
        f"{name}.{place}" if name in header[:place] and name not in columns else name
        for place, name in enumerate(header)
    ]


def require_columns(frame: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Check that a table has `columns`.

    Raises:
        CairnError: names the file, the missing columns and those that it has; or the column that it has twice.
    """
    if frame.columns.has_duplicates:
        repeated = frame.columns[frame.columns.duplicated()]
        raise BadInput(f"{path}: two columns are called {quoted(repeated[:1])}; rename or remove one")
    missing = [column for column in columns if column not in frame.columns]
    if missing and frame.columns.empty:
        raise BrokenData(f"{path}: empty; its first line must name the columns {quoted(columns)}")
    if missing:
        only = str(frame.columns[0])
        hint = "; separate cells by commas" if len(frame.columns) == 1 and re.search(r"[;\t|]", only) else ""
        raise BadInput(
            f"{path}: no column {quoted(missing)}; its columns are {quoted(map(str, frame.columns), 20)}{hint}"
        )
