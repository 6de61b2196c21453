"""Images that are published twice, byte for byte: told apart by size and checksum while they are written, then read."""

import base64
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.datasets_hub.duplicate_table import find_identical, named
from cairnhub.hierarchies.label_tree.tree import LabelTree

Signatures = npt.NDArray[np.uint64]
_SAMPLED_BYTES = 1024


def signature(image: bytes) -> int:
    """64 bits that two files share if they are the same, and hardly ever otherwise: size, and CRC-32 of a sample.

    The sample, a thousand bytes spread evenly, costs next to nothing beside writing the image.
    """
    return len(image) << 32 | zlib.crc32(image[:: len(image) // _SAMPLED_BYTES + 1])


def pack_signatures(signatures: Sequence[int]) -> str:
    """As text, for JSON."""
    return base64.b64encode(np.array(signatures, "<u8").tobytes()).decode()


def unpack_signatures(packed: str) -> Signatures:
    """What `pack_signatures` was given, (N,)."""
    return np.frombuffer(base64.b64decode(packed), "<u8").astype(np.uint64)


@dataclass(frozen=True)
class SignedShard:
    """A written shard.

    Attributes:
        path: the file.
        split: whose it is.
        signatures: of its images, row by row.
    """

    path: Path
    split: str
    signatures: Signatures


def identical_images(shards: Sequence[SignedShard], tree: LabelTree) -> pd.DataFrame:
    """All pairs of images with the same bytes, by `duplicate_table.SCHEMA`; those with two labels first.

    Only what shares its signature with another image is read again.
    """
    values, counts = np.unique(
        np.concatenate([np.empty(0, np.uint64), *(shard.signatures for shard in shards)]), return_counts=True
    )
    repeated = values[counts > 1]
    finest = tree.levels[0]
    rows = [
        (shard.split, *row)
        for shard in shards
        for row in _read(shard.path, np.flatnonzero(np.isin(shard.signatures, repeated)), finest)
    ]
    frame = pd.DataFrame(rows, columns=["split", "image_id", "leaf", "digest"])
    leaves = frame["leaf"].to_numpy(np.int64)
    names = np.array([*tree.at_level(finest), None], object)[leaves]  # -1 is the last
    pairs = find_identical(frame["digest"].to_numpy("S32"), leaves)
    ids = pa.array(frame["image_id"], pa.string())
    table: pd.DataFrame = named(pairs, ids, frame["split"].to_numpy(object), names).to_pandas()
    return table


def _read(path: Path, places: npt.NDArray[np.int64], finest: str) -> Iterator[tuple[str, int, bytes]]:
    """Id, leaf (-1 without) and SHA-256 of the images in some rows of a shard."""
    if not len(places):
        return
    with pq.ParquetFile(path) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
        starts = np.cumsum([0, *sizes])
        groups = np.searchsorted(starts, places, side="right") - 1
        for group in np.unique(groups).tolist():
            table = file.read_row_group(group, columns=["image.bytes", "image_id", finest])
            table = table.take(pa.array(places[groups == group] - starts[group]))
            leaves = table[finest].fill_null(-1).to_pylist()
            for image_id, leaf, image in zip(
                table["image_id"].to_pylist(), leaves, table["image"], strict=True
            ):
                yield image_id, leaf, hashlib.sha256(image["bytes"].as_buffer()).digest()
