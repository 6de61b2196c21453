"""The metrics of a retrieval, in one call."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import (
    INTEGERS,
    Array,
    Batch,
    check_batch,
    check_lengths,
    checked_embeddings,
    depth_relevance,
    warn_not_unit,
)
from cairnhub.training.metrics import ranked_list as measures
from cairnhub.training.metrics.full_ranking import LabelMatches, ListMatches, Search
from cairnhub.training.metrics.keys import H_AP, H_AP_PUBLISHED, ByMetric, MetricKey
from cairnhub.training.metrics.metric_table import as_table
from cairnhub.training.metrics.ranked_list import Hits, RankedList


@dataclass(frozen=True, repr=False)
class RetrievalMetrics:
    """Metrics of a set of queries; printed, a table of the usual ones.

    Attributes:
        values: every metric, its mean over the queries for which it is defined.
        per_query: every metric of every query, (Q,); NaN where the query has no positives.
        n_left_out: queries without positives, by level; None stands for lists of right answers.
    """

    values: ByMetric[float]
    per_query: ByMetric[NDArray[np.float64]]
    n_left_out: dict[str | None, int]

    def __repr__(self) -> str:
        return as_table(self.values, self.n_left_out)


_WHOLE = {
    "ap": Hits.ap,
    "map_at_r": Hits.map_at_r,
    "r_precision": Hits.r_precision,
    "mrr": Hits.reciprocal_rank,
    "asi": Hits.asi,
}
_ZERO_AS_PUBLISHED = (
    "ap",
    "map_at_r",
    "map_at",
    "p_at",
    "r_at",
)  # without positives; others are undefined there too
_SAME = 0.02  # of its length: one picture embedded twice, in half precision or in other batches
_CUT_OFF = {
    "map_at": Hits.map_at,
    "p_at": Hits.precision_at,
    "r_at": Hits.hit_at,
    "recall_at": Hits.recall_at,
}


@dataclass(frozen=True)
class Definition:
    """What is measured; `paper` follows the published code where it is not exact."""

    levels: tuple[str, ...]
    ks: tuple[int, ...]
    alpha: float
    paper: bool
    same_source: bool

    def measure(self, depths: Tensor, counts: Tensor, holds_query: Tensor) -> dict[MetricKey, Tensor]:
        """Every metric of some queries.

        Args:
            depths: match depths in order of rank, (Q, N); the query's own is 0, at the end, unless `paper`.
            counts: items at each depth, (Q, L + 1).
            holds_query: whether the query itself is one of the N items, (Q,).
        """
        if not self.paper:
            return self.measure_ranked(RankedList.of(depths, counts), holds_query, depths.shape[1])
        rel = self._published_relevance(counts)
        depths, lost = (depths[:, 1:], depths[:, 0]) if self.same_source else (depths[:, :-1], depths[:, -1])
        counts = counts - one_hot(lost.long(), len(self.levels) + 1)
        return self._measure(RankedList.of(depths, counts), rel)

    def measure_ranked(
        self, ranked: RankedList, holds_query: Tensor, n_items: int
    ) -> dict[MetricKey, Tensor]:
        """Every exact metric of some queries, and H-AP as published.

        Args:
            ranked: the positives, the query itself taken out.
            holds_query: whether the query itself is one of the N items, (Q,).
            n_items: N.
        """
        metrics = self._measure(ranked, depth_relevance(ranked.counts.double(), self.alpha))
        with_query = ranked.counts.clone()
        with_query[:, -1] += holds_query
        without_last = ranked.without_rank(n_items, ~holds_query)
        rel = self._published_relevance(with_query)
        metrics[H_AP_PUBLISHED] = measures.h_ap(without_last, rel, merge_equal=True)
        return metrics

    def _published_relevance(self, counts: Tensor) -> Tensor:
        """The relevance of each depth (Q, L + 1), whose counts include the query, rounded as published."""
        return depth_relevance(counts.double(), self.alpha).float().double()

    def _measure(self, ranked: RankedList, rel: Tensor) -> dict[MetricKey, Tensor]:
        """Every metric of some queries, with the relevance of each depth, (Q, L + 1)."""
        n_levels = len(self.levels)
        metrics = {
            H_AP: measures.h_ap(ranked, rel, merge_equal=self.paper),
            MetricKey("ndcg"): measures.ndcg(ranked),
            MetricKey("asi"): measures.asi(ranked),
        }
        for k in self.ks:
            metrics[MetricKey("ndcg_at", k=k)] = measures.ndcg(ranked, k, ideal_of_retrieved=self.paper)
        for column, level in enumerate(self.levels):
            hits = ranked.at_least(n_levels - column)
            of_level = _binary_metrics(hits, self.ks, level)
            if self.paper:
                of_level = {
                    key: value.nan_to_num(0.0) if key.name in _ZERO_AS_PUBLISHED else value
                    for key, value in of_level.items()
                }
            metrics |= of_level | {MetricKey("exclusive_ap", level): hits.exclusive_ap()}
        return metrics


def _binary_metrics(hits: Hits, ks: Sequence[int], level: str | None = None) -> dict[MetricKey, Tensor]:
    """Every metric of one level's positives."""
    metrics = {MetricKey(name, level): metric(hits) for name, metric in _WHOLE.items()}
    return metrics | {
        MetricKey(name, level, k): metric(hits, k) for k in ks for name, metric in _CUT_OFF.items()
    }


def retrieval_metrics(
    query: Array,
    query_labels: Array,
    gallery: Array | None = None,
    gallery_labels: Array | None = None,
    *,
    levels: Sequence[str] | None = None,
    ks: Sequence[int] = (1, 10, 100),
    exclude_self: bool | Array | None = None,
    alpha: float = 1.0,
    definition: Literal["exact", "paper"] = "exact",
) -> RetrievalMetrics:
    r"""Rank the gallery for every query by dot product, and score the rankings.

    Rankings are full and exact: higher score first, then lower gallery index. Memory stays bounded whatever
    the sizes.

    .. math::
        AP = \frac{1}{n} \sum_{k \in P} \frac{\#\{j \in P: r_j \le r_k\}}{r_k}, \quad
        mAP@R = \frac{1}{n} \sum_{k \in P, r_k \le n} \frac{\#\{j \in P: r_j \le r_k\}}{r_k}

        mAP@k = \frac{1}{\min(n, k)} \sum_{i \in P, r_i \le k} \frac{\#\{j \in P: r_j \le r_i\}}{r_i}, \quad
        P@k = \frac{\#\{j \in P: r_j \le k\}}{k}, \quad R@k = 1[\min_{j \in P} r_j \le k]

        HAP = \frac{1}{\sum_{k \in P} rel(k)} \sum_{k \in P} \frac{\sum_{r_j \le r_k} \min(rel(j), rel(k))}{r_k}, \quad
        rel(k) = \frac{(m_k / L)^\alpha}{n(m_k)}

        NDCG = \frac{1}{IDCG} \sum_{k \in P} \frac{2^{m_k} - 1}{\log_2(1 + r_k)}, \quad
        ASI = \frac{1}{n} \sum_{i=1}^{n} \frac{|top_i \cap ideal_i|}{i}

    with ranks r from 1, P the n positives (items that match at the level; over all levels, at any), m the match
    depth, n(m) the items at exactly depth m, and ideal the list in order of depth. AP over a level is the usual
    one; mAP@R: Musgrave et al., 2020; mAP@k: GLDv2, Weyand et al., 2020; H-AP: HAPPIER, Ramzi et al., 2022;
    NDCG: Croft et al., 2010; ASI and means over levels: DyML, Sun et al., 2021. ``r_precision`` is P@n, ``mrr`` one
    over the first positive's rank, ``recall_at`` the positives among the first k over min(n, k),
    ``exclusive_ap`` the AP of items that match at this level and no finer one, finer ones taken out.

    Args:
        query: embeddings (Q, d), normally of unit length: a tensor, an array, lists or a data frame; half precision
            is computed in float32, under autocast too.
        query_labels: integers (Q, L), fine -> coarse, or (Q,).
        gallery: what is ranked, (N, d); None ranks the queries themselves.
        gallery_labels: (N, L).
        levels: names of the label columns, fine -> coarse; "level0", "level1", .. where not given.
        ks: cut-offs.
        exclude_self: take the query itself out of its list: True where gallery item i is query i; or, for
            each query, its index in the gallery, -1 for none, (Q,). By default True without a gallery, False
            with one.
        alpha: exponent of H-AP's relevance ``(l / L)^alpha / n(l)``.
        definition: "paper" gives the numbers of the published code where it is not exact: the first ranked
            item is dropped in the place of the query (or the last item of a separate gallery is lost),
            relevances count the query, equal relevances count twice, NDCG@k's ideal holds what was retrieved,
            queries without positives count as 0 for ``ap, map_at_r, map_at, p_at, r_at`` (the published code has NaN
            for the others, and so for their means: here they are left out).

    Returns:
        Values and per-query arrays by `MetricKey`: over all levels ``h_ap, ndcg, asi, ndcg_at`` and, of the exact
        definition, ``h_ap_published``: H-AP as `definition="paper"` gives it, from the same ranking, with the query
        itself dropped where the published code drops the first item; per level ``ap,
        map_at_r, r_precision, mrr, asi, exclusive_ap, map_at, p_at, r_at, recall_at``; those that end in ``_at``
        for each cut-off. Values also hold each of a level's averaged over the levels, as DyML reports them:
        ``mean_ap`` and so on. In words a key is its name, cut-off and level, such as ``r_at_10_genus``, and
        these words find it too.

    Raises:
        CairnError: shapes, types or values of an argument are wrong; the message names it.

    Example:
        >>> import torch
        >>> from cairnhub.training.metrics import retrieval_metrics
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.9, 0.4], [0.0, 1.0]])
        >>> species_and_genus = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])
        >>> result = retrieval_metrics(embeddings, species_and_genus, levels=("species", "genus"), ks=(1,))
        >>> round(result.values["h_ap"], 4), round(result.values["ap_species"], 4), result.n_left_out
        (0.8889, 0.5, {'species': 2, 'genus': 1})
    """
    names = ("query", "query_labels", "gallery", "gallery_labels")
    batch = check_batch(query, query_labels, gallery, gallery_labels, names)
    if not batch.are_unit:
        warn_not_unit()
    self_index = _self_index(exclude_self, batch)
    n_levels = batch.labels.shape[1]
    if levels is not None and len(set(levels)) != n_levels:
        raise BadInput(
            f"levels must be {n_levels} different names, one per column of query_labels, got {levels}"
        )
    check_cut_offs(ks)
    if not (math.isfinite(alpha) and alpha >= 0):
        raise BadInput(f"alpha must be a finite number, 0 or above, got {alpha!r}")
    if definition not in ("exact", "paper"):
        raise BadInput(f"definition must be 'exact' or 'paper', got {definition!r}")
    paper = definition == "paper"
    level_names = tuple(levels or (f"level{i}" for i in range(n_levels)))
    what = Definition(level_names, tuple(ks), alpha, paper, bool((self_index >= 0).any()))
    matches = LabelMatches(batch.labels, batch.item_labels)
    search = Search(batch.embeddings.detach(), batch.items.detach(), matches, self_index)
    holds_query = self_index >= 0
    parts = (
        what.measure(each.depths, each.counts, holds_query[each.rows])
        for each in search.rankings(exclude_self=not paper)
    )
    return summary(parts, len(batch.embeddings), level_names, ks)


def ground_truth_metrics(
    query: Array,
    gallery: Array,
    relevant: Sequence[Sequence[int]],
    *,
    ks: Sequence[int] = (100,),
) -> RetrievalMetrics:
    r"""Score rankings against lists of right answers, as the GLDv2 retrieval task does (Weyand et al., 2020).

    .. math:: mAP@k = \frac{1}{\min(n, k)} \sum_{i \in P, r_i \le k} \frac{\#\{j \in P: r_j \le r_i\}}{r_i}

    with ranks r from 1 and P the n right answers; the other metrics are those of `retrieval_metrics`.

    Args:
        query: embeddings (Q, d).
        gallery: what is ranked, (N, d).
        relevant: for each query, the gallery indices of its right answers; an empty list leaves the query out.
        ks: cut-offs.

    Returns:
        ``ap, map_at_r, r_precision, mrr, asi``, and for each cut-off ``map_at, p_at, r_at, recall_at``.

    Raises:
        CairnError: shapes, types or values of an argument are wrong; the message names it.

    Example:
        >>> import torch
        >>> from cairnhub.training.metrics import ground_truth_metrics
        >>> gallery = torch.tensor([[0.9], [0.8], [0.7]])
        >>> result = ground_truth_metrics(torch.tensor([[1.0]]), gallery, [[0, 2]])
        >>> round(result.values["map_at_100"], 4)
        0.8333
    """
    queries = checked_embeddings(query, "query").detach()
    items = checked_embeddings(gallery, "gallery").detach().to(queries)
    if queries.shape[1] != items.shape[1]:
        raise BadInput(f"gallery has {items.shape[1]} columns, query {queries.shape[1]}")
    if not check_lengths(queries, items, "query with gallery"):
        warn_not_unit()
    check_cut_offs(ks)
    if len(relevant) != len(queries):
        raise BadInput(f"relevant must have one list per query, {len(queries)}, got {len(relevant)}")
    lists = [torch.tensor(sorted(set(right)), dtype=torch.long, device=queries.device) for right in relevant]
    for row, right in enumerate(lists):
        if len(right) and not 0 <= int(right[0]) <= int(right[-1]) < len(items):
            raise BadInput(f"relevant[{row}] must hold gallery indices, 0..{len(items) - 1}")
    self_index = torch.full((len(queries),), -1, device=queries.device)
    search = Search(queries, items, ListMatches(lists, len(items)), self_index)
    ranked = (RankedList.of(block.depths, block.counts) for block in search.rankings(exclude_self=False))
    return summary((_binary_metrics(positives.at_least(1), ks) for positives in ranked), len(queries), (), ks)


def check_cut_offs(ks: Sequence[int]) -> None:
    """Raise CairnError unless all are whole numbers of 1 or more."""
    if not isinstance(ks, Sequence) or any(not isinstance(k, int) or k < 1 for k in ks):
        raise BadInput(f"ks must be a list of whole numbers, 1 or above, got {ks!r}")


def _self_index(exclude_self: bool | Array | None, batch: Batch) -> Tensor:
    """Gallery index of each query itself, -1 where it is not there, (Q,)."""
    n_queries, device = len(batch.embeddings), batch.embeddings.device
    if exclude_self is None or isinstance(exclude_self, bool):
        if not (batch.refs is None if exclude_self is None else exclude_self):
            return torch.full((n_queries,), -1, device=device)
        _require_queries_first(batch)
        return torch.arange(n_queries, device=device)
    indices = (
        exclude_self.to(device)
        if isinstance(exclude_self, Tensor)
        else torch.tensor(np.asarray(exclude_self))
    )
    if indices.shape != (n_queries,) or indices.dtype not in INTEGERS:
        raise BadInput(f"exclude_self must be a bool or {n_queries} gallery indices, one per query")
    self_index = indices.long().to(device)
    if int(self_index.min()) < -1 or int(self_index.max()) >= len(batch.items):
        raise BadInput("exclude_self must hold gallery indices, or -1 where a query is not in the gallery")
    return self_index


def _require_queries_first(batch: Batch) -> None:
    """Refuse `exclude_self=True` where gallery item i is not query i: it would take out the wrong items."""
    if batch.refs is None or batch.ref_labels is None:
        return
    n_queries, instead = len(batch.embeddings), "give the gallery index of each query instead, -1 for none"
    says = "exclude_self=True says that gallery item i is query i"
    if len(batch.refs) < n_queries:
        raise BadInput(f"{says}, but gallery has {len(batch.refs)} items for {n_queries} queries: {instead}")
    apart = (batch.refs[:n_queries] - batch.embeddings).norm(dim=1) > _SAME * batch.embeddings.norm(dim=1)
    differ = apart | (batch.ref_labels[:n_queries] != batch.labels).any(1)
    if bool(differ.any()):
        row = int(differ.nonzero()[0])
        raise BadInput(
            f"{says}, but they differ for {int(differ.sum())} queries, first for query {row}: {instead}"
        )


def summary(
    parts: Iterable[dict[MetricKey, Tensor]], n_queries: int, levels: Sequence[str], ks: Sequence[int]
) -> RetrievalMetrics:
    """Blocks of queries joined; means over queries, and over levels."""
    per_query = _joined(parts, n_queries)
    defined = {key: values[~np.isnan(values)] for key, values in per_query.items()}
    values = ByMetric(
        {key: float(counted.mean()) if len(counted) else math.nan for key, counted in defined.items()}
    )
    at_k = [(name, k) for k in ks for name in _CUT_OFF]
    whole = [(name, None) for name in (*_WHOLE, "exclusive_ap")]
    for name, k in (*whole, *at_k) if levels else ():
        of_levels = [values[MetricKey(name, level, k)] for level in levels]
        values[MetricKey(f"mean_{name}", None, k)] = float(np.mean(of_levels))
    left_out = {level: n_queries - len(defined[MetricKey("ap", level)]) for level in levels or (None,)}
    return RetrievalMetrics(values, per_query, left_out)


def _joined(parts: Iterable[dict[MetricKey, Tensor]], n_queries: int) -> ByMetric[NDArray[np.float64]]:
    """Blocks of queries, one after the other.

    Each is copied and let go before the next is made: small tensors that stay between large ones that go cost
    malloc a megabyte per query of a gallery of a million.
    """
    joined = ByMetric[NDArray[np.float64]]()
    start = stop = 0
    for part in parts:
        for key, values in part.items():
            stop = start + len(values)
            joined.setdefault(key, np.empty(n_queries))[start:stop] = values.double().cpu().numpy()
        start = stop
    return joined
