"""The metrics of a retrieval, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from hierarchies.errors import CairnError
from training.losses.inputs import check_batch
from training.metrics import measures
from training.metrics.measures import Ranked
from training.metrics.ranking import Search


@dataclass(frozen=True)
class RetrievalMetrics:
    """Metrics of a set of queries.

    Attributes:
        values: every metric by name, its mean over the queries for which it is defined.
        per_query: every metric of every query, (Q,); NaN where the query has no positives.
        n_left_out: queries without positives, by level.
    """

    values: dict[str, float]
    per_query: dict[str, NDArray[np.float64]]
    n_left_out: dict[str, int]


@dataclass(frozen=True)
class _Definition:
    """What is measured; `paper` follows the published code where it is not exact."""

    levels: tuple[str, ...]
    ks: tuple[int, ...]
    alpha: float
    paper: bool
    same_source: bool

    def measure(self, depths: Tensor, counts: Tensor) -> dict[str, Tensor]:
        """Every metric of some queries.

        Args:
            depths: match depths in order of rank, (Q, N); the query's own is 0, at the end, unless `paper`.
            counts: items at each depth, (Q, L + 1).
        """
        n_levels = len(self.levels)
        rel = measures.relevance(counts.double(), self.alpha)
        if self.paper:  # relevances count the query; the first item is dropped for it, or the last is lost
            rel = rel.float().double()
            depths, lost = (
                (depths[:, 1:], depths[:, 0]) if self.same_source else (depths[:, :-1], depths[:, -1])
            )
            counts = counts - one_hot(lost.long(), n_levels + 1)
        ranked = Ranked.of(depths, counts)
        metrics = {
            "h_ap": measures.h_ap(ranked, rel, merge_equal=self.paper),
            "ndcg": measures.ndcg(ranked),
            "asi": measures.asi(ranked),
        }
        for k in self.ks:
            metrics[f"ndcg_at_{k}"] = measures.ndcg(ranked, k, ideal_of_retrieved=self.paper)
        for column, level in enumerate(self.levels):
            depth = n_levels - column
            metrics |= {f"{name}_{level}": value for name, value in self._of_level(ranked, depth).items()}
        return metrics

    def _of_level(self, ranked: Ranked, depth: int) -> dict[str, Tensor]:
        hits = ranked.at_least(depth)
        metrics = {
            "ap": hits.ap(),
            "map_at_r": hits.map_at_r(),
            "r_precision": hits.r_precision(),
            "mrr": hits.reciprocal_rank(),
            "asi": hits.asi(),
        }
        for k in self.ks:
            metrics |= {
                f"map_at_{k}": hits.map_at(k),
                f"p_at_{k}": hits.precision_at(k),
                f"r_at_{k}": hits.hit_at(k),
                f"recall_at_{k}": hits.recall_at(k),
            }
        if self.paper:
            metrics = {name: value.nan_to_num(0.0) for name, value in metrics.items()}
        return metrics | {"exclusive_ap": hits.exclusive_ap()}


def retrieval_metrics(
    query: Tensor,
    query_labels: Tensor,
    gallery: Tensor | None = None,
    gallery_labels: Tensor | None = None,
    *,
    levels: Sequence[str] | None = None,
    ks: Sequence[int] = (1, 10, 100),
    exclude_self: bool | Tensor | None = None,
    alpha: float = 1.0,
    definition: Literal["exact", "paper"] = "exact",
) -> RetrievalMetrics:
    """Rank the gallery for every query by dot product, and score the rankings.

    Rankings are full and exact: higher score first, then lower gallery index. Memory stays bounded whatever
    the sizes.

    Args:
        query: embeddings (Q, d), normally of unit length; half precision is computed in float32.
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
            queries without positives count as 0.

    Returns:
        Values and per-query arrays named, over all levels: ``h_ap, ndcg, asi, ndcg_at_<k>``; per level: ``ap,
        map_at_r, r_precision, mrr, asi, exclusive_ap, map_at_<k>, p_at_<k>, r_at_<k>, recall_at_<k>``, each
        followed by ``_<level>``; and each of these averaged over the levels, as DyML reports them, followed
        by ``_mean``.

    Raises:
        CairnError: shapes, types or values of an argument are wrong; the message names it.
    """
    names = ("query", "query_labels", "gallery", "gallery_labels")
    batch = check_batch(query, query_labels, gallery, gallery_labels, names)
    own = _own_index(exclude_self, len(batch.embeddings), None if batch.refs is None else len(batch.refs))
    n_levels = batch.labels.shape[1]
    if levels is not None and len(set(levels)) != n_levels:
        raise CairnError(
            f"levels must be {n_levels} different names, one per column of query_labels, got {levels}"
        )
    if any(k < 1 for k in ks):
        raise CairnError(f"ks must be 1 or above, got {tuple(ks)}")
    if definition not in ("exact", "paper"):
        raise CairnError(f"definition must be 'exact' or 'paper', got {definition!r}")
    paper = definition == "paper"
    level_names = tuple(levels or (f"level{i}" for i in range(n_levels)))
    what = _Definition(level_names, tuple(ks), alpha, paper, bool((own >= 0).any()))
    search = Search.of(batch, own.to(query.device))
    parts = [what.measure(*ranked) for ranked in search.ranked_depths(exclude_own=not paper)]
    per_query = {name: torch.cat([part[name] for part in parts]).double().cpu().numpy() for name in parts[0]}
    return _summary(per_query, level_names)


def _own_index(exclude_self: bool | Tensor | None, n_queries: int, n_items: int | None) -> Tensor:
    """Gallery index of each query itself, -1 where it is not there; `n_items` is None without a gallery."""
    if isinstance(exclude_self, Tensor):
        if (
            exclude_self.shape != (n_queries,)
            or exclude_self.is_floating_point()
            or exclude_self.is_complex()
        ):
            raise CairnError(f"exclude_self must be a bool or {n_queries} gallery indices, one per query")
        own = exclude_self.long()
        if int(own.min()) < -1 or int(own.max()) >= (n_queries if n_items is None else n_items):
            raise CairnError(
                "exclude_self must hold gallery indices, or -1 where a query is not in the gallery"
            )
        return own
    if not (n_items is None if exclude_self is None else exclude_self):
        return torch.full((n_queries,), -1)
    if n_items is not None and n_items < n_queries:
        raise CairnError(
            f"exclude_self=True says that gallery item i is query i, but gallery has {n_items} items for "
            f"{n_queries} queries: give the gallery index of each query instead"
        )
    return torch.arange(n_queries)


def _summary(per_query: dict[str, NDArray[np.float64]], levels: tuple[str, ...]) -> RetrievalMetrics:
    """Means over queries, and over levels."""
    values = {
        name: float(np.nanmean(a)) if not np.isnan(a).all() else float("nan") for name, a in per_query.items()
    }
    finest = f"_{levels[0]}"
    for name in [name.removesuffix(finest) for name in per_query if name.endswith(finest)]:
        values[f"{name}_mean"] = float(np.mean([values[f"{name}_{level}"] for level in levels]))
    left_out = {level: int(np.isnan(per_query[f"ap_{level}"]).sum()) for level in levels}
    return RetrievalMetrics(values, per_query, left_out)
