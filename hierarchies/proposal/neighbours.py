"""The labels most like each label, among all or some of them."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
SingleArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
_FEW_ROWS = 256  # of likenesses with all candidates at once: 100 MB for 100,000 of these
_ROWS, _COLUMNS = 1_024, 4_096  # of the likenesses that are made at once; they fit into a processor's cache
_DECIMALS = 6
_EQUAL = 10**-_DECIMALS  # likenesses that differ by less are equal


def nearest_labels(vectors: FloatArray, n_nearest: int) -> tuple[IntArray, FloatArray]:
    """The rows most like each row, nearest first, and how like they are.

    All are held against all in blocks: columns of the first, a fair sample, give each row a floor that hardly any other
    passes, so that those of the other blocks cost little beside the product. Candidates are found in single precision;
    likeness and order of the nearest are double.

    Args:
        vectors: rows of unit length or zero, (n, d).
        n_nearest: how many are wanted, 2,000 at most.

    Returns:
        Rows and cosines, (n, k) each, where k is `n_nearest` or n - 1 if that is less; of equals the first row first.
    """
    k = min(n_nearest, len(vectors) - 1)
    rows, alike = np.zeros((len(vectors), k), np.int64), np.zeros((len(vectors), k))
    single = vectors.astype(np.float32)
    for start in range(0, len(vectors) if k else 0, _ROWS):
        block = slice(start, start + _ROWS)
        found = _candidates(single, np.arange(len(vectors))[block], k)
        exact = np.matmul(vectors[found], vectors[block, :, None])[:, :, 0]
        order = np.lexsort((found, -exact.round(_DECIMALS)))
        rows[block], alike[block] = (np.take_along_axis(values, order, axis=1) for values in (found, exact))
    return rows, alike


def nearest_among(vectors: FloatArray, among: IntArray, n_nearest: int) -> tuple[IntArray, FloatArray]:
    """As `nearest_labels`, but found among some of the rows only, and never the row itself.

    Args:
        vectors: rows of unit length or zero, (n, d).
        among: rows that may be found, ascending, (m,).
        n_nearest: how many are wanted.

    Returns:
        Rows and cosines, (n, k) each, where k is `n_nearest` or m - 1 if that is less; of equals the first row first.
    """
    k = max(0, min(n_nearest, len(among) - 1))
    rows, alike = np.zeros((len(vectors), k), np.int64), np.zeros((len(vectors), k))
    candidates = vectors[among].astype(np.float32)
    for start in range(0, len(vectors) if k else 0, _FEW_ROWS):
        asked = np.arange(start, min(start + _FEW_ROWS, len(vectors)))
        single = vectors[asked].astype(np.float32) @ candidates.T
        own = np.searchsorted(among, asked).clip(max=len(among) - 1)
        is_among = among[own] == asked
        single[np.flatnonzero(is_among), own[is_among]] = -2
        found = among[_largest(single, k)]
        exact = np.matmul(vectors[found], vectors[asked, :, None])[:, :, 0]
        order = np.lexsort((found, -exact.round(_DECIMALS)))
        rows[asked], alike[asked] = (np.take_along_axis(values, order, axis=1) for values in (found, exact))
    return rows, alike


def _candidates(vectors: SingleArray, asked: IntArray, k: int) -> IntArray:
    """The `k` rows most like each row that is asked about, in any order, (n_asked, k)."""
    n_blocks = -(-len(vectors) // _COLUMNS)
    at, columns, values = [], [], []
    floor: SingleArray | None = None
    for first in range(n_blocks):
        alike = vectors[asked] @ vectors[first::n_blocks].T
        own = np.flatnonzero(asked % n_blocks == first)
        alike[own, asked[own] // n_blocks] = -2
        if floor is None:
            best = _largest(alike, k)
            row, column = np.repeat(np.arange(len(asked)), k), best.reshape(-1)
            floor = np.take_along_axis(alike, best, axis=1).min(axis=1, keepdims=True) + np.float32(_EQUAL)
        else:
            row, column = np.divmod(np.flatnonzero(alike > floor), alike.shape[1])
        at.append(row)
        values.append(alike[row, column])
        columns.append(column * n_blocks + first)
    row, column, value = np.concatenate(at), np.concatenate(columns), np.concatenate(values)
    order = np.lexsort((column, -value.round(_DECIMALS), row))
    firsts = np.searchsorted(row[order], np.arange(len(asked)))
    return np.asarray(column[order][firsts[:, None] + np.arange(k)])


def _largest(alike: SingleArray, k: int) -> IntArray:
    """Columns of the `k` largest of each row, of equals the first, in any order."""
    n = alike.shape[1]
    keys = np.rint(alike / _EQUAL).astype(np.int64) * n - np.arange(n)  # no two are equal
    return np.argpartition(keys, n - k, axis=1)[:, n - k :]
