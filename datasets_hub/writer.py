"""Write a dataset: plan shards, fill them side by side, add tree, numbers and card, switch folders."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tqdm import tqdm

from datasets_hub.card import Card, render_readme
from datasets_hub.croissant import croissant_json
from datasets_hub.files import remove_leftovers, sha256_of
from datasets_hub.pictures import write_pictures
from datasets_hub.rows import Rows
from datasets_hub.schema import tree_tables
from datasets_hub.shards import ImageTable, Shard, plan_shards, write_shard, write_tree_table
from datasets_hub.stats import ShardFile, SplitStats, Stats, data_fingerprint
from hierarchies.errors import CairnError
from hierarchies.files import write_text_atomic
from hierarchies.tree import LabelTree

_LAYOUT = 1  # raise when the same input gives other bytes, so that no half-written dataset is continued


@dataclass(frozen=True)
class _Written:
    """A finished shard, as its marker remembers it."""

    file: ShardFile
    n_unlabelled: int
    leaves: tuple[int, ...]

    @classmethod
    def load(cls, marker: Path) -> "_Written":
        entry = json.loads(marker.read_text())
        return cls(ShardFile(**entry["file"]), entry["n_unlabelled"], tuple(entry["leaves"]))


def write_dataset(
    folder: Path,
    card: Card,
    tree: LabelTree,
    splits: Mapping[str, Rows],
    *,
    shard_size_bytes: int = 400_000_000,
    rows_per_group: int = 100,
    n_workers: int | None = None,
    quarantine: Mapping[str, int] | None = None,
    progress: bool = False,
) -> Stats:
    """Write a published dataset; readers see the old folder or the new one, whole.

    Memory is bounded by `n_workers` row groups. The bytes depend on the arguments but not on `n_workers`.
    What a killed run has finished waits in `.<name>.partial` beside the folder and is used again.

    Args:
        folder: `<hub>/<scale>/<name>`; replaced.
        card: description; its levels must be the tree's.
        tree: the label tree.
        splits: rows per split, in order of publication.
        shard_size_bytes: about how large a file becomes.
        rows_per_group: rows in a Parquet row group.
        n_workers: threads that write shards; by default one per CPU, at most 8.
        quarantine: images set aside before, by reason; for the card.
        progress: show a bar.

    Returns:
        The counts and files, as saved in `stats.json`.

    Raises:
        CairnError: card, tree and rows do not fit each other, a split is empty, or the disk is full.
    """
    shards, total_bytes = _plan(card, tree, splits, shard_size_bytes)
    table = ImageTable(tree, card.attribution)
    staging = folder.with_name(f".{folder.name}.partial")
    try:
        _open_staging(staging, _plan_hash(card, tree, splits, shards, rows_per_group))
        _check_space(staging, total_bytes)
        with ThreadPoolExecutor(n_workers or min(8, os.cpu_count() or 1)) as pool:
            futures = [
                pool.submit(_fill, splits[shard.split], shard, table, staging, rows_per_group)
                for shard in shards
            ]
            try:
                bar = tqdm(futures, desc=f"writing {card.name}", unit=" shards", disable=not progress)
                written = [future.result() for future in bar]
            finally:
                for future in futures:
                    future.cancel()
        stats = _stats(tree, shards, written, quarantine or {}, _write_tree(tree, staging))
        _describe(staging, card, tree, stats)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise CairnError(
            f"the disk of {staging} is full: free some of the {total_bytes / 1e9:.1f} GB that {card.name} "
            "needs and run again; finished shards are kept"
        ) from None
    _switch(staging, folder)
    return stats


def _describe(staging: Path, card: Card, tree: LabelTree, stats: Stats) -> None:
    """Everything that is not data: numbers, pictures, the catalogue entry and the README."""
    stats.save(staging / "stats.json")
    shards = next(iter(stats.splits.values())).shards
    pictures = write_pictures(staging, shards, tree)
    write_text_atomic(staging / "croissant.json", croissant_json(card, tree, stats))
    write_text_atomic(staging / "README.md", render_readme(card, tree, stats, pictures))


def _plan(
    card: Card, tree: LabelTree, splits: Mapping[str, Rows], shard_size_bytes: int
) -> tuple[list[Shard], int]:
    if card.levels != tree.levels:
        raise CairnError(
            f"card {card.name!r} has the levels {', '.join(card.levels)}, its tree {', '.join(tree.levels)}"
        )
    unknown = {split for p in card.protocols for split in (p.query, p.gallery)} - set(splits)
    if unknown:
        raise CairnError(
            f"card {card.name!r}: a protocol names {sorted(unknown)}; splits: {', '.join(splits)}"
        )
    if shard_size_bytes < 1:
        raise CairnError(f"shard_size_bytes is {shard_size_bytes}; it must be positive")
    shards: list[Shard] = []
    total_bytes = 0
    for split, rows in splits.items():
        if not split.isidentifier():
            raise CairnError(f"split {split!r}: a split's name has letters, digits and _ only")
        sizes_bytes = rows.sizes_bytes
        if not len(sizes_bytes):
            raise CairnError(
                f"split {split!r} of {card.name!r} has no image; leave it out or check the index"
            )
        shards += plan_shards(split, sizes_bytes, shard_size_bytes)
        total_bytes += int(sum(sizes_bytes))
    return shards, total_bytes


def _plan_hash(
    card: Card, tree: LabelTree, splits: Mapping[str, Rows], shards: list[Shard], rows_per_group: int
) -> str:
    """Equal for two runs exactly if a shard of the one may serve the other."""
    content = {
        "layout": [_LAYOUT, rows_per_group, pa.__version__, datasets.__version__],
        "columns": [tree.fingerprint, sorted(card.attribution)],
        "rows": {split: rows.fingerprint for split, rows in splits.items()},
        "shards": [asdict(shard) for shard in shards],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _open_staging(staging: Path, plan_hash: str) -> None:
    """Continue what a killed run of the same plan left, or begin anew."""
    plan = staging / "plan"
    if not plan.exists() or plan.read_text() != plan_hash:
        shutil.rmtree(staging, ignore_errors=True)
    remove_leftovers(staging)
    for name in ("data", "markers"):
        (staging / name).mkdir(parents=True, exist_ok=True)
    for name in ("tree", "assets"):
        shutil.rmtree(staging / name, ignore_errors=True)
        (staging / name).mkdir()
    write_text_atomic(plan, plan_hash)


def _check_space(staging: Path, total_bytes: int) -> None:
    present = sum(file.stat().st_size for file in (staging / "data").iterdir())
    free = shutil.disk_usage(staging).free
    if total_bytes - present > free:
        raise OSError(errno.ENOSPC, "not enough space")


def _fill(rows: Rows, shard: Shard, table: ImageTable, staging: Path, rows_per_group: int) -> _Written:
    marker = staging / "markers" / f"{shard.stem}.json"
    if marker.exists():
        done = _Written.load(marker)
        path = staging / done.file.path
        if path.exists() and sha256_of(path) == done.file.sha256:
            return done
    file, leaves = write_shard(rows, shard, table, staging / "data", rows_per_group)
    found = _Written(file, int((leaves < 0).sum()), tuple(np.unique(leaves[leaves >= 0]).tolist()))
    write_text_atomic(marker, json.dumps(asdict(found)))
    return found


def _write_tree(tree: LabelTree, staging: Path) -> dict[str, ShardFile]:
    tree.save(staging / "tree.json")
    return {
        config: write_tree_table(frame, config, staging / "tree")
        for config, frame in tree_tables(tree).items()
    }


def _stats(
    tree: LabelTree,
    shards: list[Shard],
    written: list[_Written],
    quarantine: Mapping[str, int],
    tables: dict[str, ShardFile],
) -> Stats:
    splits = {}
    for split in dict.fromkeys(shard.split for shard in shards):
        parts = [part for shard, part in zip(shards, written, strict=True) if shard.split == split]
        files = tuple(part.file for part in parts)
        leaves = np.unique(np.concatenate([np.array(part.leaves, dtype=np.int64) for part in parts]))
        unlabelled = sum(part.n_unlabelled for part in parts)
        n_images = sum(file.n_rows for file in files)
        splits[split] = SplitStats(n_images, unlabelled, _n_labels(tree, leaves), files)
    return Stats(
        fingerprint=data_fingerprint(tree, splits, tables),
        tree_fingerprint=tree.fingerprint,
        n_names={level: len(names) for level, names in zip(tree.levels, tree.names, strict=True)},
        splits=splits,
        tables=tables,
        quarantine=dict(sorted(quarantine.items())),
    )


def _n_labels(tree: LabelTree, leaves: npt.NDArray[np.int64]) -> dict[str, int]:
    codes = tree.codes[leaves]
    return {level: len(np.unique(codes[:, rank])) for rank, level in enumerate(tree.levels)}


def _switch(staging: Path, folder: Path) -> None:
    """Put the finished folder in its place; killed in between, the next run does it again."""
    retired = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(retired, ignore_errors=True)
    shutil.rmtree(staging / "markers")
    if folder.exists():
        folder.rename(retired)
    (staging / "plan").unlink()
    staging.rename(folder)
    shutil.rmtree(retired, ignore_errors=True)
