"""publish: Parquet shards, card and tree tables, in the hub folder."""

import logging
import shutil
from pathlib import Path

import pyarrow.parquet as pq

from cairnhub.core.hashing import sha256_of
from cairnhub.core.parse import read_json
from cairnhub.datasets_hub.card import Card, Decisions
from cairnhub.datasets_hub.image_check import ImageCheck
from cairnhub.datasets_hub.records import QuarantineRow
from cairnhub.datasets_hub.writer import UnpublishedImages, write_dataset
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.pipelines.artifacts.index import IndexFolder
from cairnhub.pipelines.code import fingerprint
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.index_parts import Index, cut_parts
from cairnhub.pipelines.settings.publish import Publish
from cairnhub.pipelines.sources.fetching import require_fetched
from cairnhub.pipelines.unpack import unpack_streamed

log = logging.getLogger(__name__)


def run(context: Context) -> None:
    """Write the hub folder of one dataset."""
    require_fetched(context)
    settings = context.settings(Publish)
    executor = context.executor  # its workers begin to import while this process reads
    folder = IndexFolder(context.paths.index)
    tree = LabelTree.load(context.paths.tree)
    card = read_json(folder.card, Card)
    counts = folder.counts()
    # A killed run is gone on with if rows, files and code are those that it began with.
    begun_with = (
        f"{sha256_of(folder.images)} {counts.fetched} {fingerprint([__name__.removeprefix('cairnhub.')])}"
    )
    index = Index(folder.images, context.paths.store, tree.levels[0], begun_with, card.columns)
    unpacked = context.paths.hub.with_name(f".{context.paths.hub.name}.unpacked")
    index, quarantined = unpack_streamed(index, unpacked, executor.map)
    shard_size_bytes = settings.shard_size_mb * 1_000_000
    stats = write_dataset(
        context.paths.hub,
        _with_review(card, context.paths.reviewed),
        tree,
        cut_parts(index, shard_size_bytes),
        shard_size_bytes=shard_size_bytes,
        rows_per_group=settings.rows_per_group,
        check=ImageCheck(settings.max_image_pixels, settings.decode_images),
        unpublished=UnpublishedImages(
            [*(QuarantineRow(**row) for row in pq.read_table(folder.quarantine).to_pylist()), *quarantined],
            {split: count["excluded"] for split, count in counts.splits.items()},
        ),
        run_all=executor.map,
        progress=True,
    )
    shutil.rmtree(unpacked, ignore_errors=True)
    log.info(
        f"{context.dataset}: {stats.n_images:,} images in {len(stats.files):,} files, {context.paths.hub}"
    )
    if "[" in str(context.paths.hub):
        log.warning(
            f"{context.paths.hub}: `datasets` alone takes this path for a pattern and finds nothing; load with "
            "`cairnhub.load_dataset`, or move the project to a folder without [ in its name"
        )
    for reason, number in stats.quarantine.items():
        log.info(f"{context.dataset}: {number:,} in quarantine: {reason}")


def _with_review(card: Card, reviewed: Path) -> Card:
    """The card with the decisions that shaped the tree, where there are any."""
    if not reviewed.is_file():
        return card
    decisions = read_json(reviewed, Decisions)
    if decisions.n_applied == 0:
        return card
    return card.model_copy(update={"annotation_origin": "automatic-and-reviewed", "decisions": decisions})
