"""Parquet shards: cut by size, filled row group by row group, named by the hash of their content."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from datasets_hub.rows import Attribution, ImageRow, Rows
from datasets_hub.schema import ATTRIBUTION, image_features, label_values, tree_features
from datasets_hub.stats import ShardFile
from hierarchies.errors import CairnError
from hierarchies.tree import LabelTree

# Arrow's binary arrays hold at most 2 GiB; a row group of huge images is closed long before.
MAX_GROUP_BYTES = 256 * 2**20
# Pages of about ten images: a reader with a page index fetches one image without its whole row group.
_ROWS_PER_PAGE_CHECK = 10


@dataclass(frozen=True)
class Shard:
    """A run of rows of one split that becomes one file."""

    split: str
    index: int
    n_shards: int
    start: int
    stop: int

    @property
    def stem(self) -> str:
        """Name without content hash, such as `train-00000-of-00003`."""
        return f"{self.split}-{self.index:05d}-of-{self.n_shards:05d}"


def plan_shards(split: str, sizes_bytes: Sequence[int], shard_size_bytes: int) -> list[Shard]:
    """Cut a split, in its order, into shards of nearly equal bytes, none much above `shard_size_bytes`."""
    ends = np.cumsum(np.asarray(sizes_bytes, dtype=np.int64))
    n_shards = max(1, -(-int(ends[-1]) // shard_size_bytes))
    targets = ends[-1] * np.arange(1, n_shards) // n_shards
    cuts = np.unique(np.concatenate([[0], np.searchsorted(ends, targets, side="right"), [len(ends)]]))
    runs = list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
    return [Shard(split, i, len(runs), start, stop) for i, (start, stop) in enumerate(runs)]


class ImageTable:
    """How rows become Arrow: the schema, and the values of every leaf on every level."""

    def __init__(self, tree: LabelTree, attribution: Sequence[str]) -> None:
        self.tree = tree
        self.attribution = [name for name in ATTRIBUTION if name in attribution]
        self.schema: pa.Schema = image_features(tree, attribution).arrow_schema
        self._values = label_values(tree)

    @cached_property
    def _leaf_index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.tree.names[0])}

    def leaf_index(self, row: ImageRow) -> int:
        """Class index of a row's leaf, -1 for a row without a label."""
        if row.leaf is None:
            return -1
        try:
            return self._leaf_index[row.leaf]
        except KeyError as error:
            raise CairnError(
                f"image {row.image_id!r}: the tree has no {self.tree.levels[0]} {error}; "
                "build the tree from the same index as the images"
            ) from None

    def batch(self, group: "_RowGroup") -> pa.RecordBatch:
        """A row group as one Arrow batch; its images are not copied."""
        leaves = np.array(group.leaves, dtype=np.int64)
        ends = pa.py_buffer(np.array(group.ends, dtype=np.int32))
        images = pa.Array.from_buffers(pa.binary(), len(leaves), [None, ends, pa.py_buffer(group.images)])
        image = pa.StructArray.from_arrays([images, pa.array(group.paths, pa.string())], ["bytes", "path"])
        labels = [pa.array(column, mask=leaves < 0) for column in self._values[leaves].T]
        texts = [
            pa.array([getattr(credit, name) for credit in group.attributions], pa.string())
            for name in self.attribution
        ]
        ids = pa.array(group.ids, pa.string())
        return pa.RecordBatch.from_arrays([image, ids, *labels, *texts], schema=self.schema)


class _RowGroup:
    """Rows on their way into a file; their images stand one after another in one buffer, as Arrow wants them."""

    def __init__(self) -> None:
        self.images = bytearray()
        self.ends = [0]
        self.paths: list[str] = []
        self.ids: list[str] = []
        self.leaves: list[int] = []
        self.attributions: list[Attribution] = []

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


class HashedFile:
    """A file for writing that hashes what passes, so that nothing is read twice."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self.size_bytes = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        """Write and hash."""
        self._sha256.update(data)
        self.size_bytes += len(data)
        return self._file.write(data)

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
        """Hash of everything written."""
        return self._sha256.hexdigest()


def write_shard(
    rows: Rows, shard: Shard, table: ImageTable, folder: Path, rows_per_group: int
) -> tuple[ShardFile, npt.NDArray[np.int64]]:
    """Write one shard into `folder`; it gets its final name when it is whole.

    Args:
        rows: the split's rows.
        shard: which of them.
        table: schema and labels.
        folder: where the file goes.
        rows_per_group: rows in a row group; a group is closed earlier at `MAX_GROUP_BYTES` of images.

    Returns:
        The file (its path relative to the folder's parent), and each row's leaf index.

    Raises:
        CairnError: a label is not in the tree, or `rows` gives more or fewer rows than it promised.
    """
    partial = folder / f".{shard.stem}.tmp"
    leaves: list[int] = []
    image_bytes = 0
    with partial.open("wb") as raw:
        file = HashedFile(raw)
        with pq.ParquetWriter(file, table.schema, **parquet_options(table.schema)) as writer:
            for group in _groups(rows.read(shard.start, shard.stop), table, rows_per_group):
                leaves += group.leaves
                image_bytes += len(group.images)
                writer.write_batch(table.batch(group), row_group_size=len(group))
                del group  # its images go before the next ones come
    if len(leaves) != shard.stop - shard.start:
        raise CairnError(
            f"split {shard.split!r}: {len(leaves):,} rows came where rows {shard.start:,} to {shard.stop:,} "
            "were asked for; index and archive do not match, run the stage `index` again"
        )
    file_written = finish(partial, shard.stem, file, len(leaves), image_bytes)
    return file_written, np.array(leaves, dtype=np.int64)


def write_tree_table(frame: pd.DataFrame, config: str, folder: Path) -> ShardFile:
    """Write the config `nodes` or `edges` as one Parquet file, named by its content."""
    table = pa.Table.from_pandas(frame, tree_features(config).arrow_schema, preserve_index=False)
    table = table.replace_schema_metadata(tree_features(config).arrow_schema.metadata)
    partial = folder / f".{config}.tmp"
    with partial.open("wb") as raw:
        file = HashedFile(raw)
        pq.write_table(table, file, compression="zstd", write_page_index=True)
    return finish(partial, config, file, len(frame), 0)


def finish(partial: Path, stem: str, file: HashedFile, n_rows: int, image_bytes: int) -> ShardFile:
    """Give a whole file its name: `stem`, then the first 16 digits of its hash."""
    final = partial.with_name(f"{stem}-{file.sha256[:16]}.parquet")
    partial.replace(final)
    path = f"{final.parent.name}/{final.name}"
    return ShardFile(path, n_rows, file.size_bytes, image_bytes, file.sha256)


def _groups(rows: Iterator[ImageRow], table: ImageTable, rows_per_group: int) -> Iterator[_RowGroup]:
    group = _RowGroup()
    for row in rows:
        if not group.has_room(row, rows_per_group):
            yield group
            group = _RowGroup()
        group.add(row, table.leaf_index(row))
    if group.ids:
        yield group


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
