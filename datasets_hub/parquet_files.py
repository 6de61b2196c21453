"""Parquet that anybody may have written: what it takes in memory is known before a value is decoded.

A few hundred bytes of Parquet can stand for gigabytes: an index of one bit repeats a text of a megabyte, a run of a
billion equal numbers takes four bytes, a page of zeros compresses a thousandfold. The footer may lie about all of it.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.core.errors import BadInput, BrokenData
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.parquet_footer import require_sound
from cairnhub.datasets_hub.parquet_pages import PageWalk, Source, name_of, walk_pages

VARIABLE = "CAIRN_MAX_TABLE_BYTES"
MOST_BYTES = 2**30
"""What tables may take in memory whatever their size on the disk."""
MOST_TIMES = 64
"""How many times its size on the disk a larger table may take."""
MOST_FOOTER_BYTES = 2**25
MOST_COLUMNS = 10_000
MOST_CHUNKS = 500_000
"""Columns times row groups."""


def open_parquet(source: Source) -> pq.ParquetFile:
    """A Parquet file whose footer is of a size that can be read, and does not contradict itself.

    Raises:
        BrokenData: the footer is larger than any table needs, or promises columns or row groups without end.
        pyarrow.ArrowException, OSError: it is no Parquet file.
    """
    size, size_bytes = _footer_bytes(source)
    if size > MOST_FOOTER_BYTES:
        raise _refused(source, f"its footer has {size:,} bytes, more than {MOST_FOOTER_BYTES:,}")
    try:
        file = pq.ParquetFile(source)
    except UnicodeDecodeError:
        raise BrokenData(f"{name_of(source)}: a column's name is no UTF-8; get it again") from None
    n_columns, n_groups = file.metadata.num_columns, file.metadata.num_row_groups
    if n_columns > MOST_COLUMNS or n_columns * n_groups > MOST_CHUNKS:
        file.close()
        raise _refused(source, f"{n_columns:,} columns in {n_groups:,} row groups: more than a table needs")
    try:
        require_sound(file.metadata, size_bytes)
    except (pa.ArrowException, OSError):
        file.close()
        raise
    return file


def read_parquet(sources: Sequence[Source], columns: Sequence[str] | None = None) -> pa.Table:
    """Parquet files, one after another, as one table.

    Args:
        sources: the files.
        columns: those to read, a dotted name for a field; all by default.

    Raises:
        BrokenData: as `require_bounded` says; or a file has no such column.
        pyarrow.ArrowException: a file is damaged inside.
    """
    require_bounded(sources, columns)
    names = None if columns is None else list(columns)
    return pa.concat_tables([_read(file, names) for file in sources])


def _read(source: Source, columns: list[str] | None) -> pa.Table:
    try:
        return pq.read_table(source, columns=columns)
    except pa.ArrowInvalid:
        with open_parquet(source) as file:
            known = set(file.schema_arrow.names)
        if missing := [name for name in columns or () if not {name, name.partition(".")[0]} & known]:
            raise BrokenData(
                f"{name_of(source)}: no column {quoted(missing)}; get it again, or do not trust it"
            ) from None
        raise


def require_bounded(sources: Sequence[Source], columns: Sequence[str] | None = None) -> None:
    """Check what files take in memory, all together, once they are decoded.

    Allowed are `MOST_BYTES`, or `MOST_TIMES` their size on the disk if that is more; or the number of bytes in the
    environment variable `CAIRN_MAX_TABLE_BYTES`.

    Args:
        sources: the files.
        columns: those that will be read; all by default.

    Raises:
        BrokenData: they take more, or one is no Parquet file; says which file and column, and what to do.
    """
    most = size = 0
    for source in sources:  # one by one: a footer with many row groups takes ten times its size in memory
        with _walked(source) as walk:
            most += sum(chunk.most_bytes for chunk in walk.chunks(columns))
            size += walk.size_bytes
    allowed = _allowed(size)
    if most > allowed:
        _require_counted(sources, columns, most, allowed)


def _require_counted(
    sources: Sequence[Source], columns: Sequence[str] | None, most: int, allowed: int
) -> None:
    """Count what chunks really take, the largest first, until all together take no more than is allowed."""
    with ExitStack() as stack:
        walks = [stack.enter_context(_walked(source)) for source in sources]
        chunks = [(walk, chunk) for walk in walks for chunk in walk.chunks(columns)]
        total, largest = most, 0
        for walk, chunk in sorted(chunks, key=lambda each: -each[1].most_bytes):
            if total <= allowed:
                return
            with _damage_named(walk.source):
                counted = walk.count(chunk, allowed)
            total += counted - chunk.most_bytes
            if counted > largest:
                largest, worst = counted, (walk, chunk)
        if total > allowed:
            walk, chunk = worst
            raise _refused(
                walk.source,
                f"{walk.size_bytes:,} bytes that take more than {allowed:,} in memory, most by {chunk.column!r}",
            )


@contextmanager
def _walked(source: Source) -> Iterator[PageWalk]:
    with ExitStack() as stack:
        with _damage_named(source):
            opened = stack.enter_context(open_parquet(source))
        yield stack.enter_context(walk_pages(source, opened))


@contextmanager
def _damage_named(source: Source) -> Iterator[None]:
    """What Arrow cannot read is `BrokenData`; what a disk refuses passes."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BrokenData(
            f"{name_of(source)}: not readable as Parquet ({str(error)[:200]}); get it again"
        ) from None


def _footer_bytes(source: Source) -> tuple[int, int]:
    """As the last bytes of the file say, 0 for a file that is none; and the size of the file."""
    if isinstance(source, str | Path):
        with Path(source).open("rb") as file:
            return _footer_bytes(file)
    size = source.seek(0, 2)
    source.seek(max(0, size - 8))
    length, magic = source.read(4), source.read(4)
    source.seek(0)
    return int.from_bytes(length, "little") if magic == b"PAR1" else 0, size


def _allowed(size_bytes: int) -> int:
    told = os.environ.get(VARIABLE)
    if told is None:
        return max(MOST_BYTES, MOST_TIMES * size_bytes)
    if not told.isdecimal():
        raise BadInput(f"{VARIABLE} is {told!r}: set it to a number of bytes, or unset it")
    return int(told)


def _refused(source: Source, why: str) -> BrokenData:
    return BrokenData(
        f"{name_of(source)}: {why}; do not trust it, or set {VARIABLE} to the bytes that a table may take"
    )
