"""What was published, in numbers: `stats.json` beside the data."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cairnhub.core.errors import BrokenData
from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import FORBID, parse_json, typed

if TYPE_CHECKING:
    from cairnhub.hierarchies.label_tree.tree import LabelTree

SCHEMA = 4
Count = Annotated[int, Field(ge=0, lt=2**63)]


@dataclass(frozen=True)
class ShardFile:
    """One Parquet file.

    Attributes:
        path: below the dataset's folder, with `/`.
        n_rows: rows in it.
        size_bytes: of the file.
        image_bytes: of the images in it; 0 for a table without images.
        sha256: of the file, hex; its name carries the first 16 digits.
    """

    __pydantic_config__ = FORBID

    path: str
    n_rows: Count
    size_bytes: Count
    image_bytes: Count
    sha256: str


@dataclass(frozen=True)
class SplitStats:
    """Counts of a split: listed = published + quarantined + excluded.

    Attributes:
        n_listed: images that the source lists.
        n_images: rows: images published.
        n_quarantined: listed, but missing, damaged or unreadable: rows of the table `quarantine`.
        n_excluded: not published by a rule.
        n_unlabelled: rows without a label.
        n_labels: per level, how many names have at least one image in the split.
        shards: its files, in row order.
    """

    __pydantic_config__ = FORBID

    n_listed: Count
    n_images: Count
    n_quarantined: Count
    n_excluded: Count
    n_unlabelled: Count
    n_labels: Mapping[str, Count]
    shards: tuple[ShardFile, ...]


@dataclass(frozen=True)
class Stats:
    """Counts of a dataset.

    Attributes:
        fingerprint: SHA-256 over the tree and every Parquet file; the card's prose does not enter.
        tree_fingerprint: `LabelTree.fingerprint`.
        n_names: per level, fine to coarse, how many names the tree has.
        splits: per split, in order of publication.
        tables: files of the configs `nodes` and `edges`; of `quarantine` where something was quarantined, and of
            `duplicates` where images are the same.
        quarantine: how many, by reason; members of archives that no list asks for too.
        with_images: False where only labels and splits are published.
    """

    __pydantic_config__ = FORBID

    fingerprint: str
    tree_fingerprint: str
    n_names: Mapping[str, Count]
    splits: Mapping[str, SplitStats]
    tables: Mapping[str, ShardFile]
    quarantine: Mapping[str, Count] = field(default_factory=dict)
    with_images: bool = True

    @property
    def n_images(self) -> int:
        """Images in all splits."""
        return sum(split.n_images for split in self.splits.values())

    @property
    def files(self) -> tuple[ShardFile, ...]:
        """Every Parquet file: shards of all splits, then the tree's tables."""
        return (*(shard for split in self.splits.values() for shard in split.shards), *self.tables.values())

    def save(self, path: Path) -> None:
        """Write JSON with a stable key order."""
        write_text_atomic(path, json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1) + "\n")

    @classmethod
    def from_json(cls, text: str, origin: str) -> "Stats":
        """Parse what `save` wrote.

        Raises:
            CairnError: not such a file.
        """
        content = parse_json(text, origin)
        if not isinstance(content, dict) or content.pop("schema", None) != SCHEMA:
            raise BrokenData(f"{origin}: another schema; this Cairn reads schema {SCHEMA}: publish again")
        return typed(cls, content, origin)


def data_fingerprint(
    tree: "LabelTree", splits: Mapping[str, SplitStats], tables: Mapping[str, ShardFile]
) -> str:
    """SHA-256 (hex) over the tree and every Parquet file, in order."""
    files = [*(shard for split in splits.values() for shard in split.shards), *tables.values()]
    content = "\n".join([tree.fingerprint, *(file.sha256 for file in files)])
    return hashlib.sha256(content.encode()).hexdigest()
