"""What is read of a foreign layout: a row per image, and how the images come into the project."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BadInput, NotFound

PATH, SPLIT = "path", "split"


@dataclass(frozen=True)
class LabelRows:
    """Images with labels, as they become a table of the project.

    Attributes:
        rows: text columns: `path` (seen from the folder of images), levels fine -> coarse, `split` where there are any.
        levels: columns of the labels, fine -> coarse.
        images: the folder that holds the images; None: `write` makes them.
        write: writes the images into a folder, where they lie in no folder of their own.
        left_out: what was left out, in a sentence; empty for nothing.
    """

    rows: pd.DataFrame
    levels: Sequence[str]
    images: Path | None
    write: Callable[[Path], None] | None = None
    left_out: str = ""


def text_rows(rows: pd.DataFrame, where: Path) -> pd.DataFrame:
    """Rows as text; a `split` that says nothing of any image is dropped.

    Raises:
        BadInput: there is no row.
    """
    if rows.empty:
        raise BadInput(f"{where}: no image with a label in it")
    rows = rows.fillna("").astype(str)
    return rows.drop(columns=SPLIT) if SPLIT in rows and (rows[SPLIT] == "").all() else rows


def require_present(rows: pd.DataFrame, images: Path, where: Path) -> str:
    """Refuse a table of which no image is there; say in a sentence how many are missing, if some are.

    Raises:
        NotFound: names the first path.
    """
    missing = [name for name in rows[PATH] if not (images / name).is_file()]
    if len(missing) == len(rows):
        raise NotFound(
            f"{where}: none of its {len(rows):,} images is in {images}; the first is {missing[0]!r}: name the folder "
            "that the paths are seen from with --images"
        )
    n = len(missing)
    return f"{n:,} of {len(rows):,} images are missing, such as {missing[0]!r}" if n else ""
