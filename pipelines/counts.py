"""How many published images show each label."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from datasets_hub import describe
from datasets_hub.schema import first_node_id, is_class_label


def images_per_leaf(name_or_uri: str | Path, scale: str = "sample") -> dict[str, int]:
    """Images of all splits per leaf of the tree; only the column of the finest level is read."""
    found = describe(name_or_uri, scale)
    tree = found.tree()
    finest = tree.levels[0]
    names = tree.leaves
    first = 0 if is_class_label(tree, finest) else first_node_id(tree, finest)
    counts = np.zeros(len(names), dtype=np.int64)
    for uri in (uri for files in found.data_files["default"].values() for uri in files):
        filesystem, path = url_to_fs(uri, **found.location.options)
        column = pq.read_table(path, columns=[finest], filesystem=filesystem)[finest].drop_null()
        counts += np.bincount(column.to_numpy() - first, minlength=len(names))
    return dict(zip(names, counts.tolist(), strict=True))
