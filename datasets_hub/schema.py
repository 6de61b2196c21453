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

# A ClassLabel's names stand in the README, once per config: 81,313 names would make it 14.8 MB.
MAX_CLASS_LABEL_NAMES = 500
CONFIGS = ("default", "nodes", "edges", "quarantine", "duplicates")
"""What a published dataset has beside a config per split."""


def image_features(tree: LabelTree, texts: Sequence[str] = (), with_images: bool = True) -> "Features":
    """Features of the image table, as the README gives them: those of `shard_features`, and labels by name.

    Every level holds its class index. A level of at most `MAX_CLASS_LABEL_NAMES` names is a ClassLabel; the names of
    a larger one are those of `nodes`.

    Args:
        tree: the label tree.
        texts: as for `shard_features`, and so `with_images`.
        with_images: see there.

    Raises:
        BadInput: as `shard_features` does.
    """
    from datasets import ClassLabel

    features = shard_features(tree.levels, texts, with_images)
    for level, names in zip(tree.levels, tree.names, strict=True):
        if len(names) <= MAX_CLASS_LABEL_NAMES:
            features[level] = ClassLabel(names=list(names))
    return features


def shard_features(levels: Sequence[str], texts: Sequence[str] = (), with_images: bool = True) -> "Features":
    """Features that a shard carries: `image`, `image_id`, one column per level fine -> coarse, columns of text.

    No label's name is among them, so that a new name changes no shard.

    Args:
        levels: of the label tree.
        texts: `Card.texts`.
        with_images: False for the edition that may travel where images may not: `path` in place of `image`.

    Raises:
        BadInput: a level cannot be the name of a column, or a column of text has the name of another.
    """
    from datasets import Features, Image, Value

    check_level_names(levels)
    taken = {"image", "path", "image_id", *levels}
    if clash := [name for place, name in enumerate(texts) if name in taken or name in texts[:place]]:
        raise BadInput(f"two columns would be called {clash[0]!r}; rename one")
    labels = {level: Value("int64") for level in levels}
    behind = {name: Value("string") for name in texts}
    first = {"image": Image()} if with_images else {"path": Value("string")}
    return Features({**first, "image_id": Value("string"), **labels, **behind})


def table_features(config: str) -> "Features":
    """Features of a table beside the images: config `nodes`, `edges`, `quarantine` or `duplicates`."""
    from datasets import Features, Value

    integer, text = Value("int64"), Value("string")
    if config == "edges":
        return Features({"child_id": integer, "parent_id": integer})
    if config == "duplicates":
        both = {f"{what}_{side}": text for side in "ab" for what in ("image_id", "split", "label")}
        return Features({**both, "kind": text, "distance": integer, "conflicting": Value("bool")})
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


def tree_tables(tree: LabelTree) -> dict[str, pd.DataFrame]:
    """The tree as the tables of the configs `nodes` and `edges`."""
    return {"nodes": tree.nodes(), "edges": tree.edges()}


def class_indices(table: "Table", levels: Sequence[str]) -> npt.NDArray[np.int64]:
    """What `label_array` gives, from a table with all level columns."""
    return np.stack([table[level].fill_null(-1).to_numpy() for level in levels], axis=1).astype(np.int64)
