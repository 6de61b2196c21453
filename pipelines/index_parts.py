"""The index cut into parts for the writer: runs of its shuffled rows, read by seek."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.records import Attribution, ImageRow, Partition
from cairnhub.pipelines.archives.entry import Entry
from cairnhub.pipelines.archives.kinds import archive_at
from cairnhub.pipelines.archives.member_reader import MemberReader
from cairnhub.pipelines.artifacts.index import shuffle_keys

Record = dict[str, Any]
"""One row of the index, as Arrow gives it."""
_ATTRIBUTION = Attribution.__slots__
_N_AHEAD = (
    64  # images that a disk is told of in advance: a shuffled order then reads as fast as that of the archive
)


@dataclass(frozen=True)
class Index:
    """The rows of `images.parquet` and the files that they lie in.

    Attributes:
        path: `images.parquet`; the rows of a split stand together, in the order of `shuffle_keys`.
        store: folder of the fetched files.
        leaf_level: the column with an image's label.
        fingerprint: of the rows and of the files.
        columns: those that are kept beside labels and attribution.
    """

    path: Path
    store: Path
    leaf_level: str
    fingerprint: str
    columns: tuple[str, ...] = ()

    def rows(self, start: int, stop: int, columns: list[str] | None = None) -> Iterator[Record]:
        """Rows `start` to `stop` (exclusive), by default with all columns."""
        with pq.ParquetFile(self.path) as file:
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            ends = np.cumsum(sizes)
            first, last = np.searchsorted(ends, [start, stop - 1], side="right").tolist()
            before = int(ends[first]) - sizes[first]
            groups = list(range(first, last + 1))
            for batch in file.iter_batches(1000, groups, columns):
                inside = batch.slice(max(0, start - before), max(0, stop - max(start, before)))
                before += batch.num_rows
                yield from inside.to_pylist()

    def image(self, record: Record, content: bytes) -> ImageRow:
        """A row of the index with its image."""
        credit = Attribution(**{name: record.get(name) for name in _ATTRIBUTION})
        leaf = record[self.leaf_level]
        kept = tuple(record[name] for name in self.columns)
        return ImageRow(content, record["member"], record["image_id"], record["split"], leaf, credit, kept)


@dataclass(frozen=True)
class SeekPartition:
    """Rows `start` to `stop` of one split."""

    index: Index
    split: str
    start: int
    stop: int
    size_bytes: int

    @property
    def name(self) -> str:
        """Which rows."""
        return f"{self.split}, rows {self.start:,} to {self.stop:,} of the index"

    @property
    def splits(self) -> tuple[str, ...]:
        """The one split."""
        return (self.split,)

    @property
    def fingerprint(self) -> str:
        """That of the index."""
        return self.index.fingerprint

    def reads(self) -> Iterator[Path]:
        """The index, and the archives and loose files of its rows."""
        yield self.index.path
        rows = self.index.rows(self.start, self.stop, ["archive", "member"])
        yield from sorted(
            {archive_at(self.index.store, row["archive"]).path_of(row["member"]) for row in rows}
        )

    def read(self) -> Iterator[ImageRow]:
        """The images in the order of the index."""
        with MemberReader(self.index.store) as reader:
            ahead: deque[Record] = deque()
            for record in self.index.rows(self.start, self.stop):
                reader.will_read(_entry(record))
                ahead.append(record)
                if len(ahead) > _N_AHEAD:
                    yield self._image(ahead.popleft(), reader)
            for record in ahead:
                yield self._image(record, reader)

    def _image(self, record: Record, reader: MemberReader) -> ImageRow:
        return self.index.image(record, reader.read(_entry(record)))


def cut_parts(index: Index, shard_size_bytes: int) -> list[Partition]:
    """All rows of an index as parts of at most a shard each, split by split.

    Args:
        index: the rows; those of streamed archives are unpacked (`unpack_streamed`).
        shard_size_bytes: the most that a shard may hold.

    Raises:
        BrokenData: the rows are not in their shuffled order.
    """
    table = pq.read_table(index.path, columns=["split", "image_id", "size_bytes"])
    keys = shuffle_keys(table["image_id"].to_pandas())
    sizes = table["size_bytes"].to_numpy()
    parts: list[Partition] = []
    for split in sorted(pc.unique(table["split"]).to_pylist(), key=lambda split: (split != "train", split)):
        rows = np.flatnonzero(pc.equal(table["split"], split).to_numpy(zero_copy_only=False))
        first, of_split = int(rows[0]), slice(int(rows[0]), int(rows[-1]) + 1)
        if len(rows) != of_split.stop - first or (keys[of_split][1:] < keys[of_split][:-1]).any():
            raise BrokenData(f"{index.path}: its rows are not in their order; run the index stage again")
        for start, stop in cut_runs(keys[of_split], sizes[of_split], shard_size_bytes):
            size_bytes = int(sizes[first + start : first + stop].sum())
            parts.append(SeekPartition(index, split, first + start, first + stop, size_bytes))
    return parts


def cut_runs(
    keys: npt.NDArray[np.uint64], sizes_bytes: npt.NDArray[np.int64], limit_bytes: int
) -> list[tuple[int, int]]:
    """Cut rows into runs: the range of all keys is halved, and each half again, until its rows fit the limit.

    So a row that comes or goes changes the run that its key falls into and no other.

    Args:
        keys: of the rows, ascending.
        sizes_bytes: of the rows.
        limit_bytes: the most that a run holds; a single row may be above.

    Returns:
        First row and row after the last, for every run that has rows.
    """
    ends = np.concatenate([[0], np.cumsum(sizes_bytes, dtype=np.int64)])
    runs: list[tuple[int, int]] = []

    def halve(start: int, stop: int, low: int, width: int) -> None:
        """Rows `start` to `stop`, whose keys lie from `low` to `low + width`."""
        if stop - start <= 1 or ends[stop] - ends[start] <= limit_bytes or width == 1:
            runs.extend([(start, stop)] * (stop > start))
            return
        middle = low + width // 2
        cut = start + int(np.searchsorted(keys[start:stop], np.uint64(middle)))
        halve(start, cut, low, width // 2)
        halve(cut, stop, middle, width // 2)

    halve(0, len(keys), 0, 1 << 64)
    return runs


def _entry(record: Record) -> Entry:
    return Entry(record["archive"], record["member"], record["offset"], record["size_bytes"])
