"""publish: Parquet shards, card and tree tables, in the hub folder."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from datasets_hub.card import Card, Decisions
from datasets_hub.rows import Attribution, ImageRow
from datasets_hub.writer import write_dataset
from hierarchies import LabelTree
from pipelines.sources.archives import read_members
from pipelines.sources.base import ATTRIBUTION
from pipelines.sources.fetched import require_fetched
from pipelines.stages import Context


class IndexRows:
    """The images of one split, read from the store as the index says."""

    def __init__(self, store: Path, images: pd.DataFrame, leaf_level: str) -> None:
        self.store = store
        self.images = images.reset_index(drop=True)
        self.leaf_level = leaf_level

    @property
    def sizes_bytes(self) -> Sequence[int]:
        """Size of each image, in order."""
        return [int(size) for size in self.images["size_bytes"]]

    @property
    def fingerprint(self) -> str:
        """Hash of the index rows; the store's files were verified by hash when they were fetched."""
        hashes = pd.util.hash_pandas_object(self.images, index=False).to_numpy()
        return hashlib.sha256(hashes.tobytes()).hexdigest()

    def read(self, start: int, stop: int) -> Iterator[ImageRow]:
        """Rows `start` to `stop` (exclusive)."""
        rows = self.images.iloc[start:stop]
        credit_columns = [column for column in ATTRIBUTION if column in rows]
        records = rows[["member", "image_id", self.leaf_level]].itertuples(index=False)
        credits = (
            rows[credit_columns].astype(object).where(rows[credit_columns].notna(), None).to_dict("records")
        )
        for record, credit, image in zip(records, credits, read_members(self.store, rows), strict=True):
            attribution = Attribution(**{str(key): value for key, value in credit.items()})
            yield ImageRow(image, record[0], record[1], record[2], attribution)


def run(context: Context) -> None:
    """Write the hub folder of one dataset."""
    require_fetched(context)
    settings = getattr(context.params.publish, context.scale)
    index = context.paths.index
    tree = LabelTree.load(context.paths.tree)
    card = Card.model_validate_json((index / "card.json").read_text(encoding="utf-8"))
    images = pd.read_parquet(index / "images.parquet")
    quarantine = pd.read_parquet(index / "quarantine.parquet")
    splits = sorted(images["split"].unique(), key=lambda split: (split != "train", split))
    stats = write_dataset(
        context.paths.hub,
        _with_review(card, context.paths.reviewed),
        tree,
        {
            split: IndexRows(context.paths.store, images[images["split"] == split], tree.levels[0])
            for split in splits
        },
        shard_size_bytes=settings.shard_size_mb * 1_000_000,
        rows_per_group=settings.rows_per_group,
        quarantine=Counter(quarantine["reason"]),
        progress=True,
    )
    print(f"{context.dataset}: {stats.n_images:,} images in {len(stats.files):,} files, {context.paths.hub}")


def _with_review(card: Card, reviewed: Path) -> Card:
    """The card with the decisions that shaped the tree, where there are any."""
    if not reviewed.is_file():
        return card
    decisions = Decisions.model_validate_json(reviewed.read_text(encoding="utf-8"))
    if decisions.n_applied == 0:
        return card
    return card.model_copy(update={"annotation_origin": "automatic-and-reviewed", "decisions": decisions})
