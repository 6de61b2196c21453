"""Parquet shards: filled row group by row group, named by the hash of their content."""

import hashlib
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.duplicates import Look
from cairnhub.datasets_hub.published_duplicates import Traces
from cairnhub.datasets_hub.records import Attribution, ImageRow
from cairnhub.datasets_hub.staging import STAGED
from cairnhub.datasets_hub.stats import ShardFile

# Arrow's binary arrays hold at most 2 GiB; a row group of huge images is closed long before.
MAX_GROUP_BYTES = 256 * 2**20
# Pages of about ten images: a reader with a page index fetches one image without its whole row group.
_ROWS_PER_PAGE_CHECK = 10
_HASHED_AT_ONCE = (
    2**20
)  # bytes that a thread is given, small pages together: to hand over costs more than to hash them
_MAX_UNHASHED = 8  # parts that wait for the hash


@dataclass(frozen=True)
class ImageTable:
    """How rows become Arrow.

    Attributes:
        schema: the columns.
        attribution: those that hold attribution.
        n_columns: how many others of text stand behind them.
        finest: name of the finest level.
        leaf_index: class index of every leaf.
        codes: class index of every leaf on every level, shape (n_leaves, L).
    """

    schema: pa.Schema
    attribution: Sequence[str]
    n_columns: int
    finest: str
    leaf_index: Mapping[str, int]
    codes: npt.NDArray[np.int64]

    def index_of(self, row: ImageRow) -> int:
        """Class index of a row's leaf, -1 for a row without a label.

        Raises:
            CairnError: the tree has no such leaf.
        """
        if row.leaf is None:
            return -1
        try:
            return self.leaf_index[row.leaf]
        except KeyError as error:
            raise BadInput(
                f"image {row.image_id!r}: the tree has no {self.finest} {error}; "
                "build the tree from the same index as the images"
            ) from None

    def batch(self, group: "_RowGroup") -> pa.RecordBatch:
        """A row group as one Arrow batch; its images are not copied."""
        leaves = np.array(group.leaves, dtype=np.int64)
        ends = pa.py_buffer(np.array(group.ends, dtype=np.int32))
        images = pa.Array.from_buffers(pa.binary(), len(leaves), [None, ends, pa.py_buffer(group.images)])
        image = pa.StructArray.from_arrays([images, pa.array(group.paths, pa.string())], ["bytes", "path"])
        labels = [pa.array(column, mask=leaves < 0) for column in self.codes[leaves].T]
        texts = [
            pa.array([getattr(credit, name) for credit in group.attributions], pa.string())
            for name in self.attribution
        ]
        kept = [
            pa.array([row[place] for row in group.columns], pa.string()) for place in range(self.n_columns)
        ]
        ids = pa.array(group.ids, pa.string())
        return pa.RecordBatch.from_arrays([image, ids, *labels, *texts, *kept], schema=self.schema)


class _RowGroup:
    """Rows on their way into a file; their images stand one after another in one buffer, as Arrow wants them."""

    def __init__(self) -> None:
        self.images = bytearray()
        self.ends = [0]
        self.paths: list[str] = []
        self.ids: list[str] = []
        self.leaves: list[int] = []
        self.attributions: list[Attribution] = []
        self.columns: list[tuple[str, ...]] = []

    def __len__(self) -> int:
        return len(self.ids)

    def has_room(self, row: ImageRow, rows_per_group: int) -> bool:
        """Whether the row still belongs to this group."""
        fits = len(self.images) + len(row.image) <= MAX_GROUP_BYTES
        return not self.ids or (len(self.ids) < rows_per_group and fits)

    def add(self, row: ImageRow, leaf: int) -> None:
        """Append a row with its class index."""
        self.images += row.image
        self.ends.append(len(self.images))
        self.paths.append(row.path)
        self.ids.append(row.image_id)
        self.leaves.append(leaf)
        self.attributions.append(row.attribution)
        self.columns.append(row.columns)


class HashedFile:
    """A file for writing that hashes what passes, so that nothing is read twice.

    A thread hashes while this one reads and writes: hashlib works without the interpreter's lock.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, "hash")
        self._unhashed: deque[Future[None]] = deque()
        self._pages: list[bytes] = []
        self._pages_bytes = 0
        self.size_bytes = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        """Write, and hand on to be hashed."""
        self._pages.append(data)
        self._pages_bytes += len(data)
        if self._pages_bytes >= _HASHED_AT_ONCE:
            self._hand_on()
        self.size_bytes += len(data)
        return self._file.write(data)

    def _hand_on(self) -> None:
        """Let the thread hash what was written since the last time."""
        self._unhashed.append(self._thread.submit(_hash_all, self._hash, self._pages))
        self._pages, self._pages_bytes = [], 0
        if len(self._unhashed) > _MAX_UNHASHED:
            self._unhashed.popleft().result()

    def tell(self) -> int:
        """Bytes written so far."""
        return self.size_bytes

    def flush(self) -> None:
        """Pass on what is buffered."""
        self._file.flush()

    def close(self) -> None:
        """Called by Arrow; the owner of the file closes it."""
        self.closed = True

    @property
    def sha256(self) -> str:
        """Hash (hex) of everything written."""
        self._hand_on()
        while self._unhashed:
            self._unhashed.popleft().result()
        return self._hash.hexdigest()


def _hash_all(digest: "hashlib._Hash", pages: Sequence[bytes]) -> None:
    for page in pages:
        digest.update(page)


class ShardWriter:
    """A shard that grows row by row."""

    def __init__(self, partial: Path, table: ImageTable, rows_per_group: int) -> None:
        """Open it.

        Args:
            partial: its temporary path, in the folder where it will stay.
            table: schema and labels.
            rows_per_group: rows in a row group; a group is closed earlier at `MAX_GROUP_BYTES` of images.
        """
        self._partial = partial
        self._table = table
        self._rows_per_group = rows_per_group
        self._raw = partial.open("wb")
        self._file = HashedFile(self._raw)
        self._writer = pq.ParquetWriter(self._file, table.schema, **parquet_options(table.schema))
        self._group = _RowGroup()
        self.leaves = array("q")  # of hundreds of thousands of tiny pictures
        self.traces = Traces()
        self.image_bytes = 0

    def add(self, row: ImageRow, look: Look | None = None) -> None:
        """Append a row; `look` is kept for the table of duplicates.

        Raises:
            CairnError: its label is not in the tree.
        """
        if not self._group.has_room(row, self._rows_per_group):
            self._write_group()
        leaf = self._table.index_of(row)
        self._group.add(row, leaf)
        self.leaves.append(leaf)
        self.traces.add(row.image, look)
        self.image_bytes += len(row.image)

    def finish(self, stem: str) -> ShardFile:
        """Write what is left; the file is named by `stem` and its hash until it is published."""
        self._write_group()
        self._writer.close()
        self._raw.close()
        return finish(self._partial, stem, self._file, len(self.leaves), self.image_bytes, STAGED)

    def abandon(self) -> None:
        """Leave an unfinished file behind; whatever went wrong is reported already."""
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
        with suppress(OSError):
            self._raw.close()

    def _write_group(self) -> None:
        if len(self._group):
            self._writer.write_batch(self._table.batch(self._group), row_group_size=len(self._group))
            self._group = _RowGroup()


def finish(
    partial: Path, stem: str, file: HashedFile, n_rows: int, image_bytes: int, ending: str = ""
) -> ShardFile:
    """Give a whole file its name: `stem`, the first 16 digits of its hash, and an ending that its readers know of."""
    final = partial.with_name(f"{stem}-{file.sha256[:16]}.parquet")
    partial.replace(final.with_name(f"{final.name}{ending}"))
    path = f"{final.parent.name}/{final.name}"
    return ShardFile(path, n_rows, file.size_bytes, image_bytes, file.sha256)


def parquet_options(schema: pa.Schema) -> dict[str, object]:
    """Encoded images do not compress and have no order; everything else does and has."""
    texts = [name for name in schema.names if name != "image"]
    return {
        "compression": {"image.bytes": "none", "image.path": "zstd"} | dict.fromkeys(texts, "zstd"),
        "use_dictionary": [name for name in texts if name != "image_id"],
        "write_statistics": texts,
        "write_page_index": True,
        "write_batch_size": _ROWS_PER_PAGE_CHECK,
    }
