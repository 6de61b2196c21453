"""The differentiable rank that every rank loss shares, with a hand-written backward pass.

A loss here is ``1 - sum over positives k of term(rank(k), hrank(k))``. Three facts keep it small and fast:

- Only positives need a rank: (positives x gallery) differences per query, never (gallery x gallery).
- Steps without gradient are counts: sort the positives of each depth once, then search.
- A term needs nothing but its own rank, so value and gradient come out of one pass over a chunk of
  differences that still sits in cache; nothing of that size is kept for the backward pass.

`compare` makes the differences in torch; on CUDA `fused` does it in Triton kernels that store none. Where queries
have many positives, `rows` gets by without differences.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, partial
from importlib.util import find_spec
from typing import Protocol

import torch
from torch import Tensor

from cairnhub.training.losses.backends import sorted as rows
from cairnhub.training.losses.backends.pairwise import Comparison, Items, TorchItems
from cairnhub.training.losses.surrogates import LeakyStep, Scratch, Step

CHUNK_ELEMENTS = {"cpu": 1 << 19, "cuda": 1 << 24}  # differences held at once: a cache's worth, a busy GPU's
FUSED_ON = ("cuda",)  # types of devices where the kernels of `fused` run if they can


@dataclass(frozen=True)
class Ranking:
    """How ranks are made differentiable.

    Attributes:
        step: stands in for the Heaviside step.
        everywhere: use the step for every other item (Smooth-AP); otherwise for less relevant items only, and
            count the rest with H(0) = 1 and no gradient (SupRank).
        hrank_step: gives H-rank a gradient through more relevant items; None counts them. SupRank only.
    """

    step: Step
    everywhere: bool = False
    hrank_step: LeakyStep | None = None


@dataclass(frozen=True)
class Terms:
    """What positives of one depth add to a query's score, (Q, K), and the slopes by rank and by hrank."""

    value: Tensor
    by_rank: Tensor
    by_hrank: Tensor


class Objective(Protocol):
    """What a loss makes of ranks."""

    def relevance(self, counts: Tensor) -> Tensor:
        """Relevance by depth (Q, L + 1) from the number of items at each depth (Q, L + 1)."""

    def total(self, counts: Tensor, relevance: Tensor, depth: Tensor) -> Tensor:
        """What a query's terms are divided by, (Q, 1); `depth` is (Q, N)."""

    def terms(self, rank: Tensor, hrank: Tensor, relevance: Tensor, total: Tensor) -> Terms:
        """Terms of positives of one `relevance` (Q, 1), from their ranks (Q, K)."""


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


class Block:
    """Losses of a block of queries, and their gradient by the scores.

    Attributes:
        loss: per query, (Q,); 0 without positives.
        has_positives: (Q,).
        grad: derivative of each loss by its row of scores, (Q, N); None unless asked for.
    """

    def __init__(
        self, scores: Tensor, depth: Tensor, counts: Tensor, objective: Objective, ranking: Ranking
    ) -> None:
        """Take scores (Q, N), match depths (Q, N) and the number of items at each depth, (Q, L + 1)."""
        self.scores, self.depth, self.objective, self.ranking = scores, depth, objective, ranking
        self.counts = counts = counts.to(scores.dtype)
        self.relevance = objective.relevance(counts)
        self.total = objective.total(counts, self.relevance, depth)
        self.has_positives = counts[:, 1:].sum(1) > 0
        self.loss = self.has_positives.to(scores.dtype)
        self.grad: Tensor | None = None

    def run(self, with_grad: bool) -> Block:
        """Fill `loss`, and `grad` where asked for."""
        self.grad = torch.zeros_like(self.scores) if with_grad else None
        if not self.fuses() and rows.suits(self):
            rows.fill(self)
        else:
            self.compare()
        return self

    @cached_property
    def levels(self) -> dict[int, Positives]:
        """The positives by depth, of depths that there are."""
        present = (level for level in range(1, self.counts.shape[1]) if bool(self.counts[:, level].any()))
        return {level: Positives.under(self.depth == level, self.scores) for level in present}

    def compare(self) -> None:
        """Fill in what comes of comparing the items with one positive after the other."""
        items_of = self.items()
        for level in self.levels:
            part = _Level(self, level)
            items = items_of(level)
            for chunk in items.chunks():
                part.add(items.compare(*chunk), *chunk)
            part.close()

    def fuses(self) -> bool:
        """Whether the differences are made by Triton kernels."""
        device = self.scores.device
        return device.type in FUSED_ON and self.ranking.hrank_step is None and kernels_run_on(device)

    def items(self) -> Callable[[int], Items]:
        """What makes the items of a level: Triton where it runs, torch elsewhere and for LeakyStep."""
        if self.fuses():
            from cairnhub.training.losses.backends.triton import FusedItems

            return partial(FusedItems, self)
        budget = CHUNK_ELEMENTS["cuda" if self.scores.is_cuda else "cpu"]
        scratch = Scratch(self.scores, max(budget, self.scores.shape[1]))
        return partial(TorchItems, self, budget, scratch)

    def counted(self, level: int) -> tuple[Tensor, Tensor]:
        """The parts of rank and hrank that need no gradient: counts, and the item itself; (R, K)."""
        own = self.levels[level]
        relevance = self.relevance[own.query, level, None]
        if self.ranking.everywhere:  # the step will include the item itself, at t = 0, where it is 1/2
            return torch.full_like(own.score, 0.5), (0.5 * relevance).expand_as(own.score)
        rank, hrank = torch.zeros_like(own.score), torch.zeros_like(own.score)
        for other, positives in self.levels.items():  # the item itself is counted: H(0) = 1
            above = positives.ascending.shape[1] - torch.searchsorted(
                positives.ascending[own.query], own.score
            )
            if other >= level:
                rank += above
            if other <= level or self.ranking.hrank_step is None:
                hrank += torch.minimum(relevance, self.relevance[own.query, other, None]) * above
        return rank.clamp_(min=1), hrank  # padding may be above nothing


@cache
def kernels_run_on(device: torch.device) -> bool:
    """Whether Triton is installed and can build for a device: it needs a C compiler, and a GPU that it knows."""
    if find_spec("triton") is None:
        return False
    try:
        from cairnhub.training.losses.backends.triton import try_out

        try_out(device)
    except Exception as error:  # of any type: they come from Triton, the driver, the linker
        warnings.warn(f"rank losses run in plain torch, slower: Triton fails with {error!r}", stacklevel=2)
        return False
    return True


class _Level:
    """The terms of the positives at one depth, added to a block chunk by chunk."""

    def __init__(self, block: Block, level: int) -> None:
        self.block, self.own = block, block.levels[level]
        query = self.own.query
        self.constants = torch.stack([block.relevance[query, level, None], block.total[query]])
        self.per_positive = torch.stack([self.own.valid, *block.counted(level)])
        self.loss = torch.zeros_like(block.total[query])
        self.to_items = block.scores.new_zeros(len(query), block.scores.shape[1])
        self.to_self = torch.zeros_like(self.own.score)

    def add(self, compared: Comparison, rows: slice, slots: slice) -> None:
        """Add the terms of some positives, and their gradients."""
        valid, rank, hrank = self.per_positive[:, rows, slots].unbind()
        steps = compared.hrank
        hrank = hrank if steps is None else hrank + steps
        constants = self.constants[:, rows].unbind()
        terms = self.block.objective.terms(rank + compared.rank, hrank, *constants)
        self.loss[rows] += (terms.value * valid).sum(1, keepdim=True)
        if self.block.grad is not None:
            by_rank, by_hrank = terms.by_rank * valid, terms.by_hrank * valid
            self.to_items[rows] += compared.to_items(by_rank, by_hrank)
            self.to_self[rows, slots] += compared.to_self(by_rank, by_hrank)

    def close(self) -> None:
        """Hand loss and gradient to the block."""
        query, grad = self.own.query, self.block.grad
        self.block.loss.index_add_(0, query, self.loss[:, 0], alpha=-1)
        if grad is not None:
            self.to_items.scatter_add_(1, self.own.item, -self.to_self)  # padding adds 0 to item 0
            grad.index_add_(0, query, self.to_items, alpha=-1)
