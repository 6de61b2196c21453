"""What every backend shares: positives depth by depth, and losses and gradients out of comparisons with the items.

A loss here is ``1 - sum over positives k of term(rank(k), hrank(k))``. Three facts keep it small and fast:

- Only positives need a rank: (positives x gallery) differences per query, never (gallery x gallery).
- Steps without gradient are counts: sort the positives of each depth once, then search.
- A term needs nothing but its own rank, so value and gradient come out of one pass over a chunk of
  differences that still sits in cache; nothing of that size is kept for the backward pass.

A backend makes the differences: it hands `fill` its way to compare items with the positives of one depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from cairnhub.training.losses.objectives import Objective
from cairnhub.training.losses.surrogates import Ranking


class Comparison(Protocol):
    """What all items do to some positives, and the way back."""

    @property
    def rank(self) -> Tensor:
        """How far the items push each positive, (r, K)."""

    @property
    def hrank(self) -> Tensor | None:
        """What they add to hrank by steps, (r, K); None where hrank only counts."""

    def to_items(self, by_rank: Tensor, by_hrank: Tensor) -> Tensor:
        """Gradient by the items, (r, N), from those by rank and by hrank, (r, K)."""

    def to_self(self, by_rank: Tensor, by_hrank: Tensor) -> Tensor:
        """Gradient by the positives, (r, K), with the opposite sign."""


class Items(Protocol):
    """The items of a block against its positives at one depth."""

    def chunks(self) -> Iterator[tuple[slice, slice]]:
        """Rows and slots of the positives to compare at once."""

    def compare(self, rows: slice, slots: slice) -> Comparison:
        """Compare some positives; the next call may overwrite the result."""


@dataclass(frozen=True)
class Positives:
    """The positives at one depth: a row per query that has some, padded on the right to the longest.

    Rows run from few positives to many, so that neighbours need little padding.

    Attributes:
        query: row of the block, (R,).
        count: positives of each row, (R,), rising.
        item: index into the gallery, (R, K).
        valid: 1, or 0 at padding, (R, K).
        score: (R, K), 0 at padding.
        ascending: (Q, K), the scores of every query of the block, sorted, -inf first.
    """

    query: Tensor
    count: Tensor
    item: Tensor
    valid: Tensor
    score: Tensor
    ascending: Tensor

    @classmethod
    def under(cls, mask: Tensor, scores: Tensor) -> Positives:
        """Collect the items under `mask` (Q, N)."""
        query, item = mask.nonzero(as_tuple=True)
        count = query.bincount(minlength=len(mask))
        slot = torch.arange(len(query), device=mask.device) - (count.cumsum(0) - count)[query]
        padded = item.new_zeros(len(mask), int(count.max()))
        padded[query, slot] = item
        valid = torch.arange(padded.shape[1], device=mask.device) < count[:, None]
        score = scores.gather(1, padded)
        ascending = score.masked_fill(~valid, -torch.inf).sort(1).values
        rows = count.argsort(stable=True)[(count == 0).sum() :]
        weights = valid[rows].to(scores.dtype)
        return cls(rows, count[rows], padded[rows], weights, score[rows] * weights, ascending)

    def chunks(self, n_items: int, budget: int) -> Iterator[tuple[slice, slice]]:
        """Slices of rows and slots with about `budget` differences, (rows x slots x n_items), or one row's slot."""
        widths: list[int] = self.count.tolist()
        start = 0
        while start < len(widths):
            stop = start + 1
            while stop < len(widths) and (stop + 1 - start) * widths[stop] * n_items <= budget:
                stop += 1
            slots = max(1, budget // ((stop - start) * n_items))
            for first in range(0, widths[stop - 1], slots):
                yield slice(start, stop), slice(first, min(first + slots, widths[stop - 1]))
            start = stop


@dataclass(frozen=True, eq=False)
class QueryBlock:
    """Queries whose items are to be ranked.

    Attributes:
        scores: (Q, N).
        depth: match depths, (Q, N).
        counts: number of items at each depth, floats (Q, L + 1).
        objective: what is made of ranks.
        ranking: how ranks are made differentiable.
    """

    scores: Tensor
    depth: Tensor
    counts: Tensor
    objective: Objective
    ranking: Ranking

    @cached_property
    def relevance(self) -> Tensor:
        """Relevance by depth, (Q, L + 1)."""
        return self.objective.relevance(self.counts)

    @cached_property
    def total(self) -> Tensor:
        """What a query's terms are divided by, (Q, 1)."""
        return self.objective.total(self.counts, self.relevance, self.depth)

    @cached_property
    def positives(self) -> dict[int, Positives]:
        """The positives by depth, of depths that there are."""
        present = (depth for depth in range(1, self.counts.shape[1]) if bool(self.counts[:, depth].any()))
        return {depth: Positives.under(self.depth == depth, self.scores) for depth in present}

    def counted(self, depth: int) -> tuple[Tensor, Tensor]:
        """The parts of rank and hrank that need no gradient: counts, and the item itself; (R, K)."""
        own = self.positives[depth]
        relevance = self.relevance[own.query, depth, None]
        if self.ranking.everywhere:  # the step will include the item itself, at t = 0, where it is 1/2
            return torch.full_like(own.score, 0.5), (0.5 * relevance).expand_as(own.score)
        rank, hrank = torch.zeros_like(own.score), torch.zeros_like(own.score)
        for other, positives in self.positives.items():  # the item itself is counted: H(0) = 1
            above = positives.ascending.shape[1] - torch.searchsorted(
                positives.ascending[own.query], own.score
            )
            if other >= depth:
                rank += above
            if other <= depth or self.ranking.hrank_step is None:
                hrank += torch.minimum(relevance, self.relevance[own.query, other, None]) * above
        return rank.clamp_(min=1), hrank  # padding may be above nothing


def fill(
    block: QueryBlock, items_at: Callable[[int], Items], with_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """Losses of a block's queries, (Q,), and their gradient by the scores, (Q, N).

    Args:
        block: the queries.
        items_at: from a depth to its items, ready to be compared with the positives there.
        with_grad: whether the gradient is asked for; it is None otherwise.
    """
    loss = (block.counts[:, 1:].sum(1) > 0).to(block.scores.dtype)  # 0 without positives
    grad = torch.zeros_like(block.scores) if with_grad else None
    for depth in block.positives:
        terms = _Terms(block, depth)
        items = items_at(depth)
        for chunk in items.chunks():
            terms.add(items.compare(*chunk), *chunk, with_grad)
        terms.take_from(loss, grad)
    return loss, grad


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

    def add(self, compared: Comparison, rows: slice, slots: slice, with_grad: bool) -> None:
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
