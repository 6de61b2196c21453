"""What `cairn export-index` does: vectors of a dataset's images as an index of a search engine, ids beside it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.files import replace_folder
from cairnhub.core.text import did_you_mean, quoted
from cairnhub.datasets_hub.export.export_dataset import check_place
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.open_split import PublishedSplits
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.pipelines.image_vectors import ImageEmbedder, View
from cairnhub.pipelines.retrieval_commands import find_model
from cairnhub.pipelines.vector_indexes import WRITERS

RECORD = "cairn_index.json"
"""What an index is of; a folder without it is somebody else's."""


@dataclass(frozen=True)
class ExportedIndex:
    """What was written: where, how many vectors of how many numbers."""

    folder: Path
    n_vectors: int
    n_dimensions: int


def export_index(
    model: str, dataset: str, to: str, folder: Path, scale: str | None = None, splits: Sequence[str] = ()
) -> ExportedIndex:
    """Embed the images of a dataset, or take the vectors that are kept, and write an index and `ids.parquet`.

    Row i of `ids.parquet` is vector i: `image_id`, `split` and the name of its label per level.

    Args:
        model: a folder, or the dataset that the train stage made it for.
        dataset: a published dataset.
        to: one of `WRITERS`.
        folder: where to; an earlier index there is replaced, in one step.
        scale: as for `load_dataset`.
        splits: those to index; all by default.

    Raises:
        NotFound: no such model, dataset or split, or the package of the search engine is missing.
        BadInput: no such search engine, or the folder holds something else.
    """
    if to not in WRITERS:
        raise BadInput(f"no index {to!r}{did_you_mean(to, WRITERS)}; there are {quoted(WRITERS)}")
    write = WRITERS[to]()
    model_folder, scale = find_model(model, scale)
    published = describe(dataset, scale=scale)
    known = published.stats.splits
    if unknown := [name for name in splits if name not in known]:
        raise NotFound(f"no split {unknown[0]!r}{did_you_mean(unknown[0], known)}; there are {quoted(known)}")
    folder = check_place(folder, RECORD, published)
    opened = PublishedSplits(published)
    embedder = ImageEmbedder(model_folder, opened)
    vectors, tables = [], []
    for split in [name for name in known if not splits or name in splits]:
        vectors.append(embedder.embedded(View(split)).embeddings.numpy())
        tables.append(_ids(opened, split, opened.tree))
    together = np.ascontiguousarray(np.concatenate(vectors), dtype=np.float32)
    ids = pa.concat_tables(tables)
    with replace_folder(folder) as partial:
        write(partial, together, ids)
        pq.write_table(ids, partial / "ids.parquet", compression="zstd")
        opened.tree.save(partial / "tree.json")
        record = {
            "index": to,
            "metric": "dot product of unit vectors",
            "dataset": published.card.name,
            "fingerprint": published.stats.fingerprint,
            "recipe": embedder.description.recipe,
            "model_tree_fingerprint": embedder.description.tree_fingerprint,
        }
        (partial / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8", newline="\n")
    return ExportedIndex(folder, *together.shape)


def _ids(opened: PublishedSplits, split: str, tree: LabelTree) -> pa.Table:
    """Id, split and names of a split's images, in their order."""
    columns = opened.columns(split, ["image_id", *tree.levels])
    named = {
        level: pa.array(names, pa.string()).take(columns[level].combine_chunks())
        for level, names in zip(tree.levels, tree.names, strict=True)
    }
    ids = columns["image_id"].combine_chunks()
    return pa.table({"image_id": ids, "split": pa.array([split] * len(ids), pa.string()), **named})
