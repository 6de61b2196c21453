"""What was published, in numbers: `stats.json` beside the data."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hierarchies.errors import CairnError
from hierarchies.files import write_text_atomic

if TYPE_CHECKING:
    from hierarchies.tree import LabelTree

SCHEMA = 2


@dataclass(frozen=True)
class ShardFile:
    """One Parquet file.

    Attributes:
        path: below the dataset's folder, with `/`.
        n_rows: rows in it.
        size_bytes: of the file.
        image_bytes: of the images in it; 0 for a table without images.
        sha256: of the file; its name carries the first 16 digits.
    """

    path: str
    n_rows: int
    size_bytes: int
    image_bytes: int
    sha256: str


@dataclass(frozen=True)
class SplitStats:
    """Counts of a split: listed = published + quarantined + excluded.

    Attributes:
        n_listed: images that the source lists.
        n_images: rows: images published.
        n_quarantined: listed, but missing, damaged or refused: rows of the table `quarantine`.
        n_excluded: left out on purpose.
        n_unlabelled: rows without a label.
        n_labels: per level, how many names have at least one image in the split.
        shards: its files, in row order.
    """

    n_listed: int
    n_images: int
    n_quarantined: int
    n_excluded: int
    n_unlabelled: int
    n_labels: Mapping[str, int]
    shards: tuple[ShardFile, ...]


@dataclass(frozen=True)
class Stats:
    """Counts of a dataset.

    Attributes:
        fingerprint: SHA-256 over the tree and every Parquet file; the card's prose does not enter.
        tree_fingerprint: `LabelTree.fingerprint`.
        n_names: per level, fine to coarse, how many names the tree has.
        splits: per split, in order of publication.
        tables: files of the configs `nodes` and `edges`, and of `quarantine` where something was set aside.
        quarantine: what was set aside, by reason; refused members of archives that no list asks for too.
        with_images: False where only labels and splits are published.
    """

    fingerprint: str
    tree_fingerprint: str
    n_names: Mapping[str, int]
    splits: Mapping[str, SplitStats]
    tables: Mapping[str, ShardFile]
    quarantine: Mapping[str, int] = field(default_factory=dict)
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
        try:
            content = json.loads(text)
            if content.pop("schema") != SCHEMA:
                raise CairnError(f"{origin}: another schema; this Cairn reads schema {SCHEMA}: publish again")
            splits = {
                name: SplitStats(
                    **{**entry, "shards": tuple(ShardFile(**shard) for shard in entry["shards"])}
                )
                for name, entry in content.pop("splits").items()
            }
            tables = {name: ShardFile(**entry) for name, entry in content.pop("tables").items()}
            return cls(splits=splits, tables=tables, **content)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise CairnError(f"{origin}: not the stats of a published dataset ({error})") from None


def data_fingerprint(
    tree: "LabelTree", splits: Mapping[str, SplitStats], tables: Mapping[str, ShardFile]
) -> str:
    """SHA-256 (hex) over the tree and every Parquet file, in order."""
    files = [*(shard for split in splits.values() for shard in split.shards), *tables.values()]
    content = "\n".join([tree.fingerprint, *(file.sha256 for file in files)])
    return hashlib.sha256(content.encode()).hexdigest()
