"""All pairs of images of a dataset that are the same, as a table."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from cairnhub.datasets_hub.duplicates import Bits, Layouts, identical_pairs, near_pairs

IDENTICAL, ALIKE = "identical", "alike"
MAX_ALIKE = 1_000_000
"""More pairs of look-alikes than a table is for: those of a placeholder picture, say."""
SCHEMA = pa.schema(
    [
        *((f"{what}_a", pa.string()) for what in ("image_id", "split", "label")),
        *((f"{what}_b", pa.string()) for what in ("image_id", "split", "label")),
        ("kind", pa.string()),
        ("distance", pa.int64()),
        ("conflicting", pa.bool_()),
    ]
)
"""Of `duplicates`: `kind` is `identical` (the same bytes) or `alike` (hashes differ in `distance` of 64 bits);
`conflicting`: both have a label, on the finest level, and not the same. A label is null where an image has none."""


def find_identical(digests: npt.NDArray[np.bytes_], leaves: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Those of `find_duplicates` that have the same bytes."""
    return _pairs([(a, b, IDENTICAL, 0) for a, b in identical_pairs(digests, leaves)], leaves)


def find_duplicates(
    digests: npt.NDArray[np.bytes_], gradients: Bits, layouts: Layouts, leaves: npt.NDArray[np.int64]
) -> pd.DataFrame:
    """Pairs of rows; of each content one image, a labelled one if any is, stands for the others.

    Args:
        digests: of the bytes, (N,).
        gradients: see `Look`, (N,).
        layouts: see `Look`, (N, 48).
        leaves: leaf index, -1 without a label, (N,).

    Returns:
        Columns `a`, `b` (rows, a < b), `kind`, `distance`, `conflicting`; conflicting ones first, then the identical.
    """
    same = identical_pairs(digests, leaves)
    alone = gradients.copy()
    alone[[other for _, other in same]] = 0
    near = near_pairs(alone, layouts, MAX_ALIKE)
    rows = [(a, b, IDENTICAL, 0) for a, b in same]
    return _pairs([*rows, *((pair.first, pair.second, ALIKE, pair.distance) for pair in near)], leaves)


def _pairs(rows: Sequence[tuple[int, int, str, int]], leaves: npt.NDArray[np.int64]) -> pd.DataFrame:
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
        pairs: as `find_duplicates` gives them.
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
