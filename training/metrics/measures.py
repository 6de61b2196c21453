"""Metrics of ranked lists, from the ranks of their positives alone.

Every function returns one float64 per query, NaN where a query has no positives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ranked:
    """The positives of some queries in order of rank; rows are padded to the longest, P.

    Attributes:
        rank: 1-based rank, (Q, P) float64; padding is infinitely far.
        depth: match depth, (Q, P) int64; 0 at padding.
        head: depths of the first P items, positive or not, (Q, P).
        counts: items at each depth, (Q, L + 1) float64.
        n_items: N, how many items were ranked.
    """

    rank: Tensor
    depth: Tensor
    head: Tensor
    counts: Tensor
    n_items: int

    @classmethod
    def of(cls, depths: Tensor, n_levels: int) -> Ranked:
        """From the depths in order of rank, (Q, N)."""
        positive = depths > 0
        n_positives = positive.sum(1)
        query, place = positive.nonzero(as_tuple=True)
        slot = torch.arange(len(query), device=depths.device) - (n_positives.cumsum(0) - n_positives)[query]
        width = max(int(n_positives.max()), 1)
        rank = torch.full((len(depths), width), torch.inf, dtype=torch.float64, device=depths.device)
        rank[query, slot] = (place + 1).double()
        depth = torch.zeros(rank.shape, dtype=torch.long, device=depths.device)
        depth[query, slot] = depths[query, place].long()
        counts = torch.stack([(depth == level).sum(1) for level in range(n_levels + 1)], 1).double()
        counts[:, 0] = depths.shape[1] - n_positives
        return cls(rank, depth, depths[:, :width], counts, depths.shape[1])

    def at_least(self, depth: int) -> Hits:
        """The positives of a level: items that match at `depth` or deeper."""
        hit = self.depth >= depth
        return Hits(self.rank, hit, hit.cumsum(1).double(), self.counts[:, depth:].sum(1))


@dataclass(frozen=True)
class Hits:
    """One level's positives among the positives of all levels.

    Attributes:
        rank: (Q, P).
        hit: is a positive of this level, (Q, P).
        found: positives of this level up to here, (Q, P).
        n: positives of this level, (Q,).
    """

    rank: Tensor
    hit: Tensor
    found: Tensor
    n: Tensor

    def ap(self) -> Tensor:
        """Average precision."""
        return self._precisions().sum(1) / self._some()

    def map_at_r(self) -> Tensor:
        """mAP@R: precisions at positives among the first R = n items, over R (Musgrave et al., 2020)."""
        return (self._precisions() * (self.rank <= self.n[:, None])).sum(1) / self._some()

    def r_precision(self) -> Tensor:
        """Share of positives among the first R = n items."""
        return (self.hit & (self.rank <= self.n[:, None])).sum(1) / self._some()

    def reciprocal_rank(self) -> Tensor:
        """One over the rank of the first positive."""
        return (self.hit / self.rank).amax(1) * (self.n / self._some())

    def map_at(self, k: int) -> Tensor:
        """mAP@k as GLDv2 scores it: precisions at positives among the first k, over min(n, k)."""
        return (self._precisions(k) * (self.rank[:, :k] <= k)).sum(1) / self._some().clamp(max=k)

    def precision_at(self, k: int) -> Tensor:
        """Share of positives among the first k."""
        return self._within(k) / k * (self.n / self._some())

    def hit_at(self, k: int) -> Tensor:
        """R@k of metric learning: 1 where a positive is among the first k."""
        return (self._within(k) > 0).double() * (self.n / self._some())

    def recall_at(self, k: int) -> Tensor:
        """Positives among the first k, over min(n, k)."""
        return self._within(k) / self._some().clamp(max=k)

    def asi(self) -> Tensor:
        """Average set intersection (DyML, 2021): precision at every rank up to R = n, averaged."""
        last = int(self.n.max())
        harmonic = torch.zeros(last + 1, dtype=torch.float64, device=self.n.device)
        harmonic[1:] = (1 / torch.arange(1, last + 1, dtype=torch.float64, device=self.n.device)).cumsum(0)
        inside = self.hit & (self.rank <= self.n[:, None])
        before = harmonic[
            (self.rank - 1).clamp(max=last).long()
        ]  # a positive adds 1/k at every k from its rank to R
        return ((harmonic[self.n.long()][:, None] - before) * inside).sum(1) / self._some()

    def _precisions(self, k: int | None = None) -> Tensor:
        return self.found[:, :k] / self.rank[:, :k] * self.hit[:, :k]

    def _within(self, k: int) -> Tensor:
        return (self.hit[:, :k] & (self.rank[:, :k] <= k)).sum(1)

    def _some(self) -> Tensor:
        """Number of positives, NaN for none."""
        return self.n.masked_fill(self.n == 0, torch.nan)


def relevance(counts: Tensor, alpha: float) -> Tensor:
    """H-AP's relevance by depth, ``(l / L)^alpha / n(l)``, (Q, L + 1); 0 at depth 0 and at empty depths."""
    n_levels = counts.shape[1] - 1
    share = (torch.arange(n_levels + 1, device=counts.device) / n_levels).double() ** alpha
    share[0] = 0.0
    return share / counts.clamp(min=1) * (counts > 0)


def h_ap(ranked: Ranked, rel: Tensor, merge_equal: bool = False) -> Tensor:
    """Hierarchical average precision (HAPPIER, 2022, eq. 3).

    Args:
        ranked: the positives.
        rel: relevance by depth, (Q, L + 1).
        merge_equal: count the items of two depths once for each where their relevances are equal, as the
            published code does (values above 1).
    """
    depths = range(1, rel.shape[1])
    found = {depth: (ranked.depth == depth).cumsum(1).double() for depth in depths}
    hrank = torch.zeros_like(ranked.rank)
    for depth in depths:
        shared = torch.minimum(rel, rel[:, depth, None]).gather(1, ranked.depth)
        hrank += shared * found[depth]
        for other in depths if merge_equal else ():
            if other != depth:
                hrank += shared * found[other] * (rel[:, other] == rel[:, depth])[:, None]
    total = (rel * ranked.counts).sum(1)
    return (hrank / ranked.rank).sum(1) / total.masked_fill(total == 0, torch.nan)


def ndcg(ranked: Ranked, k: int | None = None, ideal_of_retrieved: bool = False) -> Tensor:
    """NDCG with gain ``2^depth - 1`` (Jarvelin and Kekalainen, 2002; Croft et al., 2010).

    Args:
        ranked: the positives.
        k: score the first k places only; None scores all.
        ideal_of_retrieved: sort what the first k places hold for the ideal list, as the published code does;
            otherwise the best k of the gallery.
    """
    gain = 2.0 ** torch.arange(ranked.counts.shape[1], device=ranked.rank.device, dtype=torch.float64) - 1
    k = ranked.n_items if k is None else k
    inside = ranked.rank <= k
    dcg = (gain[ranked.depth] * inside / torch.log2(1 + ranked.rank)).sum(1)
    counts = ranked.counts
    if ideal_of_retrieved:
        counts = torch.stack(
            [((ranked.depth == d) & inside).sum(1) for d in range(counts.shape[1])], 1
        ).double()
    at_least = counts.flip(1).cumsum(1).flip(1)[:, 1:].clamp(max=k).long()
    places = torch.arange(2, int(at_least.max()) + 2, device=counts.device, dtype=torch.float64)
    first_n = torch.cat([places.new_zeros(1), (1 / torch.log2(places)).cumsum(0)])  # DCG of n items of gain 1
    ideal = (first_n[at_least] * gain.diff()).sum(1)
    return dcg / ideal.masked_fill(ideal == 0, torch.nan)


def asi(ranked: Ranked) -> Tensor:
    """Average set intersection over levels (DyML, 2021).

    At every rank up to the number of positives: how many items of each depth the ideal list also holds, over the
    rank; averaged.
    """
    n_positives = ranked.counts[:, 1:].sum(1)
    place = torch.arange(1, ranked.head.shape[1] + 1, device=ranked.rank.device, dtype=torch.float64)
    common = torch.zeros_like(ranked.rank)
    deeper = torch.zeros_like(n_positives)
    for depth in reversed(range(1, ranked.counts.shape[1])):
        n = ranked.counts[:, depth, None]
        ideal = (place - deeper[:, None]).clamp(min=0).minimum(n)
        common += torch.minimum((ranked.head == depth).cumsum(1), ideal)
        deeper = deeper + n[:, 0]
    inside = place <= n_positives[:, None]
    return (common / place * inside).sum(1) / n_positives.masked_fill(n_positives == 0, torch.nan)


def exclusive_ap(ranked: Ranked, depth: int) -> Tensor:
    """AP of the items at exactly `depth`, with deeper ones taken out of the list."""
    hit = ranked.depth == depth
    n = ranked.counts[:, depth]
    rank = (ranked.rank - (ranked.depth > depth).cumsum(1)).clamp(min=1)  # 0 at deeper items: not scored
    return (hit.cumsum(1) / rank * hit).sum(1) / n.masked_fill(n == 0, torch.nan)
