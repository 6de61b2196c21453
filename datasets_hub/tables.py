"""Tables beside the images, and how labels become columns of the image table."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.datasets_hub.card import Card
from cairnhub.datasets_hub.schema import shard_features, table_features
from cairnhub.datasets_hub.shards import HashedFile, ImageTable, finish
from cairnhub.datasets_hub.stats import ShardFile
from cairnhub.hierarchies.label_tree.tree import LabelTree


def image_table(tree: LabelTree, card: Card) -> ImageTable:
    """How the rows of a dataset with this tree and the card's columns become Arrow."""
    return ImageTable(
        schema=shard_features(tree.levels, card.texts).arrow_schema,
        attribution=[name for name in card.texts if name not in card.columns],
        n_columns=len(card.columns),
        finest=tree.levels[0],
        leaf_index={name: i for i, name in enumerate(tree.names[0])},
        codes=tree.codes,
    )


def write_table(frame: pd.DataFrame, config: str, folder: Path) -> ShardFile:
    """Write the config `nodes`, `edges`, `quarantine` or `duplicates` as one Parquet file, named by its content."""
    table = pa.Table.from_pandas(frame, table_features(config).arrow_schema, preserve_index=False)
    table = table.replace_schema_metadata(table_features(config).arrow_schema.metadata)
    partial = folder / f".{config}.tmp"
    with partial.open("wb") as raw:
        file = HashedFile(raw)
        pq.write_table(table, file, compression="zstd", write_page_index=True)
    return finish(partial, config, file, len(frame), 0)
