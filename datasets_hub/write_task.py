"""What one worker does: read a partition once and cut its rows into shards, split by split."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cairnhub.core.files import write_text_atomic
from cairnhub.core.hashing import sha256_of
from cairnhub.datasets_hub.duplicates import Look
from cairnhub.datasets_hub.image_check import ImageCheck
from cairnhub.datasets_hub.records import ImageRow, Partition, QuarantineRow
from cairnhub.datasets_hub.shards import ImageTable, ShardWriter
from cairnhub.datasets_hub.staging import STAGED, Staging
from cairnhub.datasets_hub.stats import ShardFile


@dataclass(frozen=True)
class WriteTask:
    """One partition and how it is written; travels to a worker.

    Attributes:
        number: place of the partition among all.
        partition: its rows.
        staging: where it is written.
        table: schema and labels.
        check: which images are let in.
        shard_size_bytes: a shard ends before the image that would lift it above.
        rows_per_group: rows in a Parquet row group.
    """

    number: int
    partition: Partition
    staging: Staging
    table: ImageTable
    check: ImageCheck
    shard_size_bytes: int
    rows_per_group: int

    def __str__(self) -> str:
        return self.partition.name

    def reads(self) -> Iterator[Path]:
        """Files that a worker needs: those of the rows, and the shards that a killed run has finished."""
        yield from self.partition.reads()
        yield from self.writes()

    def writes(self) -> Iterator[Path]:
        """The shards and their markers, as far as they are there; also one that was cut short."""
        number, data, markers = f"{self.number:05d}", self.staging.data, self.staging.markers
        for folder, pattern in (
            (data, f"{number}-*.parquet{STAGED}"),
            (data, f".{number}-*.tmp"),
            (markers, f"{number}-*.json"),
            (markers, f"{number}-*.npz"),
            (markers, f"{number}.json"),
        ):
            yield from folder.glob(pattern)


@dataclass(frozen=True)
class ShardMarker:
    """A finished shard, as its marker remembers it.

    Attributes:
        file: name, size and hash; named by partition, split and place until the whole dataset is written.
        n_unlabelled: rows without a label.
        leaves: class indices that occur.
        traces: file of its `Traces` in the folder of markers, for the table of duplicates.
        n_taken: rows of the partition and split that it disposes of, the quarantined ones included.
        quarantined: the images quarantined among them.
    """

    file: ShardFile
    n_unlabelled: int
    leaves: tuple[int, ...]
    traces: str
    n_taken: int
    quarantined: tuple[QuarantineRow, ...]

    @classmethod
    def load(cls, marker: Path) -> "ShardMarker":
        """Read a marker."""
        entry = json.loads(marker.read_text())
        return cls(
            ShardFile(**entry["file"]),
            entry["n_unlabelled"],
            tuple(entry["leaves"]),
            entry["traces"],
            entry["n_taken"],
            tuple(QuarantineRow(**row) for row in entry["quarantined"]),
        )


@dataclass(frozen=True)
class WriteResult:
    """All that came of a partition: its shards per split in order, and what was quarantined beside them."""

    shards: dict[str, tuple[ShardMarker, ...]]
    quarantined: tuple[QuarantineRow, ...]


def write_partition(task: WriteTask) -> WriteResult:
    """Write the shards of a partition, but for those that a killed run has finished.

    Raises:
        CairnError: a label is not in the tree, or the partition cannot be read.
    """
    lanes = {split: _Lane(task, split) for split in task.partition.splits}
    marker = task.staging.markers / f"{task.number:05d}.json"
    if marker.exists():
        end = json.loads(marker.read_text())
        if all(len(lane.shards) == end["n_shards"][split] for split, lane in lanes.items()):
            return _written(lanes, tuple(QuarantineRow(**row) for row in end["quarantined"]))
    unlisted: list[QuarantineRow] = []
    try:
        for row in task.partition.read():
            if row.split is None:
                unlisted.append(row)
            else:
                lanes[row.split].take(row)
        for lane in lanes.values():
            lane.close()
    finally:
        for lane in lanes.values():
            lane.abandon()
    rest = (*(row for lane in lanes.values() for row in lane.quarantined), *unlisted)
    end = {"n_shards": {split: len(lane.shards) for split, lane in lanes.items()}}
    write_text_atomic(marker, json.dumps(end | {"quarantined": [asdict(row) for row in rest]}))
    return _written(lanes, rest)


class _Lane:
    """What one partition writes of one split."""

    def __init__(self, task: WriteTask, split: str) -> None:
        self._task = task
        self._split = split
        self.shards: list[ShardMarker] = []
        self._continue()
        self.quarantined: list[QuarantineRow] = []  # since the last shard ended
        self._n_taken = 0  # likewise
        self._n_behind = sum(shard.n_taken for shard in self.shards)
        self._open: ShardWriter | None = None

    def take(self, row: ImageRow | QuarantineRow) -> None:
        """Dispose of the next row: written already, quarantined, or written now."""
        if self._n_behind:
            self._n_behind -= 1
            return
        if isinstance(row, ImageRow):
            fault, look = self._task.check.judge(row.image)
            if fault is None:
                self._write(row, look)
            else:
                self.quarantined.append(QuarantineRow(row.image_id, row.split, row.path, fault))
        else:
            self.quarantined.append(row)
        self._n_taken += 1

    def _write(self, row: ImageRow, look: Look | None) -> None:
        if self._open and self._open.image_bytes + len(row.image) > self._task.shard_size_bytes:
            self.close()
        if self._open is None:
            partial = self._task.staging.data / f".{self._stem}.{os.getpid()}.tmp"
            partial.parent.mkdir(parents=True, exist_ok=True)
            self._open = ShardWriter(partial, self._task.table, self._task.rows_per_group)
        self._open.add(row, look)

    def close(self) -> None:
        """End the shard that is being written, if any, and remember that it is whole."""
        if self._open is None:
            return
        leaves = np.array(self._open.leaves)
        stem, file = self._stem, self._open.finish(self._stem)
        traces = self._task.staging.markers / f"{stem}.npz"
        self._open.traces.save(traces)
        written = ShardMarker(
            file,
            n_unlabelled=int((leaves < 0).sum()),
            leaves=tuple(np.unique(leaves[leaves >= 0]).tolist()),
            traces=traces.name,
            n_taken=self._n_taken,
            quarantined=tuple(self.quarantined),
        )
        write_text_atomic(self._task.staging.markers / f"{stem}.json", json.dumps(asdict(written)))
        self.shards.append(written)
        self.quarantined, self._n_taken, self._open = [], 0, None

    def abandon(self) -> None:
        """After a failure: leave the unfinished file behind."""
        if self._open is not None:
            self._open.abandon()

    @property
    def _stem(self) -> str:
        return f"{self._task.number:05d}-{self._split}-{len(self.shards):05d}"

    def _continue(self) -> None:
        """Take over the shards of a killed run, up to the first that is missing or altered."""
        while (marker := self._task.staging.markers / f"{self._stem}.json").exists():
            shard = ShardMarker.load(marker)
            path = self._task.staging.finished(shard.file)
            if path is None or sha256_of(path) != shard.file.sha256:
                return
            self.shards.append(shard)


def _written(lanes: Mapping[str, _Lane], rest: tuple[QuarantineRow, ...]) -> WriteResult:
    return WriteResult({split: tuple(lane.shards) for split, lane in lanes.items()}, rest)
