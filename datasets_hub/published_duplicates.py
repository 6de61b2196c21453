"""The table `duplicates` of a dataset, made while its images are written.

Images with the same bytes share size and checksum, so only those that do are read again. Look-alikes are found among
images that were decoded.
"""

import hashlib
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.core.files import atomic_write
from cairnhub.datasets_hub.duplicate_table import find_identical, named
from cairnhub.datasets_hub.duplicates import LAYOUT_SIZE, Bits, Look, find_duplicates, gradients_of
from cairnhub.hierarchies.label_tree.tree import LabelTree

_SAMPLED_BYTES = 1024


def signature(image: bytes) -> int:
    """64 bits that two files share if they are the same, and hardly ever otherwise: size, and CRC-32 of a sample.

    The sample costs next to nothing beside writing the image: the first thousand bytes, which tell apart what only its
    metadata does, and a thousand spread evenly.
    """
    spread = image[:: len(image) // _SAMPLED_BYTES + 1]
    return len(image) << 32 | zlib.crc32(spread, zlib.crc32(image[:_SAMPLED_BYTES]))


class Traces:
    """What tells the images of a shard apart, row by row; kept in a file, for those of all shards are many."""

    def __init__(self) -> None:
        self._signatures = array("Q")
        self._greys = bytearray()
        self._layouts = bytearray()

    def add(self, image: bytes, look: Look | None) -> None:
        """Those of the next image; its look where it was decoded, which all images of a dataset are or none."""
        self._signatures.append(signature(image))
        if look is not None:
            self._greys += look.grey
            self._layouts += look.layout

    def save(self, path: Path) -> None:
        """Write them, whole or not at all."""
        with atomic_write(path) as partial, partial.open("wb") as file:
            np.savez(
                file,
                signatures=np.array(self._signatures, np.uint64),
                gradients=gradients_of(self._greys),
                layouts=np.frombuffer(self._layouts, np.uint8),
            )


@dataclass(frozen=True)
class TracedShard:
    """A written shard, the split that it is of, and the file with the traces of its images."""

    path: Path
    split: str
    traces: Path


def duplicate_images(shards: Sequence[TracedShard], tree: LabelTree) -> pd.DataFrame:
    """All pairs of images that are the same or look so, by `duplicate_table.SCHEMA`; those with two labels first."""
    finest = tree.levels[0]
    files = [shard.traces for shard in shards]
    contents = _contents(shards, traced(files, "signatures").view(np.uint64))
    leaves = np.concatenate([_column(shard, finest).fill_null(-1).to_numpy() for shard in shards])
    gradients = traced(files, "gradients").view(np.uint64)
    if len(gradients):
        layouts = traced(files, "layouts").reshape(-1, LAYOUT_SIZE)
        found = find_duplicates(contents, gradients, layouts, leaves)
        del layouts
    else:
        found = find_identical(contents, leaves)
    of_shards = [_column(shard, "image_id") for shard in shards]
    ids = pa.chunked_array([chunk for column in of_shards for chunk in column.chunks]).combine_chunks()
    shard_of = np.repeat(np.arange(len(shards)), [len(column) for column in of_shards])
    splits = np.array([shard.split for shard in shards], object)[shard_of]
    names = np.array([*tree.at_level(finest), None], object)[leaves]  # -1 is the last
    table: pd.DataFrame = named(found, ids, splits, names).to_pandas()
    return table


def traced(
    files: Sequence[Path], name: Literal["signatures", "gradients", "layouts"]
) -> npt.NDArray[np.uint8]:
    """One kind of `Traces` from the files of several shards, one after another, as bytes."""
    content = bytearray()  # grows in place: arrays to be joined would stand beside the whole
    for file in files:
        with np.load(file) as saved:
            content += saved[name].tobytes()
    return np.frombuffer(content, np.uint8)


def _column(shard: TracedShard, name: str) -> pa.ChunkedArray:
    return pq.read_table(shard.path, columns=[name])[name]


def _contents(shards: Sequence[TracedShard], signatures: Bits) -> npt.NDArray[np.int64]:
    """The first row with the same bytes, of each image: (N,). Only what shares its signature is read."""
    values, counts = np.unique(signatures, return_counts=True)
    is_repeated = np.isin(signatures, values[counts > 1])
    contents = np.arange(len(signatures))
    first_rows: dict[bytes, int] = {}
    start = 0
    for shard in shards:
        with pq.ParquetFile(shard.path) as file:
            for group in range(file.metadata.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                places = start + np.flatnonzero(is_repeated[start:stop])
                if len(places):
                    images = file.read_row_group(group, columns=["image.bytes"])["image"]
                    for place in places.tolist():
                        digest = hashlib.sha256(images[place - start]["bytes"].as_buffer()).digest()
                        contents[place] = first_rows.setdefault(digest, place)
                start = stop
    return contents
