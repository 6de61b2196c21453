"""Splits of a published dataset in a folder of this machine, by its shards and its tree alone.

A card's prose is none of their business: what was trained stays valid when a title changes.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cairnhub.core.errors import NotFound
from cairnhub.datasets_hub.mmap_images import MmapImages, OpenSplit
from cairnhub.datasets_hub.parquet_files import open_parquet, read_parquet
from cairnhub.datasets_hub.schema import class_indices
from cairnhub.hierarchies.label_tree.tree import LabelTree

if TYPE_CHECKING:
    from pyarrow import Table


@dataclass(frozen=True)
class LocalSplits:
    """The splits of a dataset.

    Attributes:
        shards: folder of the Parquet shards, `<split>-<number>-of-<count>-<hash>.parquet`.
        tree: the label tree that they were published with.
    """

    shards: Path
    tree: LabelTree

    @property
    def names(self) -> tuple[str, ...]:
        """Of all splits, sorted."""
        return tuple(sorted({path.name.partition("-")[0] for path in self.shards.glob("*.parquet")}))

    def files(self, split: str) -> list[Path]:
        """The shards of a split, in row order.

        Raises:
            NotFound: it has none.
        """
        files = sorted(self.shards.glob(f"{split}-[0-9]*-of-[0-9]*.parquet"))
        if not files:
            raise NotFound(f"{self.shards}: no shard of split {split!r}; publish the dataset again")
        return files

    def open(self, split: str) -> OpenSplit:
        """Images at random and labels of a split."""
        labels = class_indices(self.columns(split, self.tree.levels), self.tree.levels)
        return OpenSplit(MmapImages([str(path) for path in self.files(split)]), labels)

    def columns(self, split: str, names: Sequence[str]) -> "Table":
        """Some columns of a split, in its order."""
        return read_parquet(self.files(split), names)

    def column_names(self, split: str) -> list[str]:
        """What columns a split has."""
        with open_parquet(self.files(split)[0]) as file:
            names: list[str] = file.schema_arrow.names
        return names

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of tree and shards, whose names hold the hash of their content."""
        names = sorted(path.name for path in self.shards.glob("*.parquet"))
        return hashlib.sha256("\n".join([self.tree.fingerprint, *names]).encode()).hexdigest()
