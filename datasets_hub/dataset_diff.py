"""What changed between two published datasets: images and labels, per level."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from cairnhub.core.errors import BrokenData, printable
from cairnhub.datasets_hub.filesystems import filesystem_of
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.datasets_hub.parquet_files import read_parquet
from cairnhub.datasets_hub.schema import class_indices
from cairnhub.datasets_hub.storage_errors import explained
from cairnhub.hierarchies.label_tree.tree import LabelTree

_N_EXAMPLES = 5


@dataclass(frozen=True)
class Change:
    """How many things changed in one way, with the first examples."""

    kind: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        more = "; ..." if self.count > len(self.examples) else ""
        return printable(f"{self.kind}: {self.count:,} ({'; '.join(self.examples)}{more})")


@dataclass(frozen=True)
class Difference:
    """The changes from one dataset to another; only those that happened are listed."""

    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        return "\n".join(str(change) for change in self.changes) or "no difference"


def diff_datasets(
    before: str | Path,
    after: str | Path,
    *,
    scale: str | None = None,
    revision_before: str | None = None,
    revision_after: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> Difference:
    """Compare two datasets, or two versions of one; names, folders and URIs as for `load_dataset`.

    Raises:
        NotFound: one of them is not there.
    """
    old = describe(before, scale=scale, revision=revision_before, hub=hub, storage_options=storage_options)
    new = describe(after, scale=scale, revision=revision_after, hub=hub, storage_options=storage_options)
    return difference(old, new)


def difference(old: PublishedDataset, new: PublishedDataset) -> Difference:
    """Compare two datasets: ids, splits and label columns are read, images are not.

    A label all of whose images carry another, new name in the other dataset was renamed. Where ids, splits and labels
    are the same, files with other bytes are named: a picture was replaced, say.
    """
    trees = old.tree(), new.tree()
    levels = [level for level in trees[0].levels if level in trees[1].levels]
    before, after = _image_table(old, trees[0]), _image_table(new, trees[1])
    renames = {level: _renames(level, before, after, trees) for level in levels}
    labels = _compare_labels(*trees, levels, renames)
    changes = [*_compare_levels(*trees), *labels, *_compare_images(before, after, renames)]
    found = [change for change in changes if change.count] or [_compare_files(old, new)]
    return Difference(tuple(change for change in found if change.count))


def _change(kind: str, examples: Iterable[str]) -> Change:
    listed = list(examples)
    return Change(kind, len(listed), tuple(listed[:_N_EXAMPLES]))


def _compare_levels(old: LabelTree, new: LabelTree) -> list[Change]:
    return [
        _change("levels added", (level for level in new.levels if level not in old.levels)),
        _change("levels removed", (level for level in old.levels if level not in new.levels)),
    ]


def _renames(
    level: str, before: pd.DataFrame, after: pd.DataFrame, trees: tuple[LabelTree, LabelTree]
) -> dict[str, str]:
    """Old name -> new name."""
    known = [set(tree.at_level(level)) for tree in trees]
    both = before.index.intersection(after.index, sort=False)
    columns = {"old": before.loc[both, level].astype(object), "new": after.loc[both, level].astype(object)}
    pairs = pd.DataFrame(columns).drop_duplicates()
    alone = ~pairs["old"].duplicated(keep=False) & ~pairs["new"].duplicated(keep=False)
    is_rename = alone & pairs["old"].isin(known[0] - known[1]) & pairs["new"].isin(known[1] - known[0])
    return dict(pairs[is_rename].sort_values("old").itertuples(index=False))


def _compare_labels(
    old: LabelTree, new: LabelTree, levels: list[str], renames: Mapping[str, Mapping[str, str]]
) -> list[Change]:
    changes = []
    for level in levels:
        above = old.levels[old.levels.index(level) + 1 :][:1]
        of_parents = renames.get(above[0], {}) if above else {}
        before = {
            renames[level].get(name, name): of_parents.get(parent, parent)
            for name, parent in _parents(old, level).items()
        }
        after = _parents(new, level)
        moved = [name for name in before if name in after and before[name] != after[name]]
        changes += [
            _change(f"{level} labels renamed", (f"{a} -> {b}" for a, b in renames[level].items())),
            _change(f"{level} labels added", (name for name in after if name not in before)),
            _change(f"{level} labels removed", (name for name in before if name not in after)),
            _change(f"{level} labels moved", (f"{name}: {before[name]} -> {after[name]}" for name in moved)),
        ]
    return changes


def _parents(tree: LabelTree, level: str) -> dict[str, str]:
    rank = tree.levels.index(level)
    if rank == len(tree.levels) - 1:
        return dict.fromkeys(tree.names[rank], tree.root)
    above = tree.names[rank + 1]
    return {name: above[code] for name, code in zip(tree.names[rank], tree.parents[rank], strict=True)}


def _compare_images(
    old: pd.DataFrame, new: pd.DataFrame, renames: Mapping[str, Mapping[str, str]]
) -> list[Change]:
    both = old.index.intersection(new.index, sort=False)
    before, after = old.loc[both], new.loc[both]

    def differing(column: str) -> Change:
        first, second = before[column].astype(object), after[column].astype(object)
        renamed = first.map(renames.get(column, {}))
        first = first.where(renamed.isna(), renamed)
        changed = both[(first != second) & ~(first.isna() & second.isna())]
        kind = "images moved to another split" if column == "split" else f"images with another {column}"
        moves = zip(changed, first[changed], second[changed], strict=True)
        return _change(
            kind, (f"{image_id}: {old_name} -> {new_name}" for image_id, old_name, new_name in moves)
        )

    return [
        _change("images added", new.index.difference(old.index)),
        _change("images removed", old.index.difference(new.index)),
        differing("split"),
        *map(differing, renames),
    ]


def _compare_files(old: PublishedDataset, new: PublishedDataset) -> Change:
    """Shards of `new` that `old` has not; a shard's name carries the hash of its bytes."""
    known = {shard.sha256 for stats in old.stats.splits.values() for shard in stats.shards}
    shards = (shard for stats in new.stats.splits.values() for shard in stats.shards)
    kind = "files with other pictures, other kept columns, or written otherwise"
    return _change(kind, (shard.path for shard in shards if shard.sha256 not in known))


def _image_table(dataset: PublishedDataset, tree: LabelTree) -> pd.DataFrame:
    """One row per image id: its split and its name on every level."""
    parts = []
    for split, stats in dataset.stats.splits.items():
        for shard in stats.shards:
            table = _read_columns(dataset, shard.path, ["image_id", *tree.levels])
            codes = _class_codes(dataset, tree, table)
            columns: dict[str, object] = {"image_id": table["image_id"].to_pylist(), "split": split}
            for rank, level in enumerate(tree.levels):
                columns[level] = pd.Categorical.from_codes(codes[:, rank], pd.Index(tree.names[rank]))
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts).drop_duplicates("image_id").set_index("image_id")


def _class_codes(dataset: PublishedDataset, tree: LabelTree, table: pa.Table) -> npt.NDArray[np.int64]:
    """Class indices (rows, levels), of earlier schemas too: nodes are numbered level by level from the root."""
    codes, sizes = class_indices(table, tree.levels), [len(names) for names in tree.names]
    for rank, level in enumerate(tree.levels):
        if level in dataset.stats.node_id_levels:
            codes[:, rank] = np.where(codes[:, rank] < 0, -1, codes[:, rank] - 1 - sum(sizes[rank + 1 :]))
    return codes


def _read_columns(dataset: PublishedDataset, path: str, columns: list[str]) -> pa.Table:
    uri = dataset.location.file(path)
    with explained(dataset.location.uri):
        filesystem, where = filesystem_of(uri, **dataset.location.options)
        with filesystem.open(where, "rb") as file:
            try:
                return read_parquet([file], columns)
            except (pa.ArrowException, OSError) as error:
                if (
                    isinstance(error, pa.ArrowException) or error.errno is None
                ):  # not of the disk or the network
                    raise BrokenData(f"{uri}: not the Parquet file that was published ({error})") from None
                raise
