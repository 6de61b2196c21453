"""Images on their way into a dataset."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Attribution:
    """Whose image it is; a field that the source does not give stays None."""

    source_url: str | None = None
    author: str | None = None
    license: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image of a dataset.

    Attributes:
        image: the encoded file (JPEG, PNG, WebP), as its authors published it.
        path: its name, such as `a/b/c/abc0123456789def.jpg`; readers see it beside the bytes.
        image_id: unique over all splits.
        split: where it belongs.
        leaf: label on the finest level; None for an image without a label (a distractor).
        attribution: author, licence and so on.
        columns: what the columns `Card.columns` hold, in their order.
    """

    image: bytes
    path: str
    image_id: str
    split: str
    leaf: str | None
    attribution: Attribution = Attribution()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """What is not published, and why.

    Attributes:
        image_id: of a listed image; None for a member of an archive that no list asks for.
        split: of a listed image; None with `image_id`.
        path: its name, where one is known.
        reason: one of few texts, so that they can be counted; what only this image has to do with follows a semicolon.
    """

    image_id: str | None
    split: str | None
    path: str | None
    reason: str

    @property
    def cause(self) -> str:
        """The reason that other images may have too."""
        return self.reason.partition(";")[0]


class Partition(Protocol):
    """Rows that one worker reads once, from first to last: a run of an index.

    It travels to the worker, so it holds names rather than data.
    """

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def splits(self) -> Sequence[str]:
        """The splits that its rows belong to."""

    @property
    def size_bytes(self) -> int:
        """About how much it is."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever a row changes, such as the hash of the index that the rows are read by."""

    def reads(self) -> Iterable[Path]:
        """The files that its rows come from."""

    def read(self) -> Iterator[ImageRow | QuarantineRow]:
        """Its rows, one at a time; their order is that of publication within each split."""


class RowList:
    """A partition that is in memory already."""

    def __init__(self, rows: Sequence[ImageRow | QuarantineRow], name: str = "rows") -> None:
        self.name = name
        self._rows = rows

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of its rows, in their order."""
        return tuple(dict.fromkeys(row.split for row in self._rows if row.split is not None))

    @property
    def size_bytes(self) -> int:
        """Bytes of all images."""
        return sum(len(row.image) for row in self._rows if isinstance(row, ImageRow))

    @property
    def fingerprint(self) -> str:
        """Hash of every field of every row."""
        return hashlib.sha256("".join(map(repr, self._rows)).encode()).hexdigest()

    def reads(self) -> tuple[Path, ...]:
        """None."""
        return ()

    def read(self) -> Iterator[ImageRow | QuarantineRow]:
        """Every row."""
        return iter(self._rows)
