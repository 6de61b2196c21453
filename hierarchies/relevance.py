"""Graded relevance of gallery items from how deep their labels match the query's."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from cairnhub.core.errors import BadInput

FloatArray = npt.NDArray[np.float64]


def relevance(
    match_depth: npt.ArrayLike,
    n_levels: int,
    alpha: float = 1.0,
    kind: Literal["depth", "map"] = "depth",
    weights: Sequence[float] | None = None,
) -> FloatArray:
    """Relevance of gallery items for H-AP (HAPPIER, Ramzi et al., ECCV 2022).

    `depth`: `rel(j) = (m_j / L)^alpha / n(m_j)`, where `n(l)` counts the gallery items at exactly depth l:
    each depth shares out one weight among its items. `map`: `rel(j) = sum over p = 1 .. m_j of w_p / N_p`,
    where `N_p` counts the items at depth p or deeper: H-AP is then the mean of the levels' average precisions
    with weights w.

    Args:
        match_depth: 0..L per gallery item, shape (..., n_gallery), without the query itself; counts run over
            the last axis. `LabelTree.match_depth` gives it.
        n_levels: L.
        alpha: above 1 favours deep matches; only for `depth`.
        kind: which of the two.
        weights: for `map`, one per level from the coarsest (p = 1) to the finest, scaled to sum 1; by default
            equal.

    Returns:
        Relevances >= 0, 0 at depth 0, of the same shape.

    Raises:
        CairnError: depths outside 0..L, or weights that do not fit.
    """
    depths = np.asarray(match_depth)
    if not np.issubdtype(depths.dtype, np.integer) or n_levels < 1:
        raise BadInput(f"match depths must be integers and levels >= 1, not {depths.dtype} and {n_levels}")
    if depths.size and (depths.min() < 0 or depths.max() > n_levels):
        raise BadInput(f"match depths run from 0 to {n_levels}; found {depths.min()}..{depths.max()}")
    share = _map_weights(weights, n_levels)
    result = np.zeros(depths.shape, dtype=np.float64)
    for depth in range(1, n_levels + 1):
        among = depths == depth if kind == "depth" else depths >= depth
        weight = (depth / n_levels) ** alpha if kind == "depth" else share[depth - 1]
        result += among * (weight / np.maximum(among.sum(axis=-1, keepdims=True), 1))
    return result


def _map_weights(weights: Sequence[float] | None, n_levels: int) -> FloatArray:
    share = np.ones(n_levels) if weights is None else np.asarray(weights, dtype=np.float64)
    if share.shape != (n_levels,) or not np.isfinite(share).all() or share.min() < 0 or share.sum() <= 0:
        raise BadInput(f"weights must be {n_levels} finite numbers >= 0, not all 0")
    return np.asarray(share / share.sum())
