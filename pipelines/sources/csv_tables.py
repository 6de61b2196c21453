"""CSVs as others write them: text columns, read strictly and in little memory."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BadInput, BrokenData, NotFound
from cairnhub.core.text import quoted

ROWS_AT_ONCE = 10_000
"""Of a CSV: those being read take many times the memory of those that are read."""


def is_in(names: "pd.Series[str]", known: "pd.Index[str]") -> "pd.Series[bool]":
    """Which names are among `known` (unique); `Series.isin` takes those up one by one, minutes for millions."""
    return pd.Series(known.get_indexer(pd.Index(names)) >= 0, names.index)


def read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read text columns of a CSV; absent values are empty strings.

    Raises:
        CairnError: the file is missing, is no CSV, or lacks one of `columns` or has it twice.
    """
    try:
        with pd.read_csv(
            path, dtype=str, keep_default_na=False, encoding="utf-8", chunksize=ROWS_AT_ONCE
        ) as pieces:
            frame = pd.concat(pieces)
    except FileNotFoundError as error:
        raise NotFound(f"{path} is missing: run the fetch stage again") from error
    except (ValueError, OSError) as error:  # pandas' own errors and those of encodings are ValueErrors
        raise BrokenData(
            f"{path}: not a readable CSV: {str(error).strip()}; fetch it again, or save it as a CSV in UTF-8"
        ) from error
    require_columns(frame, columns, path)
    if repeated := [column for column in columns if f"{column}.1" in frame.columns]:
        raise BadInput(f"{path}: two columns are called {repeated[0]!r}; rename or remove one")
    if not isinstance(frame.index, pd.RangeIndex):  # pandas then takes the first column for the rows' names
        raise BadInput(
            f"{path}:2: more cells than the header has columns; add the missing name to the header"
        )
    frame.index = pd.RangeIndex(2, len(frame) + 2)  # the line, below the header's
    return frame


def require_columns(frame: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Check that a table has `columns`.

    Raises:
        CairnError: names the file, the missing columns and those that it has; or the column that it has twice.
    """
    if frame.columns.has_duplicates:
        repeated = frame.columns[frame.columns.duplicated()]
        raise BadInput(f"{path}: two columns are called {quoted(repeated[:1])}; rename or remove one")
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        only = str(frame.columns[0])
        hint = "; separate cells by commas" if len(frame.columns) == 1 and re.search(r"[;\t|]", only) else ""
        raise BadInput(
            f"{path}: no column {quoted(missing)}; its columns are {quoted(map(str, frame.columns), 20)}{hint}"
        )
