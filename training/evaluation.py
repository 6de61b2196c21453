"""Measure the ranking of an embedded protocol, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.metrics.bootstrap import bootstrap_intervals
from cairnhub.training.metrics.curves import precision_recall
from cairnhub.training.metrics.keys import H_AP, H_AP_PUBLISHED, ByMetric, Interval, MetricKey
from cairnhub.training.metrics.retrieval import retrieval_metrics

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ProtocolMetrics:
    """One protocol's result.

    Attributes:
        values: every metric that `retrieval_metrics` gives.
        intervals: 95 % intervals over queries, of both H-APs and of each level's AP and R@1.
        per_query: every metric of every query, (Q,); NaN where a query does not count.
        levels: those measured, fine -> coarse.
        notes: sentences that a reader of the values needs.
    """

    values: ByMetric[float]
    intervals: ByMetric[Interval]
    per_query: ByMetric[npt.NDArray[np.float64]]
    levels: tuple[str, ...]
    notes: tuple[str, ...] = ()


def evaluate(
    query: EmbeddedSplit,
    gallery: EmbeddedSplit | None,
    tree_levels: Sequence[str],
    levels: Sequence[str] = (),
    *,
    ks: Sequence[int] = (1, 10, 100),
    self_index: IntArray | None = None,
) -> ProtocolMetrics:
    """Exact metrics of images that share labels, with intervals.

    Args:
        query: what searches.
        gallery: what is searched; without one, each query ranks the other queries.
        tree_levels: names of the label columns, fine -> coarse.
        levels: those to measure; all by default.
        ks: cut-offs; 1 is always one.
        self_index: index in the gallery of each query itself, -1 where it is not there, (Q,): it is taken out.
    """
    measured = tuple(levels) or tuple(tree_levels)
    metrics = retrieval_metrics(
        *_tensors(query, gallery, tree_levels, measured),
        levels=measured,
        ks=sorted({1, *ks}),
        exclude_self=self_index,
    )
    intervals = bootstrap_intervals({key: metrics.per_query[key] for key in headlines(measured)})
    return ProtocolMetrics(metrics.values, ByMetric(intervals), metrics.per_query, measured)


def headlines(levels: Sequence[str]) -> list[MetricKey]:
    """What tables show: both H-APs, then AP and R@1 per level."""
    return [
        H_AP,
        H_AP_PUBLISHED,
        *(MetricKey("ap", level) for level in levels),
        *(MetricKey("r_at", level, 1) for level in levels),
    ]


def precision_recall_curves(
    query: EmbeddedSplit,
    gallery: EmbeddedSplit | None,
    tree_levels: Sequence[str],
    levels: Sequence[str] = (),
    self_index: IntArray | None = None,
) -> dict[str, npt.NDArray[np.float64]]:
    """Precision at `RECALLS`, by level; arguments as for `evaluate`."""
    measured = tuple(levels) or tuple(tree_levels)
    sides = _tensors(query, gallery, tree_levels, measured)
    own = None if self_index is None else torch.from_numpy(self_index)
    return precision_recall(*sides, levels=measured, self_index=own)


def group_means(
    groups: Mapping[str, str | None], measured: Mapping[str, ProtocolMetrics]
) -> dict[str, ByMetric[float]]:
    """Each group's metrics averaged over levels, and these over its protocols, as DyML's `overall` is.

    Args:
        groups: the group of each protocol, None for none.
        measured: what was measured, by protocol.
    """
    members: dict[str, list[ByMetric[float]]] = {}
    for name, group in groups.items():
        if group is not None:
            members.setdefault(group, []).append(measured[name].values)
    return {group: _means(each) for group, each in members.items()}


def _means(each: Sequence[ByMetric[float]]) -> ByMetric[float]:
    """The mean of what all of them have over their levels."""
    shared = [key for key in each[0] if _is_mean(key) and all(key in values for values in each)]
    return ByMetric({key: float(np.mean([values[key] for values in each])) for key in shared})


def _is_mean(key: MetricKey) -> bool:
    return key.level is None and key.name.startswith("mean_")


def _tensors(
    query: EmbeddedSplit, gallery: EmbeddedSplit | None, tree_levels: Sequence[str], levels: Sequence[str]
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Embeddings and the labels of some levels, of both sides."""
    columns = [list(tree_levels).index(level) for level in levels]
    labels = torch.from_numpy(query.labels[:, columns])
    if gallery is None:
        return query.embeddings, labels, None, None
    return query.embeddings, labels, gallery.embeddings, torch.from_numpy(gallery.labels[:, columns])
