"""All pairs of images of a dataset that are the same, as a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from cairnhub.datasets_hub.schema import table_features

IDENTICAL, ALIKE = "identical", "alike"
SCHEMA: pa.Schema = table_features("duplicates").arrow_schema.remove_metadata()
"""Of `duplicates`: `kind` is `identical` (the same bytes) or `alike` (hashes differ in `distance` of 64 bits);
`conflicting`: both have a label, on the finest level, and not the same. A label is null where an image has none."""


def identical_pairs(digests: npt.NDArray[Any], leaves: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """One image of each content that occurs twice, paired with each of the others, by their positions.

    Args:
        digests: equal for equal bytes, (N,).
        leaves: leaf index, -1 without a label, (N,). The first labelled image stands for its content, so that a second
            label of it shows in a pair.
    """
    labelled_first = np.argsort(leaves < 0, kind="stable")
    _, first, inverse = np.unique(digests[labelled_first], return_index=True, return_inverse=True)
    of_each = np.empty(len(digests), np.int64)
    of_each[labelled_first] = labelled_first[first[inverse]]
    others = np.flatnonzero(of_each != np.arange(len(digests)))
    return list(zip(of_each[others].tolist(), others.tolist(), strict=True))


def find_identical(digests: npt.NDArray[Any], leaves: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Pairs of rows with the same bytes, as `pairs_of` gives them; arguments as for `identical_pairs`."""
    return pairs_of([(a, b, IDENTICAL, 0) for a, b in identical_pairs(digests, leaves)], leaves)


def pairs_of(rows: Sequence[tuple[int, int, str, int]], leaves: npt.NDArray[np.int64]) -> pd.DataFrame:
    """A table of pairs.

    Args:
        rows: one row, the other, kind and distance of each pair.
        leaves: leaf index, -1 without a label, (N,).

    Returns:
        Columns `a`, `b` (rows, a < b), `kind`, `distance`, `conflicting`; conflicting ones first, then the identical.
    """
    ordered = [(min(one, other), max(one, other), kind, distance) for one, other, kind, distance in rows]
    pairs = pd.DataFrame(ordered, columns=["a", "b", "kind", "distance"])
    a, b = (leaves[pairs[side].to_numpy(np.int64)] for side in ("a", "b"))
    pairs["conflicting"] = (a != b) & (a >= 0) & (b >= 0)
    order = ["conflicting", "kind", "a", "b"]
    return pairs.sort_values(order, ascending=[False, False, True, True], ignore_index=True)


def named(
    pairs: pd.DataFrame,
    ids: pa.Array,
    splits: "Sequence[str] | npt.NDArray[np.object_]",
    labels: "Sequence[str | None] | npt.NDArray[np.object_]",
) -> pa.Table:
    """The pairs with ids, splits and labels of both images, by `SCHEMA`.

    Args:
        pairs: as `pairs_of` gives them.
        ids: of all images, (N,).
        splits: of all images, (N,).
        labels: names on the finest level, (N,); None without a label.
    """
    columns = {}
    for side in ("a", "b"):
        rows = pairs[side].to_numpy(np.int64)
        columns[f"image_id_{side}"] = ids.take(pa.array(rows)).cast(pa.string())
        columns[f"split_{side}"] = pa.array(np.asarray(splits, object)[rows], pa.string())
        columns[f"label_{side}"] = pa.array(np.asarray(labels, object)[rows], pa.string())
    columns |= {name: pa.array(pairs[name]) for name in ("kind", "distance", "conflicting")}
    return pa.table({name: columns[name] for name in SCHEMA.names}, SCHEMA)
