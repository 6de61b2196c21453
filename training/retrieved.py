"""What `retrieved.html` shows: queries with what was found for them."""

from dataclasses import dataclass
from typing import Literal

Grade = Literal["query", "none", "far", "mid", "near"]


@dataclass(frozen=True)
class Picture:
    """A query, or an image found for it.

    Attributes:
        src: a small JPEG as a data address; empty where images may not be shown.
        caption: its labels, fine to coarse.
        note: its metrics, or its score and the finest level that it shares with the query.
        grade: of a result, what it shares: nothing, only the coarsest level, some levels, all.
    """

    src: str
    caption: str
    note: str
    grade: Grade


@dataclass(frozen=True)
class ShownQuery:
    """A query, why it is shown, and its nearest images, best first."""

    heading: str
    query: Picture
    results: tuple[Picture, ...]
