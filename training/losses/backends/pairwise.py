"""The differences of items and positives in torch: for any device, and for every step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from cairnhub.training.losses.comparison import QueryBlock, fill
from cairnhub.training.losses.objectives import Objective
from cairnhub.training.losses.surrogates import Pushes, Ranking, Scratch

CHUNK_ELEMENTS = {"cpu": 1 << 19, "cuda": 1 << 24}  # differences held at once: a cache's worth, a busy GPU's
OUT_OF_REACH = 1e15  # taken from the scores of items that a step must not see: value and slope are 0 there


def losses(
    scores: Tensor, depth: Tensor, counts: Tensor, objective: Objective, ranking: Ranking, with_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """Losses of ranks, and their gradient; a `Backend` (see `ranking.py`)."""
    block = QueryBlock(scores, depth, counts, objective, ranking)
    budget = CHUNK_ELEMENTS["cuda" if scores.is_cuda else "cpu"]
    scratch = Scratch(scores, max(budget, scores.shape[1]))
    return fill(block, partial(TorchItems, block, budget, scratch), with_grad)


@dataclass(frozen=True)
class TorchComparison:
    """`Comparison` of one chunk.

    Attributes:
        pushes: of the rank.
        hrank_pushes: of hrank.
        weight: what an item adds to hrank if it ranks above, (r, N, 1); None where hrank only counts.
    """

    pushes: Pushes
    hrank_pushes: Pushes
    weight: Tensor | None

    @property
    def rank(self) -> Tensor:
        """See `Comparison`."""
        return self.pushes.total

    @property
    def hrank(self) -> Tensor | None:
        """See `Comparison`."""
        return None if self.weight is None else (self.hrank_pushes.value @ self.weight)[:, :, 0]

    def to_items(self, by_rank: Tensor, by_hrank: Tensor) -> Tensor:
        """See `Comparison`."""
        pull = self.pushes.pull(by_rank)
        if self.weight is None:
            return pull
        return pull.addcmul_(self.hrank_pushes.pull(by_hrank), self.weight[:, :, 0])

    def to_self(self, by_rank: Tensor, by_hrank: Tensor) -> Tensor:
        """See `Comparison`."""
        pull = by_rank * self.pushes.slope_total
        if self.weight is None:
            return pull
        return pull.addcmul_(by_hrank, self.hrank_pushes.weighted_slope(self.weight))


class TorchItems:
    """`Items` whose differences fill memory that the next chunk uses again."""

    def __init__(self, block: QueryBlock, budget: int, scratch: Scratch, depth: int) -> None:
        self.own, self.ranking = block.positives[depth], block.ranking
        self.budget, self.scratch = budget, scratch
        query = self.own.query
        depths, relevance = block.depth.index_select(0, query), block.relevance[query]
        self.scores = self.seen = block.scores.index_select(0, query)
        if not self.ranking.everywhere:
            # Compared straight into floats: a boolean mask takes ten times as long.
            unseen = torch.ge(depths, depth, out=torch.empty_like(self.scores))
            self.seen = unseen.mul_(-OUT_OF_REACH).add_(self.scores)
        self.weight: Tensor | None = None
        if self.ranking.everywhere or self.ranking.hrank_step is not None:
            self.weight = torch.minimum(relevance, relevance[:, depth, None]).gather(1, depths.long())
        if self.weight is not None and self.ranking.hrank_step is not None:
            self.weight *= depths > depth

    def chunks(self) -> Iterator[tuple[slice, slice]]:
        """See `Items`; about `budget` differences each."""
        return self.own.chunks(self.scores.shape[1], self.budget)

    def compare(self, rows: slice, slots: slice) -> TorchComparison:
        """See `Items`."""
        positives, hrank_step = self.own.score[rows, slots], self.ranking.hrank_step
        pushes = self.ranking.step(self.seen[rows], positives, self.scratch)
        hrank_pushes = hrank_step(self.scores[rows], positives) if hrank_step else pushes
        weight = None if self.weight is None else self.weight[rows, :, None]
        return TorchComparison(pushes, hrank_pushes, weight)
