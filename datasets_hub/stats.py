"""What was published, in numbers: `stats.json` beside the data."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from cairnhub.core.errors import BadInput, BrokenData, NewerFormat
from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import FORBID, parse_json, typed
from cairnhub.datasets_hub.card import Text

if TYPE_CHECKING:
    from cairnhub.hierarchies.label_tree.tree import LabelTree

SCHEMA = 4
_CLASS_INDICES_SINCE = 4
_MOST_CLASS_LABELS = 500  # of the schemas before: the labels of a larger level were numbers of nodes
Count = Annotated[int, Field(ge=0, lt=2**63)]


@dataclass(frozen=True)
class ShardFile:
    """One Parquet file.

    Attributes:
        path: below the dataset's folder, with `/`.
        n_rows: rows in it.
        size_bytes: of the file.
        image_bytes: of the images in it; 0 for a table without images.
        sha256: of the file, hex; its name carries the first 16 digits. Of older datasets, `blake2b:` and that hash.
    """

    __pydantic_config__ = FORBID

    path: Text
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
    n_labels: Mapping[Text, Count]
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
        schema: that they were written with.
    """

    __pydantic_config__ = FORBID

    fingerprint: str
    tree_fingerprint: str
    n_names: Mapping[Text, Count]
    splits: Mapping[Text, SplitStats]
    tables: Mapping[Text, ShardFile]
    quarantine: Mapping[Text, Count] = field(default_factory=dict)
    with_images: bool = True
    schema: int = SCHEMA

    def check_current(self, uri: str) -> None:
        """Refuse what an earlier Cairn built.

        Args:
            uri: where it lies, for the message.

        Raises:
            BadInput: it has another schema, or other hashes.
        """
        if self.schema != SCHEMA or any(":" in file.sha256 for file in self.files):
            raise BadInput(
                f"{uri} was built by an earlier Cairn (schema {self.schema}): build it again with this one"
            )

    @property
    def node_id_levels(self) -> tuple[str, ...]:
        """Levels whose label columns hold numbers of nodes, not class indices."""
        if self.schema >= _CLASS_INDICES_SINCE:
            return ()
        return tuple(level for level, n_names in self.n_names.items() if n_names > _MOST_CLASS_LABELS)

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
        write_text_atomic(path, json.dumps({"schema": self.schema, **asdict(self)}, indent=1) + "\n")

    @classmethod
    def from_json(cls, text: str, origin: str) -> "Stats":
        """Parse what `save` wrote, now or with any schema before.

        Raises:
            CairnError: not such a file, or one of a newer Cairn.
        """
        content = parse_json(text, origin)
        if not isinstance(content, dict) or not isinstance(content.get("schema"), int):
            raise BrokenData(f"{origin}: no schema: these are not the numbers of a dataset; publish it again")
        if content["schema"] > SCHEMA:
            raise NewerFormat(
                f"{origin}: schema {content['schema']}, this Cairn reads up to {SCHEMA}: upgrade Cairn"
            )
        return typed(cls, _migrated(content), origin)


def _migrated(content: dict[str, Any]) -> dict[str, Any]:
    """Numbers of an earlier schema in the form of today; what is damaged is left for `typed` to name.

    Schema 1 did not count what was listed, quarantined and excluded per split: nothing was. Schema 3, and the first
    datasets of schema 4, hashed files with BLAKE2b.
    """
    splits, tables = content.get("splits"), content.get("tables")
    parts = list(splits.values()) if isinstance(splits, dict) else []
    parts = [part for part in parts if isinstance(part, dict)]
    for part in parts if content["schema"] == 1 else []:
        part["n_listed"] = part.get("n_images")
        part |= {"n_quarantined": 0, "n_excluded": 0}
    shards = [shard for part in parts if isinstance(part.get("shards"), list) for shard in part["shards"]]
    for file in [*shards, *(tables.values() if isinstance(tables, dict) else [])]:
        if isinstance(file, dict) and "blake2b" in file and content["schema"] >= 3:
            file["sha256"] = f"blake2b:{file.pop('blake2b')}"
    return content


def data_fingerprint(
    tree: "LabelTree", splits: Mapping[str, SplitStats], tables: Mapping[str, ShardFile]
) -> str:
    """SHA-256 (hex) over the tree and every Parquet file, in order."""
    files = [*(shard for split in splits.values() for shard in split.shards), *tables.values()]
    content = "\n".join([tree.fingerprint, *(file.sha256 for file in files)])
    return hashlib.sha256(content.encode()).hexdigest()
