"""Streamed archives, unpacked once into plain tars beside the hub folder, so that every row can be read by seek.

Rows are published in a shuffled order, and nobody can enter a `.tar.gz` half-way. The tars hold the images that the
index asks for, byte for byte; they are removed when the dataset is written.
"""

import errno
import io
import json
import logging
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cairnhub.core.errors import BrokenData, NoSpace
from cairnhub.core.files import atomic_write, remove_leftovers, write_text_atomic
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.records import QuarantineRow
from cairnhub.pipelines.archives.entry import REPLACED
from cairnhub.pipelines.archives.kinds import archive_at
from cairnhub.pipelines.archives.targz import TarGz
from cairnhub.pipelines.artifacts.index import ROWS_PER_GROUP
from cairnhub.pipelines.index_parts import Index

log = logging.getLogger(__name__)

N_UNNAMED_SHOWN = 10
"""Of members that no list names."""
_UNNAMED = b"unnamed"
"""In the head of the table of places: how many members no list names, and the first of them."""
_PLACES = pa.schema(
    [("row", pa.int64()), ("path", pa.string()), ("offset", pa.int64()), ("size_bytes", pa.int64()),
     ("reason", pa.string())]
)  # fmt: skip
"""Row of the index, null for a member that no list asks for; where it lies in the plain tar, or why it does not."""
_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class UnpackTask:
    """A streamed archive, and the files that are made of it; travels to a worker."""

    index: Index
    archive: TarGz
    tar: Path

    def __str__(self) -> str:
        return str(self.archive)

    @property
    def places(self) -> Path:
        """A table with the columns of `_PLACES`; written last, so that what is there is whole."""
        return self.tar.with_suffix(".parquet")

    def reads(self) -> Iterator[Path]:
        """The index, the archive, and what a killed run has finished."""
        yield from (self.index.path, *self.archive.reads(), *self.writes())

    def writes(self) -> Iterator[Path]:
        """The tar and the table, as far as they are there."""
        return (path for path in (self.tar, self.places) if path.exists())


RunAll = Callable[[Callable[[UnpackTask], None], Sequence[UnpackTask]], Iterable[None]]
"""Applies a function to every task."""


def unpack_streamed(index: Index, folder: Path, run_all: RunAll) -> tuple[Index, list[QuarantineRow]]:
    """Unpack the streamed archives of an index.

    Args:
        index: rows, some of them in streamed archives.
        folder: for the plain tars; what a killed run of the same index has finished there is used again.
        run_all: runs the tasks.

    Returns:
        The index of what is there, all of it to be read by seek, and what is quarantined.

    Raises:
        BrokenData: an archive is damaged, or holds no image of a split.
        NoSpace: the disk is full.
    """
    archives = pq.read_table(index.path, columns=["archive"])[
        "archive"
    ]  # all columns are gigabytes of a large index
    names = [name for name in pc.unique(archives).to_pylist() if name is not None]
    streamed = [a for name in sorted(names) if isinstance(a := archive_at(index.store, name), TarGz)]
    if not streamed:
        return index, []
    _open_folder(folder, index.fingerprint)
    tasks = [
        UnpackTask(index, archive, folder / f"{number:05d}.tar") for number, archive in enumerate(streamed)
    ]
    try:
        list(run_all(unpack, tasks))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoSpace(
            f"the disk of {folder} is full: the images of {', '.join(map(str, streamed))} are unpacked there; "
            "free some space and run again"
        ) from None
    for task in tasks:
        n_unnamed, names = json.loads(pq.read_schema(task.places).metadata[_UNNAMED])
        if n_unnamed:
            more = f" and {n_unnamed - len(names):,} more" if n_unnamed > len(names) else ""
            shown = quoted(names, N_UNNAMED_SHOWN)
            log.info(f"{task.archive}: {n_unnamed:,} members that no list names: {shown}{more}")
    table = pq.read_table(index.path)
    rows, quarantined = _placed(table, tasks)
    if lost := {*pc.unique(table["split"]).to_pylist()} - {*pc.unique(rows["split"]).to_pylist()}:
        raise BrokenData(
            f"split {sorted(lost)[0]!r} has no image: {quarantined[0].reason}; fetch its archives again"
        )
    path = folder / "images.parquet"
    with atomic_write(path) as temporary:
        pq.write_table(rows, temporary, row_group_size=ROWS_PER_GROUP)
    return replace(index, path=path), quarantined


def _open_folder(folder: Path, fingerprint: str) -> None:
    plan = folder / "plan"
    if not plan.exists() or plan.read_text() != fingerprint:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    write_text_atomic(plan, fingerprint)


def unpack(task: UnpackTask) -> None:
    """Read one archive from end to end; of members with one name the last counts, as tar says."""
    if task.places.exists():
        return
    listed = pq.read_table(task.index.path, columns=["archive", "member", "offset"])
    rows = pc.indices_nonzero(pc.equal(listed["archive"], task.archive.name)).to_pylist()
    in_archive = listed.take(pa.array(rows, pa.int64()))
    row_of = dict(zip(in_archive["member"].to_pylist(), rows, strict=True))
    # Where the index has looked through the archive, it has reported the members that no list asks for.
    is_reported = in_archive["offset"].null_count < len(in_archive)
    found: dict[int, dict[str, object]] = {}
    others: list[dict[str, object]] = []
    unnamed: list[str] = []
    with atomic_write(task.tar) as temporary, tarfile.open(temporary, "w", format=tarfile.GNU_FORMAT) as tar:
        for member in task.archive.members():
            row = row_of.get(member.name)
            reason = REPLACED if row in found else member.refusal
            if reason and (row is None or row in found) and not is_reported:
                others.append({"path": member.name, "reason": reason})
            if row is None and not member.refusal and not is_reported:
                unnamed.append(member.name)
            if row is not None:
                place = {} if member.refusal else _append(tar, member.name, member.content)
                found[row] = {"row": row, "path": member.name, "reason": member.refusal, **place}
    absent = [
        {"row": row, "path": member, "reason": f"not in {task.archive}"}
        for member, row in row_of.items()
        if row not in found
    ]
    with atomic_write(task.places) as temporary:
        table = pa.Table.from_pylist([*found.values(), *absent, *others], _PLACES)
        head = {_UNNAMED: json.dumps([len(unnamed), unnamed[:N_UNNAMED_SHOWN]])}
        pq.write_table(table.replace_schema_metadata(head), temporary)


def _append(tar: tarfile.TarFile, name: str, content: bytes) -> dict[str, object]:
    """Write a member; where its content lies."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
    return {"offset": tar.offset - -(-len(content) // _BLOCK) * _BLOCK, "size_bytes": len(content)}


def _placed(table: pa.Table, tasks: Sequence[UnpackTask]) -> tuple[pa.Table, list[QuarantineRow]]:
    """The rows that have a place, with it, and what has none."""
    parts = [pq.read_table(task.places) for task in tasks]
    tars = [pa.array([str(task.tar)] * len(part)) for task, part in zip(tasks, parts, strict=True)]
    places = pa.concat_tables(
        part.append_column("archive", tar) for part, tar in zip(parts, tars, strict=True)
    )
    bad = places.filter(pc.is_valid(places["reason"]))
    good = places.filter(pc.is_null(places["reason"])).sort_by("row")
    has_place = np.zeros(len(table), dtype=bool)
    has_place[good["row"].to_numpy()] = True
    for name in ("archive", "offset", "size_bytes"):
        column = table[name].combine_chunks()
        values = good[name].combine_chunks().cast(column.type)
        place = table.column_names.index(name)
        table = table.set_column(place, name, pc.replace_with_mask(column, pa.array(has_place), values))
    ids, splits = table["image_id"], table["split"]
    quarantined = [
        QuarantineRow(None, None, path, reason)
        if row is None
        else QuarantineRow(ids[row].as_py(), splits[row].as_py(), path, reason)
        for row, path, reason in zip(
            *(bad[name].to_pylist() for name in ("row", "path", "reason")), strict=True
        )
    ]
    is_bad = np.zeros(len(table), dtype=bool)
    is_bad[bad["row"].drop_null().to_numpy()] = True
    return table.filter(pa.array(~is_bad)), quarantined
