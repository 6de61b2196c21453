"""A split as training reads it: encoded images at random, in place, from memory-mapped Parquet shards.

The writer stores image bytes uncompressed and unencoded (Parquet's PLAIN), so that an image is a slice of its file. A
shard's page headers say where each page of images begins; within a page the images follow one another, each behind
its length. Nothing is copied on disk, and no row group is read to get one image.
"""

import mmap
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.parquet_files import open_parquet
from cairnhub.datasets_hub.thrift import CutHeader, Value, number, read_struct

COLUMN = "image.bytes"
N_MAPS = 256  # files mapped at once by a process: each holds a file descriptor
_PLAIN, _DATA_PAGE = 0, 0
_TYPE, _UNCOMPRESSED, _COMPRESSED, _DATA_PAGE_HEADER = 1, 2, 3, 5  # fields of a PageHeader, parquet.thrift
_N_VALUES, _ENCODING = 1, 2  # of a DataPageHeader


class EncodedImages(Protocol):
    """Images as they were published: JPEG, PNG, ..."""

    def files(self, start: int, stop: int) -> Sequence[Path]:
        """Where rows `start` to `stop` (exclusive) lie, as far as they are in files of the hub."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> bytes: ...


@dataclass(frozen=True)
class OpenSplit:
    """A split without its decoder.

    Attributes:
        images: N encoded images.
        labels: (N, L) class indices, fine -> coarse; -1 without a label.
    """

    images: EncodedImages
    labels: npt.NDArray[np.int64]


class MmapImages:
    """Images of local Parquet shards, in their order.

    Args:
        paths: the shards.

    Raises:
        BrokenData: the images are compressed or encoded.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._pages = [page for path in paths for page in _pages(path)]
        self._starts = [0, *accumulate(page.n_images for page in self._pages)]
        self._offsets: dict[int, list[int]] = {}  # per page that was used: where its images begin

    def __len__(self) -> int:
        return self._starts[-1]

    def files(self, start: int, stop: int) -> list[Path]:
        """The shards of rows `start` to `stop` (exclusive)."""
        first, last = (bisect_right(self._starts, row) - 1 for row in (start, stop - 1))
        return [Path(path) for path in sorted({page.path for page in self._pages[first : last + 1]})]

    def __getitem__(self, row: int) -> bytes:
        """The image as it was published."""
        if not 0 <= row < len(self):
            raise IndexError(row)
        number = bisect_right(self._starts, row) - 1
        page = self._pages[number]
        data = _mapped(page.path)
        if number not in self._offsets:
            self._offsets[number] = list(_image_offsets(data, page))
        offset = self._offsets[number][row - self._starts[number]]
        return data[offset : offset + _length(data, offset - 4)]


@dataclass(frozen=True)
class EncodedSubset:
    """Some of a split's images; `EncodedImages` as well.

    Attributes:
        images: of the split.
        rows: which of them, ascending.
    """

    images: EncodedImages
    rows: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> bytes:
        return self.images[int(self.rows[row])]

    def files(self, start: int, stop: int) -> Sequence[Path]:
        """Where images `start` to `stop` (exclusive) of the subset lie."""
        return self.images.files(int(self.rows[start]), int(self.rows[stop - 1]) + 1)


@dataclass(frozen=True)
class _Page:
    path: str
    start: int
    end: int
    n_images: int


@lru_cache(N_MAPS)
def _mapped(path: str) -> mmap.mmap:
    with Path(path).open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _pages(path: str) -> Iterator[_Page]:
    """The pages of a shard's images, from the headers before them."""
    with open_parquet(path) as file:
        metadata, data = file.metadata, _mapped(path)
    columns = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    if COLUMN not in columns:
        raise BrokenData(f"{path}: no column {COLUMN}; an edition without images cannot be trained on")
    for group in range(metadata.num_row_groups):
        chunk = metadata.row_group(group).column(columns.index(COLUMN))
        position = chunk.data_page_offset
        end = position + chunk.total_compressed_size
        while position < end:
            header, start = _header(path, data, position)
            position = start + max(0, number(header, _COMPRESSED))
            page = header.get(_DATA_PAGE_HEADER)
            is_plain = isinstance(page, dict) and number(page, _ENCODING) == _PLAIN
            if not is_plain or header[_TYPE] != _DATA_PAGE or header[_COMPRESSED] != header[_UNCOMPRESSED]:
                raise BrokenData(f"{path}: its images are encoded or compressed; publish the dataset again")
            assert isinstance(page, dict)
            yield _Page(path, start, position, number(page, _N_VALUES))


def _header(path: str, data: mmap.mmap, position: int) -> tuple[dict[int, Value], int]:
    try:
        return read_struct(data, position)
    except CutHeader:
        raise BrokenData(f"{path}: cut inside a page of images; get it again") from None


def _image_offsets(data: mmap.mmap, page: _Page) -> Iterator[int]:
    """Where each image of a page begins: behind the definition levels, each behind its length of four bytes."""
    position = page.start + 4 + _length(data, page.start)
    for _ in range(page.n_images):
        position += 4
        yield position
        position += _length(data, position - 4)
        if position > page.end:
            raise BrokenData(f"{page.path}: an image is missing or the file is damaged; check the dataset")


def _length(data: mmap.mmap, position: int) -> int:
    return int.from_bytes(data[position : position + 4], "little")
