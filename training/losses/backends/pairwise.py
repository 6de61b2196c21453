"""The differences of items and positives in torch: for any device, and for every step.

A loss here is ``1 - sum over positives k of term(rank(k), hrank(k))``. Three facts keep it small and fast:

- Only positives need a rank: (positives x gallery) differences per query, never (gallery x gallery).
- Steps without gradient are counts: sort the positives of each depth once, then search.
- A term needs nothing but its own rank, so value and gradient come out of one pass over a chunk of
  differences that still sits in cache; nothing of that size is kept for the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from cairnhub.training.losses.objectives import Objective
from cairnhub.training.losses.query_block import QueryBlock
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
    loss = (counts[:, 1:].sum(1) > 0).to(scores.dtype)  # 0 without positives
    grad = torch.zeros_like(scores) if with_grad else None
    for own_depth in block.positives:
        terms, items = _Terms(block, own_depth), _Items(block, budget, scratch, own_depth)
        for chunk in items.chunks():
            terms.add(items.compare(*chunk), *chunk, with_grad)
        terms.take_from(loss, grad)
    return loss, grad


@dataclass(frozen=True)
class _Comparison:
    """What all items do to the positives of one chunk, and the way back.

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
        """How far the items push each positive, (r, K)."""
        return self.pushes.total

    @property
    def hrank(self) -> Tensor | None:
        """What they add to hrank by steps, (r, K); None where hrank only counts."""
        return None if self.weight is None else (self.hrank_pushes.value @ self.weight)[:, :, 0]

    def to_items(self, by_rank: Tensor, by_hrank: Tensor) -> Tensor:
        """Gradient by the items, (r, N), from those by rank and by hrank, (r, K)."""
        pull = self.pushes.pull(by_rank)
        if self.weight is None:
            return pull
        return pull.addcmul_(self.hrank_pushes.pull(by_hrank), self.weight[:, :, 0])

    def to_self(self, by_rank: Tensor, by_hrank: Tensor) -> Tensor:
        """Gradient by the positives, (r, K), with the opposite sign."""
        pull = by_rank * self.pushes.slope_total
        if self.weight is None:
            return pull
        return pull.addcmul_(by_hrank, self.hrank_pushes.weighted_slope(self.weight))


class _Items:
    """The items of a block against its positives at one depth, in memory that the next chunk uses again."""

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
        """Rows and slots of the positives to compare at once; about `budget` differences each."""
        return self.own.chunks(self.scores.shape[1], self.budget)

    def compare(self, rows: slice, slots: slice) -> _Comparison:
        """Compare some positives; the next call overwrites the result."""
        positives, hrank_step = self.own.score[rows, slots], self.ranking.hrank_step
        pushes = self.ranking.step(self.seen[rows], positives, self.scratch)
        hrank_pushes = hrank_step(self.scores[rows], positives) if hrank_step else pushes
        weight = None if self.weight is None else self.weight[rows, :, None]
        return _Comparison(pushes, hrank_pushes, weight)


class _Terms:
    """The terms of the positives at one depth, added up chunk by chunk."""

    def __init__(self, block: QueryBlock, depth: int) -> None:
        self.objective, self.own = block.objective, block.positives[depth]
        query = self.own.query
        self.constants = torch.stack([block.relevance[query, depth, None], block.total[query]])
        self.per_positive = torch.stack([self.own.valid, *block.counted(depth)])
        self.value = torch.zeros_like(block.total[query])
        self.to_items = block.scores.new_zeros(len(query), block.scores.shape[1])
        self.to_self = torch.zeros_like(self.own.score)

    def add(self, compared: _Comparison, rows: slice, slots: slice, with_grad: bool) -> None:
        """Add the terms of some positives, and their gradients."""
        valid, rank, hrank = self.per_positive[:, rows, slots].unbind()
        steps = compared.hrank
        hrank = hrank if steps is None else hrank + steps
        constants = self.constants[:, rows].unbind()
        terms = self.objective.terms(rank + compared.rank, hrank, *constants)
        self.value[rows] += (terms.value * valid).sum(1, keepdim=True)
        if with_grad:
            by_rank, by_hrank = terms.by_rank * valid, terms.by_hrank * valid
            self.to_items[rows] += compared.to_items(by_rank, by_hrank)
            self.to_self[rows, slots] += compared.to_self(by_rank, by_hrank)

    def take_from(self, loss: Tensor, grad: Tensor | None) -> None:
        """Take the terms from the losses, and their gradient from the losses' one."""
        query = self.own.query
        loss.index_add_(0, query, self.value[:, 0], alpha=-1)
        if grad is not None:
            self.to_items.scatter_add_(1, self.own.item, -self.to_self)  # padding adds 0 to item 0
            grad.index_add_(0, query, self.to_items, alpha=-1)
