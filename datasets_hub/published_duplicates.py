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

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.datasets_hub.duplicate_table import find_identical, named
from cairnhub.datasets_hub.duplicates import LAYOUT_SIZE, Bits, Layouts, Look, columns_of, find_duplicates
from cairnhub.hierarchies.label_tree.tree import LabelTree

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

    def unpacked(self) -> tuple[Bits, Bits, Layouts]:
        """Signatures (N,), gradients (N,) and layouts (N, 48); the latter (0,) and (0, 48) without looks."""
        signatures, gradients, layouts = (
            base64.b64decode(text) for text in (self.signatures, self.gradients, self.layouts)
        )
        return (
            np.frombuffer(signatures, np.uint64),
            np.frombuffer(gradients, np.uint64),
            np.frombuffer(layouts, np.uint8).reshape(-1, LAYOUT_SIZE),
        )


@dataclass(frozen=True)
class TracedShard:
    """A written shard, the split that it is of, and the traces of its images."""

    path: Path
    split: str
    traces: Traces


def duplicate_images(shards: Sequence[TracedShard], tree: LabelTree) -> pd.DataFrame:
    """All pairs of images that are the same or look so, by `duplicate_table.SCHEMA`; those with two labels first."""
    signatures, gradients, layouts = (
        np.concatenate(parts) for parts in zip(*(shard.traces.unpacked() for shard in shards), strict=True)
    )
    contents = _contents(shards, signatures)
    labels = [pq.read_table(shard.path, columns=["image_id", tree.levels[0]]) for shard in shards]
    leaves = np.concatenate([table[tree.levels[0]].fill_null(-1).to_numpy() for table in labels])
    found = (
        find_duplicates(contents, gradients, layouts, leaves)
        if len(gradients)
        else find_identical(contents, leaves)
    )
    ids = pa.chunked_array([chunk for table in labels for chunk in table["image_id"].chunks]).combine_chunks()
    splits = np.repeat([shard.split for shard in shards], [len(table) for table in labels]).astype(object)
    names = np.array([*tree.at_level(tree.levels[0]), None], object)[leaves]  # -1 is the last
    table: pd.DataFrame = named(found, ids, splits, names).to_pandas()
    return table


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
