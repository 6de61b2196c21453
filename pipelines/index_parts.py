"""The index cut into parts for the writer: runs of rows read by seek, and archives streamed whole."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cairnhub.datasets_hub.records import Attribution, ImageRow, Partition, QuarantineRow
from cairnhub.pipelines.archives.entry import REPEATED, Entry
from cairnhub.pipelines.archives.kinds import archive_at
from cairnhub.pipelines.archives.member_reader import MemberReader
from cairnhub.pipelines.archives.targz import TarGz

Record = dict[str, Any]
"""One row of the index, as Arrow gives it."""
_ATTRIBUTION = Attribution.__slots__


@dataclass(frozen=True)
class Index:
    """The rows of `images.parquet` and the files that they lie in.

    Attributes:
        path: `images.parquet`; the rows of a split stand together.
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
    """Rows `start` to `stop` of one split; those of streamed archives among them are left to `StreamPartition`."""

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
        places = [(archive_at(self.index.store, row["archive"]), row["member"]) for row in rows]
        yield from sorted({archive.path_of(member) for archive, member in places if not archive.is_streamed})

    def read(self) -> Iterator[ImageRow]:
        """The images in the order of the index."""
        with MemberReader(self.index.store) as reader:
            for record in self.index.rows(self.start, self.stop):
                if not archive_at(self.index.store, record["archive"]).is_streamed:
                    yield self.index.image(record, reader.read(_entry(record)))


@dataclass(frozen=True)
class StreamPartition:
    """A whole streamed archive; the images of all its splits come in its own order."""

    index: Index
    archive: TarGz
    splits: tuple[str, ...]
    size_bytes: int

    @property
    def name(self) -> str:
        """The archive."""
        return str(self.archive)

    @property
    def fingerprint(self) -> str:
        """That of the index."""
        return self.index.fingerprint

    def reads(self) -> tuple[Path, ...]:
        """The index and the archive."""
        return (self.index.path, *self.archive.reads())

    def read(self) -> Iterator[ImageRow | QuarantineRow]:
        """The images that the index asks for; last, the ones that the archive does not hold."""
        table = pq.read_table(self.index.path, filters=pc.field("archive") == self.archive.name)
        places = {member: place for place, member in enumerate(table["member"].to_pylist())}
        taken = np.zeros(len(places), dtype=bool)
        for member in self.archive.members():
            place = places.get(member.name)
            reason = REPEATED if place is not None and taken[place] else member.refusal
            if place is None or taken[place]:
                if reason:
                    yield QuarantineRow(None, None, member.name, reason)
                continue
            taken[place] = True
            record = _record(table, place)
            yield _quarantined(record, reason) if reason else self.index.image(record, member.content)
        for place in np.flatnonzero(~taken).tolist():
            yield _quarantined(_record(table, place), f"not in {self.archive}")


def cut_parts(index: Index, shard_size_bytes: int) -> list[Partition]:
    """All rows of an index as parts, each of one shard or one archive.

    Args:
        index: the rows.
        shard_size_bytes: the most that a shard may hold.
    """
    table = pq.read_table(index.path, columns=["split", "archive", "size_bytes"])
    archives = [archive_at(index.store, name) for name in pc.unique(table["archive"]).to_pylist()]
    streamed = [archive for archive in archives if isinstance(archive, TarGz)]
    is_streamed = pc.is_in(table["archive"], pa.array([archive.name for archive in streamed], pa.string()))
    sizes = pc.if_else(is_streamed, 0, table["size_bytes"]).to_numpy()
    parts: list[Partition] = []
    splits = sorted(pc.unique(table["split"]).to_pylist(), key=lambda split: (split != "train", split))
    for split in splits:
        rows = np.flatnonzero(pc.equal(table["split"], split).to_numpy(zero_copy_only=False))
        first = int(rows[0])
        for start, stop in cut_runs(sizes[rows], shard_size_bytes):
            size_bytes = int(sizes[first + start : first + stop].sum())
            if size_bytes:
                parts.append(SeekPartition(index, split, first + start, first + stop, size_bytes))
    for archive in sorted(streamed, key=str):
        here = set(table.filter(pc.field("archive") == archive.name)["split"].to_pylist())
        size_bytes = archive.path_of("").stat().st_size
        parts.append(
            StreamPartition(index, archive, tuple(split for split in splits if split in here), size_bytes)
        )
    return parts


def cut_runs(sizes_bytes: Sequence[int] | npt.NDArray[np.int64], limit_bytes: int) -> list[tuple[int, int]]:
    """Cut rows, in their order, into runs of nearly equal bytes.

    A run is above the limit only next to a row of more than half the limit; the writer cuts that run again.

    Returns:
        First row and row after the last, for every run.
    """
    sizes = np.asarray(sizes_bytes, dtype=np.int64)
    ends = np.cumsum(sizes)
    total = int(ends[-1])
    room = max(limit_bytes - int(sizes.max()), limit_bytes // 2, 1)  # a run may pass its share by a row
    n_runs = max(1, -(-total // room))
    targets = total * np.arange(1, n_runs) // n_runs
    cuts = np.unique(np.concatenate([[0], np.searchsorted(ends, targets, side="right"), [len(ends)]]))
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))


def _entry(record: Record) -> Entry:
    return Entry(record["archive"], record["member"], record["offset"], record["size_bytes"])


def _record(table: pa.Table, place: int) -> Record:
    record: Record = table.slice(place, 1).to_pylist()[0]
    return record


def _quarantined(record: Record, reason: str) -> QuarantineRow:
    return QuarantineRow(record["image_id"], record["split"], record["member"], reason)
