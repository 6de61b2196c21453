"""Lists of images as text: one record a line, of a form that a pattern says; a line of another form is named."""

from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData, NotFound
from cairnhub.core.parse import read_text


def read_list(path: Path) -> str:
    """The text of a list that lies in the store.

    Raises:
        CairnError: it is missing, too large, or not UTF-8.
    """
    try:
        return read_text(path)
    except FileNotFoundError as error:
        raise NotFound(f"{path} is missing: run the fetch stage again") from error


def parse_lines(text: str, pattern: str, where: Path, form: str, n_head: int = 0) -> pd.DataFrame:
    """The records of a list.

    Args:
        text: its content; blank lines count for nothing.
        pattern: of a whole line without the blanks around it; its named groups are the columns.
        where: the file, for messages.
        form: what a line is, for messages.
        n_head: so many lines stand before the records.

    Returns:
        Columns of text; the index is the line, from 1.

    Raises:
        CairnError: no record, or a line of another form; names it.
    """
    lines = pd.Series(text.split("\n"), dtype="str").str.strip()
    lines.index += 1
    lines = lines.iloc[n_head:]
    lines = lines[lines != ""]
    if lines.empty:
        raise BrokenData(f"{where}: lists no image; fetch it again")
    records = lines.str.extract(f"^(?:{pattern})$")
    is_other = ~lines.str.fullmatch(pattern)
    if is_other.any():
        line = lines.index[is_other][0]
        raise BrokenData(
            f"{where}:{line}: {lines[line][:80]!r} is not {form}; mend the line, or fetch it again"
        )
    return records
