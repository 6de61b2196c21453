"""Metrics of ranked lists, from the ranks of their positives alone.

Every function returns one float64 per query, NaN where a query has no positives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor


def _padded(values: Tensor, count: Tensor, padding: float) -> Tensor:
    """Values of rows that follow one another as (Q, P), each row filled up; `count` (Q,) says how many each has."""
    width = max(int(count.max()), 1)
    rows = torch.full((len(count), width), padding, dtype=values.dtype, device=values.device)
    is_there = torch.arange(width, device=values.device) < count[:, None]
    return rows.masked_scatter_(is_there, values)


@dataclass(frozen=True)
class RankedList:
    """The positives of some queries in order of rank; rows are padded to the longest, P.

    Attributes:
        rank: 1-based rank, (Q, P) float64; padding is infinitely far.
        depth: match depth, (Q, P) int64; 0 at padding.
        head: depths of the first P items, positive or not, (Q, P).
        counts: items at each depth, (Q, L + 1) int64.
    """

    rank: Tensor
    depth: Tensor
    head: Tensor
    counts: Tensor

    @classmethod
    def of(cls, depths: Tensor, counts: Tensor) -> RankedList:
        """From the depths in order of rank, (Q, N), and how many items have each, (Q, L + 1)."""
        n_positives = counts[:, 1:].sum(1)
        every = depths.reshape(-1)
        places = every.nonzero()[:, 0]
        row_starts = torch.arange(len(depths), device=depths.device) * depths.shape[1] - 1
        ranks = places - row_starts.repeat_interleave(n_positives)
        rank = _padded(ranks.double(), n_positives, torch.inf)
        depth = _padded(every[places].long(), n_positives, 0)
        return cls(rank, depth, depths[:, : rank.shape[1]], counts)

    @cached_property
    def n_met(self) -> dict[int, Tensor]:
        """By depth, how many items of just that depth have been met at each positive, (Q, P) each."""
        depths = range(1, self.counts.shape[1])
        return {depth: (self.depth == depth).cumsum(1, dtype=torch.float64) for depth in depths}

    def without_rank(self, rank: int, rows: Tensor) -> RankedList:
        """The same lists, of which some (Q,) lack the item at a rank; it must be their last."""
        lost = (self.rank == rank) & rows[:, None]
        if not bool(lost.any()):
            return self
        query, slot = lost.nonzero(as_tuple=True)
        counts = self.counts.clone()
        counts[query, self.depth[query, slot]] -= 1
        return replace(
            self,
            rank=self.rank.masked_fill(lost, torch.inf),
            depth=self.depth.masked_fill(lost, 0),
            counts=counts,
        )

    def at_least(self, depth: int) -> Hits:
        """The positives of a level: items that match at `depth` or deeper."""
        n = self.counts[:, depth:].sum(1)
        if depth == 1:
            return Hits(self.rank, self.depth == 1, n.double())
        is_one = self.depth >= depth
        exact = self.depth[is_one] == depth
        return Hits(_padded(self.rank[is_one], n, torch.inf), _padded(exact, n, False), n.double())


@dataclass(frozen=True)
class Hits:
    """One level's positives in order of rank, padded as in `RankedList`.

    Attributes:
        rank: (Q, P).
        exact: the item matches at this level and no finer one, (Q, P).
        n: how many they are, (Q,) float64.
    """

    rank: Tensor
    exact: Tensor
    n: Tensor

    @cached_property
    def precisions(self) -> Tensor:
        """Precision at each positive, (Q, P)."""
        return self._n_met() / self.rank

    @cached_property
    def in_first_n(self) -> Tensor:
        """Which positives are among the first R = n items, (Q, P)."""
        return self.rank <= self.n[:, None]

    def ap(self) -> Tensor:
        """Average precision."""
        return self.precisions.sum(1) / self._n_or_nan()

    def map_at_r(self) -> Tensor:
        """mAP@R: precisions at positives among the first R = n items, over R (Musgrave et al., 2020)."""
        return (self.precisions * self.in_first_n).sum(1) / self._n_or_nan()

    def r_precision(self) -> Tensor:
        """Share of positives among the first R = n items."""
        return self.in_first_n.sum(1) / self._n_or_nan()

    def reciprocal_rank(self) -> Tensor:
        """One over the rank of the first positive."""
        return 1 / self.rank[:, 0] * (self.n / self._n_or_nan())

    def map_at(self, k: int) -> Tensor:
        """mAP@k as GLDv2 scores it: precisions at positives among the first k, over min(n, k)."""
        return (self.precisions[:, :k] * self._within(k)).sum(1) / self._n_or_nan().clamp(max=k)

    def precision_at(self, k: int) -> Tensor:
        """Share of positives among the first k."""
        return self._within(k).sum(1).double() / k * (self.n / self._n_or_nan())

    def hit_at(self, k: int) -> Tensor:
        """R@k of metric learning: 1 where a positive is among the first k."""
        return (self.rank[:, 0] <= k) * (self.n / self._n_or_nan())

    def recall_at(self, k: int) -> Tensor:
        """Positives among the first k, over min(n, k)."""
        return self._within(k).sum(1) / self._n_or_nan().clamp(max=k)

    def precision_at_recall(self, recalls: Sequence[float]) -> Tensor:
        """The highest precision at each recall (R,) or more, (Q, R)."""
        best = self.precisions.flip(1).cummax(1).values.flip(1)
        wanted = torch.tensor(recalls, dtype=torch.float64, device=self.n.device) * self.n[:, None]
        place = ((wanted - 1e-9).ceil().long() - 1).clamp(min=0)  # 0.55 x 100 is a little more than 55
        return best.gather(1, place).masked_fill((self.n == 0)[:, None], torch.nan)

    def asi(self) -> Tensor:
        """Average set intersection (DyML, 2021): precision at every rank up to R = n, averaged."""
        last = int(self.n.max())
        harmonic = torch.zeros(last + 1, dtype=torch.float64, device=self.n.device)
        harmonic[1:] = (1 / torch.arange(1, last + 1, dtype=torch.float64, device=self.n.device)).cumsum(0)
        before = harmonic[
            (self.rank - 1).clamp(max=last).long()
        ]  # a positive adds 1/k at every k from its rank to R
        return ((harmonic[self.n.long()][:, None] - before) * self.in_first_n).sum(1) / self._n_or_nan()

    def exclusive_ap(self) -> Tensor:
        """AP of the items that match at this level and no finer one, with finer ones taken out of the list."""
        n_exact = self.exact.cumsum(1)
        rank = self.rank - (self._n_met() - n_exact)
        n = n_exact[:, -1].double()
        return (n_exact / rank.clamp(min=1) * self.exact).sum(1) / n.masked_fill(n == 0, torch.nan)

    def _n_met(self) -> Tensor:
        """How many positives have been met at each."""
        return torch.arange(1, self.rank.shape[1] + 1, dtype=torch.float64, device=self.rank.device)

    def _within(self, k: int) -> Tensor:
        """Which positives are among the first k; no more than k can be."""
        return self.rank[:, :k] <= k

    def _n_or_nan(self) -> Tensor:
        """Number of positives, NaN for none."""
        return self.n.masked_fill(self.n == 0, torch.nan)


def h_ap(ranked: RankedList, rel: Tensor, merge_equal: bool = False) -> Tensor:
    """Hierarchical average precision (HAPPIER, 2022).

    Args:
        ranked: the positives.
        rel: relevance by depth, (Q, L + 1).
        merge_equal: count the items of two depths once for each where their relevances are equal, as the
            published code does (values above 1).
    """
    depths = range(1, rel.shape[1])
    hrank = torch.zeros_like(ranked.rank)
    for depth in depths:
        shared = torch.minimum(rel, rel[:, depth, None]).gather(1, ranked.depth)
        hrank += shared * ranked.n_met[depth]
        for other in depths if merge_equal else ():
            is_equal = rel[:, other] == rel[:, depth]
            if other != depth and bool(is_equal.any()):
                hrank += shared * ranked.n_met[other] * is_equal[:, None]
    total = (rel * ranked.counts).sum(1)
    return (hrank / ranked.rank).sum(1) / total.masked_fill(total == 0, torch.nan)


def ndcg(ranked: RankedList, k: int | None = None, ideal_of_retrieved: bool = False) -> Tensor:
    """NDCG with gain ``2^depth - 1`` (Jarvelin and Kekalainen, 2002; Croft et al., 2010).

    Args:
        ranked: the positives.
        k: score the first k places only; None scores all.
        ideal_of_retrieved: sort what the first k places hold for the ideal list, as the published code does;
            otherwise the best k of the gallery.
    """
    counts = ranked.counts
    gain = 2.0 ** torch.arange(counts.shape[1], device=counts.device, dtype=torch.float64) - 1
    rank, depth = ranked.rank[:, :k], ranked.depth[:, :k]
    gains, inside = gain[depth], rank <= (torch.inf if k is None else k)
    dcg = ((gains if k is None else gains * inside) / torch.log2(1 + rank)).sum(1)
    if ideal_of_retrieved:
        counts = torch.stack([((depth == d) & inside).sum(1) for d in range(counts.shape[1])], 1)
    at_least = counts.flip(1).cumsum(1).flip(1)[:, 1:].clamp(max=depth.shape[1] if k is None else k)
    places = torch.arange(2, int(at_least.max()) + 2, device=counts.device, dtype=torch.float64)
    first_n = torch.cat([places.new_zeros(1), (1 / torch.log2(places)).cumsum(0)])  # DCG of n items of gain 1
    ideal = (first_n[at_least] * gain.diff()).sum(1)
    return dcg / ideal.masked_fill(ideal == 0, torch.nan)


def asi(ranked: RankedList) -> Tensor:
    """Average set intersection over levels (DyML, 2021).

    At every rank up to the number of positives: how many items of each depth the ideal list also holds, over the
    rank; averaged.
    """
    n_positives = ranked.counts[:, 1:].sum(1).double()
    place = torch.arange(1, ranked.head.shape[1] + 1, device=ranked.rank.device, dtype=torch.float64)
    common = torch.zeros_like(ranked.rank)
    deeper = torch.zeros_like(n_positives)
    for depth in reversed(range(1, ranked.counts.shape[1])):
        n = ranked.counts[:, depth, None].double()
        ideal = (place - deeper[:, None]).clamp(min=0).minimum(n)
        common += torch.minimum((ranked.head == depth).cumsum(1, dtype=torch.float64), ideal)
        deeper = deeper + n[:, 0]
    inside = place <= n_positives[:, None]
    return (common / place * inside).sum(1) / n_positives.masked_fill(n_positives == 0, torch.nan)
