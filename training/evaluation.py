"""Measure the ranking of an embedded protocol, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.metrics.bootstrap import bootstrap_intervals
from cairnhub.training.metrics.curves import precision_recall
from cairnhub.training.metrics.keys import H_AP, ByMetric, Interval, MetricKey
from cairnhub.training.metrics.retrieval import retrieval_metrics


@dataclass(frozen=True)
class ProtocolMetrics:
    """One protocol's result.

    Attributes:
        values: every metric that `retrieval_metrics` gives.
        intervals: 95 % intervals over queries, of H-AP and of each level's AP and R@1.
        per_query: every metric of every query, (Q,); NaN where a query does not count.
        levels: those measured, fine -> coarse.
    """

    values: ByMetric[float]
    intervals: ByMetric[Interval]
    per_query: ByMetric[npt.NDArray[np.float64]]
    levels: tuple[str, ...]


def evaluate(
    query: EmbeddedSplit,
    gallery: EmbeddedSplit | None,
    tree_levels: Sequence[str],
    levels: Sequence[str] = (),
) -> ProtocolMetrics:
    """Exact metrics of one protocol, with intervals.

    Args:
        query: what searches.
        gallery: what is searched; without one, each query ranks the other queries.
        tree_levels: names of the label columns, fine -> coarse.
        levels: those to measure; all by default.
    """
    measured = tuple(levels) or tuple(tree_levels)
    metrics = retrieval_metrics(*_tensors(query, gallery, tree_levels, measured), levels=measured)
    intervals = bootstrap_intervals({key: metrics.per_query[key] for key in headlines(measured)})
    return ProtocolMetrics(metrics.values, ByMetric(intervals), metrics.per_query, measured)


def headlines(levels: Sequence[str]) -> list[MetricKey]:
    """What tables show: H-AP, then AP and R@1 per level."""
    return [
        H_AP,
        *(MetricKey("ap", level) for level in levels),
        *(MetricKey("r_at", level, 1) for level in levels),
    ]


def precision_recall_curves(
    query: EmbeddedSplit,
    gallery: EmbeddedSplit | None,
    tree_levels: Sequence[str],
    levels: Sequence[str] = (),
) -> dict[str, npt.NDArray[np.float64]]:
    """Precision at `RECALLS`, by level; arguments as for `evaluate`."""
    measured = tuple(levels) or tuple(tree_levels)
    return precision_recall(*_tensors(query, gallery, tree_levels, measured), levels=measured)


def _tensors(
    query: EmbeddedSplit, gallery: EmbeddedSplit | None, tree_levels: Sequence[str], levels: Sequence[str]
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Embeddings and the labels of some levels, of both sides."""
    columns = [list(tree_levels).index(level) for level in levels]
    labels = torch.from_numpy(query.labels[:, columns])
    if gallery is None:
        return query.embeddings, labels, None, None
    return query.embeddings, labels, gallery.embeddings, torch.from_numpy(gallery.labels[:, columns])
