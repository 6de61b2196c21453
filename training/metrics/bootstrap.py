"""How far a metric may be trusted: bootstrap intervals over queries."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cairnhub.training.metrics.keys import Interval

Key = TypeVar("Key", bound=Hashable)
N_RESAMPLES = 1000


def bootstrap_intervals(
    per_query: Mapping[Key, NDArray[np.float64]], coverage: float = 0.95, seed: int = 0
) -> dict[Key, Interval]:
    """Percentile intervals of means over queries (Efron, 1979).

    Args:
        per_query: metrics by key, (Q,) each; NaN where a query does not count. All are resampled alike.
        coverage: of the interval, 0..1.
        seed: of the resamples.

    Returns:
        By key; NaN for a metric without queries.

    Example:
        >>> import numpy as np
        >>> bootstrap_intervals({"ap": np.full(50, 0.5)})
        {'ap': Interval(low=0.5, high=0.5)}
    """
    values = np.column_stack(list(per_query.values()))
    counts_here = ~np.isnan(values)
    sums = np.hstack([np.nan_to_num(values), counts_here])
    n_queries, n_metrics = values.shape
    rng = np.random.default_rng(seed)
    means = np.empty((N_RESAMPLES, n_metrics))
    for row in means:
        times_drawn = np.bincount(rng.integers(n_queries, size=n_queries), minlength=n_queries)
        total, n_drawn = np.split(times_drawn @ sums, 2)
        row[:] = np.divide(total, n_drawn, out=np.full(n_metrics, np.nan), where=n_drawn > 0)
    tail = 100 * (1 - coverage) / 2
    ends = np.full((2, n_metrics), np.nan)
    is_counted = counts_here.any(axis=0)
    ends[:, is_counted] = np.nanpercentile(means[:, is_counted], [tail, 100 - tail], axis=0)
    return {key: Interval(float(low), float(high)) for key, low, high in zip(per_query, *ends, strict=True)}
