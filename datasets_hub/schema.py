"""Columns of a published dataset, and how a leaf becomes a value on every level."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.level_names import check_level_names
from cairnhub.hierarchies.label_tree.tree import LabelTree

if TYPE_CHECKING:
    from datasets import Features
    from pyarrow import Table

# The names of a ClassLabel stand in every shard and in the README: 81,313 names would add 14.8 MB to each.
MAX_CLASS_LABEL_NAMES = 500


def is_class_label(tree: LabelTree, level: str) -> bool:
    """Whether a level is published as ClassLabel (class index); else as the node id that joins `nodes`."""
    return len(tree.at_level(level)) <= MAX_CLASS_LABEL_NAMES


def image_features(tree: LabelTree, texts: Sequence[str] = (), with_images: bool = True) -> "Features":
    """Features of the image table: `image`, `image_id`, one column per level fine -> coarse, columns of text.

    Args:
        tree: the label tree.
        texts: `Card.texts`.
        with_images: False for the edition that may travel where images may not: `path` in place of `image`.

    Raises:
        CairnError: a level cannot be the name of a column, or a column of text has the name of another.
    """
    from datasets import ClassLabel, Features, Image, Value

    check_level_names(tree.levels)
    taken = {"image", "path", "image_id", *tree.levels}
    if clash := [name for place, name in enumerate(texts) if name in taken or name in texts[:place]]:
        raise BadInput(f"two columns would be called {clash[0]!r}; rename one")
    labels = {
        level: ClassLabel(names=tree.at_level(level)) if is_class_label(tree, level) else Value("int64")
        for level in tree.levels
    }
    behind = {name: Value("string") for name in texts}
    first = {"image": Image()} if with_images else {"path": Value("string")}
    return Features({**first, "image_id": Value("string"), **labels, **behind})


def table_features(config: str) -> "Features":
    """Features of a table beside the images: config `nodes`, `edges` or `quarantine`."""
    from datasets import Features, Value

    integer, text = Value("int64"), Value("string")
    if config == "edges":
        return Features({"child_id": integer, "parent_id": integer})
    if config == "quarantine":
        return Features({"image_id": text, "split": text, "path": text, "reason": text})
    return Features(
        {
            "node_id": integer,
            "level": text,
            "depth": integer,
            "name": text,
            "class_index": integer,
            "parent_id": integer,
        }
    )


def first_node_id(tree: LabelTree, level: str) -> int:
    """Node id of the first name of a level: the root is 0, then the levels from coarse to fine."""
    coarser = tree.names[tree.levels.index(level) + 1 :]
    return 1 + sum(len(names) for names in coarser)


def label_values(tree: LabelTree) -> npt.NDArray[np.int64]:
    """What the level columns hold per leaf, shape (n_leaves, L): class index, or node id on large levels."""
    values = tree.codes.copy()
    for rank, level in enumerate(tree.levels):
        if not is_class_label(tree, level):
            values[:, rank] += first_node_id(tree, level)
    return values


def tree_tables(tree: LabelTree) -> dict[str, pd.DataFrame]:
    """The tree as the tables of the configs `nodes` and `edges`."""
    return {"nodes": tree.nodes(), "edges": tree.edges()}


def class_indices(table: "Table", tree: LabelTree) -> npt.NDArray[np.int64]:
    """What `label_array` gives, from a table with all level columns."""
    columns = []
    for level in tree.levels:
        column = table[level].fill_null(-1).to_numpy()
        start = 0 if is_class_label(tree, level) else first_node_id(tree, level)
        columns.append(np.where(column < 0, -1, column - start))
    return np.stack(columns, axis=1).astype(np.int64)
