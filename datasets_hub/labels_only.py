"""The edition of a dataset that may travel where its images may not: labels, splits, attribution."""

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.core.files import write_text_atomic
from cairnhub.datasets_hub.croissant import croissant_json
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.datasets_hub.parquet_files import open_parquet, require_bounded
from cairnhub.datasets_hub.readme import render_readme
from cairnhub.datasets_hub.schema import shard_features, tree_tables
from cairnhub.datasets_hub.shards import HashedFile, finish, parquet_options
from cairnhub.datasets_hub.stats import ShardFile, SplitStats, Stats, data_fingerprint
from cairnhub.datasets_hub.tables import write_table


def write_labels_only(dataset: PublishedDataset, folder: Path) -> Stats:
    """Write a dataset again without a single image; `path` says which image of the source a row is.

    Args:
        dataset: a dataset on this machine.
        folder: an empty folder.
    """
    tree = dataset.tree()
    schema = shard_features(tree.levels, dataset.card.texts, with_images=False).arrow_schema
    for name in ("data", "tree"):
        (folder / name).mkdir(parents=True)
    splits: dict[str, SplitStats] = {}
    for name, split in dataset.stats.splits.items():
        shards = tuple(_without_images(dataset, shard, schema, folder / "data") for shard in split.shards)
        splits[name] = replace(split, shards=shards)
    tables = {name: write_table(frame, name, folder / "tree") for name, frame in tree_tables(tree).items()}
    tables |= {
        name: _copied(dataset, file, folder)
        for name, file in dataset.stats.tables.items()
        if name not in tables
    }
    fingerprint = data_fingerprint(tree, splits, tables)
    stats = replace(dataset.stats, splits=splits, tables=tables, fingerprint=fingerprint, with_images=False)
    tree.save(folder / "tree.json")
    stats.save(folder / "stats.json")
    write_text_atomic(folder / "croissant.json", croissant_json(dataset.card, tree, stats))
    write_text_atomic(folder / "README.md", render_readme(dataset.card, tree, stats))
    return stats


def _copied(dataset: PublishedDataset, file: ShardFile, folder: Path) -> ShardFile:
    copy = folder / file.path
    copy.parent.mkdir(exist_ok=True)
    shutil.copyfile(dataset.location.file(file.path), copy)
    return file


def _without_images(
    dataset: PublishedDataset, shard: ShardFile, schema: pa.Schema, folder: Path
) -> ShardFile:
    columns = ["image.path", *schema.names[1:]]
    origin = dataset.location.file(shard.path)
    require_bounded([origin], columns)
    with open_parquet(origin) as source:
        table = source.read(columns=columns)
    paths = pa.chunked_array([chunk.field("path") for chunk in table["image"].chunks], pa.string())
    flat = pa.Table.from_arrays([paths, *(table[name] for name in schema.names[1:])], schema=schema)
    stem = Path(shard.path).stem.rsplit("-", 1)[0]
    partial = folder / f".{stem}.tmp"
    with partial.open("wb") as raw:
        file = HashedFile(raw)
        pq.write_table(flat, file, **parquet_options(schema))
    return finish(partial, stem, file, flat.num_rows, 0)
