"""Images on their way into a dataset."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
        leaf: label on the finest level; None for an image without a label (a distractor).
        attribution: author, licence and so on.
    """

    image: bytes
    path: str
    image_id: str
    leaf: str | None
    attribution: Attribution = Attribution()


class Rows(Protocol):
    """The rows of one split in their final order, read in runs so that shards can be written side by side.

    `read` is called from several threads at once: it opens its own files.
    """

    @property
    def sizes_bytes(self) -> Sequence[int]:
        """Size of each image, in order; shards are cut by it before any image is read."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever a row changes, such as the hash of the index that the rows are read by."""

    def read(self, start: int, stop: int) -> Iterator[ImageRow]:
        """Rows `start` to `stop` (exclusive), one at a time."""


class RowList:
    """Rows that are in memory already."""

    def __init__(self, rows: Sequence[ImageRow]) -> None:
        self._rows = rows

    @property
    def sizes_bytes(self) -> list[int]:
        """Size of each image."""
        return [len(row.image) for row in self._rows]

    @property
    def fingerprint(self) -> str:
        """Hash of every field of every row."""
        digest = hashlib.sha256()
        for row in self._rows:
            digest.update(repr((row.path, row.image_id, row.leaf, row.attribution)).encode())
            digest.update(hashlib.sha256(row.image).digest())
        return digest.hexdigest()

    def read(self, start: int, stop: int) -> Iterator[ImageRow]:
        """Rows `start` to `stop` (exclusive)."""
        return iter(self._rows[start:stop])
