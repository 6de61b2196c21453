"""The table `duplicates` of a dataset, made while its images are written.

Images with the same bytes share size and checksum, so only those that do are read again. Look-alikes are found among
images that were decoded.
"""

import base64
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.datasets_hub.duplicate_table import find_identical, named
from cairnhub.datasets_hub.duplicates import LAYOUT_SIZE, Bits, Look, columns_of, find_duplicates
from cairnhub.hierarchies.label_tree.tree import LabelTree

Number = TypeVar("Number", bound=np.generic)
_SAMPLED_BYTES = 1024


def signature(image: bytes) -> int:
    """64 bits that two files share if they are the same, and hardly ever otherwise: size, and CRC-32 of a sample.

    The sample costs next to nothing beside writing the image: the first thousand bytes, which tell apart what only its
    metadata does, and a thousand spread evenly.
    """
    spread = image[:: len(image) // _SAMPLED_BYTES + 1]
    return len(image) << 32 | zlib.crc32(spread, zlib.crc32(image[:_SAMPLED_BYTES]))


@dataclass(frozen=True)
class Traces:
    """What tells the images of a shard apart, row by row, as text for its marker.

    Attributes:
        signatures: see `signature`.
        gradients: see `Look`; empty where images were not decoded, and so `layouts`.
        layouts: see `Look`.
    """

    signatures: str
    gradients: str
    layouts: str

    @classmethod
    def of(cls, signatures: Sequence[int], looks: Sequence[Look]) -> "Traces":
        """Pack them."""
        arrays = (np.array(signatures, np.uint64), *columns_of(looks))
        return cls(*(base64.b64encode(array.tobytes()).decode() for array in arrays))


@dataclass(frozen=True)
class TracedShard:
    """A written shard, the split that it is of, and the traces of its images."""

    path: Path
    split: str
    traces: Traces


def duplicate_images(shards: Sequence[TracedShard], tree: LabelTree) -> pd.DataFrame:
    """All pairs of images that are the same or look so, by `duplicate_table.SCHEMA`; those with two labels first."""
    finest = tree.levels[0]
    contents = _contents(shards, unpacked([shard.traces.signatures for shard in shards], np.uint64))
    leaves = np.concatenate([_column(shard, finest).fill_null(-1).to_numpy() for shard in shards])
    gradients = unpacked([shard.traces.gradients for shard in shards], np.uint64)
    if len(gradients):
        layouts = unpacked([shard.traces.layouts for shard in shards], np.uint8).reshape(-1, LAYOUT_SIZE)
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


def unpacked(texts: Sequence[str], kind: type[Number]) -> npt.NDArray[Number]:
    """The numbers of `Traces` of several shards, one after another."""
    content = bytearray()  # grows in place: arrays to be joined would stand beside the whole
    for text in texts:
        content += base64.b64decode(text)
    return np.frombuffer(content, kind)


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
