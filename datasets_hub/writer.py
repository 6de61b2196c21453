"""Write a dataset: partitions side by side, then names, tree, numbers and card; switch folders."""

import errno
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import PIL
import pyarrow as pa

from cairnhub.core.errors import BadInput, BrokenData, NoSpace
from cairnhub.core.files import write_text_atomic
from cairnhub.core.text import quoted, twins_on_a_disk
from cairnhub.datasets_hub.card import Card
from cairnhub.datasets_hub.card_images import write_pictures
from cairnhub.datasets_hub.croissant import croissant_json
from cairnhub.datasets_hub.image_check import USUAL, ImageCheck
from cairnhub.datasets_hub.progress import follow_folder
from cairnhub.datasets_hub.published_duplicates import TracedShard, duplicate_images
from cairnhub.datasets_hub.readers import split_name_fault
from cairnhub.datasets_hub.readme import render_readme
from cairnhub.datasets_hub.records import Partition, QuarantineRow
from cairnhub.datasets_hub.schema import tree_tables
from cairnhub.datasets_hub.staging import Staging
from cairnhub.datasets_hub.stats import ShardFile, SplitStats, Stats, data_fingerprint
from cairnhub.datasets_hub.tables import image_table, write_table
from cairnhub.datasets_hub.write_task import ShardMarker, WriteResult, WriteTask, write_partition
from cairnhub.hierarchies.label_tree.tree import LabelTree

_LAYOUT = (
    7  # raise when the same input gives other bytes or markers, so that no half-written dataset is continued
)

RunAll = Callable[[Callable[[WriteTask], WriteResult], Sequence[WriteTask]], Iterable[WriteResult]]
"""Applies a function to every task and gives the results in their order, as the built-in `map` does."""


@dataclass(frozen=True)
class UnpublishedImages:
    """What a source lists and does not hand on, so that the counts add up.

    Attributes:
        quarantined: images that are missing, damaged or unreadable.
        excluded: images that a rule excludes: `split -> how many`.
    """

    quarantined: Sequence[QuarantineRow] = ()
    excluded: Mapping[str, int] | None = None


def write_dataset(
    folder: Path,
    card: Card,
    tree: LabelTree,
    partitions: Sequence[Partition],
    *,
    shard_size_bytes: int = 400_000_000,
    rows_per_group: int = 100,
    check: ImageCheck = USUAL,
    unpublished: UnpublishedImages = UnpublishedImages(),
    run_all: RunAll = map,
    progress: bool = False,
) -> Stats:
    """Write a published dataset; readers see the old folder or the new one, whole.

    Each partition is read once. Memory is bounded by a row group per worker and split. The bytes depend on the
    arguments but not on `run_all`. What a killed run has finished waits in `.<hub>.<scale>.<name>.partial` beside
    the hub's folder and is used again.

    Args:
        folder: `<hub>/<scale>/<name>`; replaced.
        card: description; its levels must be the tree's.
        tree: the label tree.
        partitions: the rows; splits are published in the order in which partitions name them.
        shard_size_bytes: how large a file becomes at most, but for its tables.
        rows_per_group: rows in a Parquet row group.
        check: which images are let in; the others go to the table `quarantine`. If it decodes them, the table
            `duplicates` has look-alikes too.
        unpublished: what the source lists beside the rows.
        run_all: runs the tasks, for instance `concurrent.futures.ProcessPoolExecutor().map`; by default one
            after the other.
        progress: show a bar.

    Returns:
        The counts and files, as saved in `stats.json`.

    Raises:
        BadInput: card, tree and rows do not fit each other, or a split is empty.
        NoSpace: the disk is full; finished shards are kept.
        Unreachable: another process is writing this dataset.
    """
    splits = _check_plan(card, tree, partitions, shard_size_bytes)
    table = image_table(tree, card)
    size_bytes = sum(partition.size_bytes for partition in partitions)
    with _full_disk_explained(folder, card, size_bytes), Staging.of(folder).held() as staging:
        tasks = [
            WriteTask(number, partition, staging, table, check, shard_size_bytes, rows_per_group)
            for number, partition in enumerate(partitions)
        ]
        staging.open(_plan_hash(card, tree, tasks))
        _check_space(staging, size_bytes)
        with follow_folder(staging.data, size_bytes, f"writing {card.name}", shown=progress):
            results = list(run_all(write_partition, tasks))
        shards = _name_shards(staging, splits, results)
        quarantined = [*unpublished.quarantined, *_quarantined(results)]
        tables = _write_tables(tree, quarantined, _duplicates(staging, shards, tree), staging.whole)
        stats = _stats(tree, shards, tables, quarantined, unpublished.excluded or {})
        _describe(staging, card, tree, stats)
        staging.switch(folder)
    return stats


@contextmanager
def _full_disk_explained(folder: Path, card: Card, size_bytes: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoSpace(
            f"the disk of {folder} is full: free some of the {size_bytes / 1e9:.1f} GB that {card.name} "
            "needs and run again; finished shards are kept"
        ) from None


def _check_plan(
    card: Card, tree: LabelTree, partitions: Sequence[Partition], shard_size_bytes: int
) -> list[str]:
    """The splits in order of publication, if card, tree and partitions agree."""
    if card.levels != tree.levels:
        raise BadInput(
            f"card {card.name!r} has the levels {', '.join(card.levels)}, its tree {', '.join(tree.levels)}"
        )
    splits = list(dict.fromkeys(split for partition in partitions for split in partition.splits))
    unknown = {split for p in card.protocols for split in (p.query, p.gallery)} - set(splits)
    if unknown:
        raise BadInput(f"card {card.name!r}: a protocol names {sorted(unknown)}; splits: {', '.join(splits)}")
    if shard_size_bytes < 1:
        raise BadInput(f"shard_size_bytes is {shard_size_bytes}; it must be positive")
    if not splits:
        raise BadInput(f"{card.name!r} has no image; check the index")
    for split in splits:
        if fault := split_name_fault(split):
            raise BadInput(fault)
    if twins := twins_on_a_disk(splits):
        raise BadInput(
            f"splits {quoted(twins)} differ by case only: disks that ignore case take them for one; spell them alike"
        )
    return splits


def _plan_hash(card: Card, tree: LabelTree, tasks: Sequence[WriteTask]) -> str:
    """Equal for two runs exactly if a shard of the one may serve the other."""
    versions = [_LAYOUT, pa.__version__, datasets.__version__, PIL.__version__]
    shape = [(task.shard_size_bytes, task.rows_per_group, asdict(task.check)) for task in tasks[:1]]
    rows = [(task.partition.name, task.partition.fingerprint, list(task.partition.splits)) for task in tasks]
    content = [versions, shape, tree.fingerprint, card.texts, rows]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_space(staging: Staging, size_bytes: int) -> None:
    present = sum(file.stat().st_size for file in staging.data.iterdir())
    if size_bytes - present > shutil.disk_usage(staging.root).free:
        raise OSError(errno.ENOSPC, "not enough space")


def _name_shards(
    staging: Staging, splits: Sequence[str], results: Sequence[WriteResult]
) -> dict[str, list[ShardMarker]]:
    """Give every shard its final name, now that they are counted; what else lies there goes."""
    named: dict[str, list[ShardMarker]] = {}
    for split in splits:
        shards = [shard for result in results for shard in result.shards.get(split, ())]
        if not shards:
            reasons = Counter(row.reason for row in _quarantined(results) if row.split == split)
            listed = "; ".join(f"{number:,} times {reason}" for reason, number in sorted(reasons.items()))
            raise BadInput(
                f"split {split!r} has no image to publish: {listed}. Mend its images or take the split off the labels"
            )
        named[split] = []
        for i, shard in enumerate(shards):
            path = f"data/{split}-{i:05d}-of-{len(shards):05d}-{shard.file.sha256[:16]}.parquet"
            finished = staging.finished(shard.file)
            if finished is None:
                raise BrokenData(f"{staging.root}: a finished shard is gone: run again")
            file = replace(shard.file, path=path)
            finished.replace(staging.path(file))
            named[split].append(replace(shard, file=file))
    final = {staging.path(shard.file) for shards in named.values() for shard in shards}
    for present in staging.data.iterdir():
        if present not in final:
            present.unlink()
    return named


def _quarantined(results: Sequence[WriteResult]) -> list[QuarantineRow]:
    """What the workers quarantined, partition by partition."""
    return [
        row
        for result in results
        for rows in (
            *(s.quarantined for shards in result.shards.values() for s in shards),
            result.quarantined,
        )
        for row in rows
    ]


def _duplicates(
    staging: Staging, shards: Mapping[str, Sequence[ShardMarker]], tree: LabelTree
) -> pd.DataFrame:
    traced = [
        TracedShard(staging.path(marker.file), split, staging.markers / marker.traces)
        for split, markers in shards.items()
        for marker in markers
    ]
    return duplicate_images(traced, tree)


def _write_tables(
    tree: LabelTree, quarantined: Sequence[QuarantineRow], duplicates: pd.DataFrame, staging: Path
) -> dict[str, ShardFile]:
    tree.save(staging / "tree.json")
    (staging / "tree").mkdir()
    tables = {
        config: write_table(frame, config, staging / "tree") for config, frame in tree_tables(tree).items()
    }
    if quarantined:
        (staging / "quarantine").mkdir()
        frame = pd.DataFrame([asdict(row) for row in quarantined])
        tables["quarantine"] = write_table(frame, "quarantine", staging / "quarantine")
    if len(duplicates):
        (staging / "duplicates").mkdir()
        tables["duplicates"] = write_table(duplicates, "duplicates", staging / "duplicates")
    return tables


def _stats(
    tree: LabelTree,
    shards: Mapping[str, Sequence[ShardMarker]],
    tables: dict[str, ShardFile],
    quarantined: Sequence[QuarantineRow],
    excluded: Mapping[str, int],
) -> Stats:
    n_quarantined = Counter(row.split for row in quarantined)
    splits = {}
    for split, markers in shards.items():
        n_images = sum(marker.file.n_rows for marker in markers)
        splits[split] = SplitStats(
            n_listed=n_images + n_quarantined[split] + excluded.get(split, 0),
            n_images=n_images,
            n_quarantined=n_quarantined[split],
            n_excluded=excluded.get(split, 0),
            n_unlabelled=sum(marker.n_unlabelled for marker in markers),
            n_labels=_n_labels(tree, markers),
            shards=tuple(marker.file for marker in markers),
        )
    return Stats(
        fingerprint=data_fingerprint(tree, splits, tables),
        tree_fingerprint=tree.fingerprint,
        n_names={level: len(names) for level, names in zip(tree.levels, tree.names, strict=True)},
        splits=splits,
        tables=tables,
        quarantine=dict(sorted(Counter(row.cause for row in quarantined).items())),
    )


def _n_labels(tree: LabelTree, markers: Sequence[ShardMarker]) -> dict[str, int]:
    leaves = np.unique(np.concatenate([np.array(marker.leaves, dtype=np.int64) for marker in markers]))
    codes = tree.codes[leaves]
    return {level: len(np.unique(codes[:, rank])) for rank, level in enumerate(tree.levels)}


def _describe(staging: Staging, card: Card, tree: LabelTree, stats: Stats) -> None:
    """Everything that is not data: numbers, pictures, the catalogue entry and the README."""
    folder = staging.whole
    (folder / "assets").mkdir()
    stats.save(folder / "stats.json")
    shards = next(iter(stats.splits.values())).shards
    pictures = write_pictures(folder, staging.readable(shards), tree)
    write_text_atomic(folder / "croissant.json", croissant_json(card, tree, stats))
    write_text_atomic(folder / "README.md", render_readme(card, tree, stats, pictures))
