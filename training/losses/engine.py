"""The differentiable rank that every rank loss shares, with a hand-written backward pass.

A loss here is ``1 - sum over positives k of term(rank(k), hrank(k))``. Three facts keep it small and fast:

- Only positives need a rank: (positives x gallery) differences per query, never (gallery x gallery).
- Steps without gradient are counts: sort the positives of each depth once, then search.
- A term needs nothing but its own rank, so value and gradient come out of one pass over a chunk of
  differences that still sits in cache; nothing of that size is kept for the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from training.losses.steps import LeakyStep, Step

CHUNK_ELEMENTS = {
    "cpu": 1 << 17,
    "cuda": 1 << 24,
}  # differences held at once: what a cache holds, what fills a GPU


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
    """The positives at one depth: a row per query, padded on the right to the longest row.

    Attributes:
        item: index into the gallery, (Q, K).
        valid: False at padding, (Q, K).
        score: scores, -inf at padding, (Q, K).
        ascending: `score` with each row sorted.
    """

    item: Tensor
    valid: Tensor
    score: Tensor
    ascending: Tensor

    @classmethod
    def under(cls, mask: Tensor, scores: Tensor) -> Positives:
        """Collect the items under `mask` (Q, N)."""
        count = mask.sum(1)
        query, item = mask.nonzero(as_tuple=True)
        slot = torch.arange(len(query), device=mask.device) - (count.cumsum(0) - count)[query]
        padded = item.new_zeros(len(mask), int(count.max()))
        padded[query, slot] = item
        valid = torch.arange(padded.shape[1], device=mask.device) < count[:, None]
        score = scores.gather(1, padded).masked_fill_(~valid, -torch.inf)
        return cls(padded, valid, score, score.sort(1).values)

    def at_or_above(self, score: Tensor) -> Tensor:
        """How many of these items score at least `score` (Q, M)."""
        return self.ascending.shape[1] - torch.searchsorted(self.ascending, score.contiguous())


class Block:
    """Losses of a block of queries, and their gradient by the scores.

    Attributes:
        loss: per query, (Q,); 0 without positives.
        has_positives: (Q,).
        grad: derivative of each loss by its row of scores, (Q, N); None unless asked for.
    """

    def __init__(
        self, scores: Tensor, depth: Tensor, n_levels: int, objective: Objective, ranking: Ranking
    ) -> None:
        self.scores, self.depth, self.objective, self.ranking = scores, depth, objective, ranking
        masks = {level: depth == level for level in range(1, n_levels + 1)}
        positives = torch.stack([mask.sum(1) for mask in masks.values()], 1)
        others = scores.shape[1] - positives.sum(1, keepdim=True)
        counts = torch.cat([others, positives], 1).to(scores.dtype)
        self.relevance = objective.relevance(counts)
        self.total = objective.total(counts, self.relevance, depth)
        self.has_positives = positives.any(1)
        self.levels = {k: Positives.under(mask, scores) for k, mask in masks.items() if mask.any()}
        self.loss = self.has_positives.to(scores.dtype)
        self.grad: Tensor | None = None

    def run(self, with_grad: bool) -> Block:
        """Fill `loss`, and `grad` where asked for."""
        self.grad = torch.zeros_like(self.scores) if with_grad else None
        for level, positives in self.levels.items():
            rank, hrank = self._counted(level)
            row = (
                self.scores
                if self.ranking.everywhere
                else self.scores.masked_fill(self.depth >= level, -torch.inf)
            )
            for queries, width in _chunks(positives.valid.sum(1), self.scores.shape[1]):
                self._add(level, queries, width, row[queries], rank[queries, :width], hrank[queries, :width])
        return self

    def _counted(self, level: int) -> tuple[Tensor, Tensor]:
        """The parts of rank and hrank that need no gradient: counts, and the item itself."""
        score, own = self.levels[level].score, self.relevance[:, level, None]
        if self.ranking.everywhere:  # the step will include the item itself, at t = 0, where it is 1/2
            return torch.full_like(score, 0.5), (0.5 * own).expand_as(score)
        rank, hrank = torch.zeros_like(score), torch.zeros_like(score)
        for other, positives in self.levels.items():  # the item itself is counted: H(0) = 1
            above = positives.at_or_above(score)
            if other >= level:
                rank += above
            if other <= level or self.ranking.hrank_step is None:
                hrank += torch.minimum(own, self.relevance[:, other, None]) * above
        return rank, hrank

    def _add(self, level: int, queries: Tensor, width: int, row: Tensor, rank: Tensor, hrank: Tensor) -> None:
        """Add the terms of a chunk: the positives at `level` of some queries, against every item."""
        own = self.levels[level]
        item, valid = own.item[queries, :width], own.valid[queries, :width]
        score = own.score[queries, :width].masked_fill(~valid, 0.0)
        value, slope = self.ranking.step(row[:, None, :] - score[:, :, None])
        rank = rank + value.sum(2)
        weight = None
        if self.ranking.everywhere:
            capped = self.relevance[queries].clamp(max=self.relevance[queries, level, None])
            weight = capped.gather(1, self.depth[queries].long())
            hrank = hrank + (value @ weight[:, :, None])[:, :, 0]
        hrank, leaks = self._leak(level, queries, score, hrank)
        terms = self.objective.terms(rank, hrank, self.relevance[queries, level, None], self.total[queries])
        self.loss.index_add_(0, queries, terms.value.masked_fill(~valid, 0.0).sum(1), alpha=-1)
        if self.grad is None:
            return
        by_rank, by_hrank = terms.by_rank.masked_fill(~valid, 0.0), terms.by_hrank.masked_fill(~valid, 0.0)
        to_items = (by_rank[:, None, :] @ slope)[:, 0]
        to_self = by_rank * slope.sum(2)
        if weight is not None:
            to_items += (by_hrank[:, None, :] @ slope)[:, 0] * weight
            to_self += by_hrank * (slope @ weight[:, :, None])[:, :, 0]
        self.grad.index_add_(0, queries, to_items, alpha=-1)
        for other, leak_slope in leaks.items():
            spread = by_hrank[:, :, None] * leak_slope
            self._scatter(queries, self.levels[other].item[queries], -spread.sum(1))
            to_self += spread.sum(2)
        self._scatter(queries, item, to_self)

    def _leak(
        self, level: int, queries: Tensor, score: Tensor, hrank: Tensor
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """H-rank's differentiable part: the more relevant items, and its slopes by their differences."""
        slopes: dict[int, Tensor] = {}
        if self.ranking.hrank_step is None:
            return hrank, slopes
        for other, positives in self.levels.items():
            if other <= level:
                continue
            valid = positives.valid[queries][:, None, :]
            t = positives.score[queries][:, None, :].masked_fill(~valid, 0.0) - score[:, :, None]
            value, slope = self.ranking.hrank_step(t)
            shared = self.relevance[queries][:, [level, other]].amin(1)[:, None, None] * valid
            hrank = hrank + (value * shared).sum(2)
            slopes[other] = slope * shared
        return hrank, slopes

    def _scatter(self, queries: Tensor, item: Tensor, values: Tensor) -> None:
        """Add `values` (R, K) to the gradient at `item` (R, K) of the rows `queries` (R,)."""
        assert self.grad is not None
        flat = queries[:, None] * self.grad.shape[1] + item
        self.grad.view(-1).index_add_(0, flat.reshape(-1), values.reshape(-1))


def _chunks(count: Tensor, n_items: int) -> Iterator[tuple[Tensor, int]]:
    """Split queries into chunks of about CHUNK_ELEMENTS differences; yields (queries, longest row).

    Queries with as many positives go together, so that little is padded.
    """
    budget = CHUNK_ELEMENTS["cuda" if count.is_cuda else "cpu"]
    order = count.argsort(stable=True)
    widths: list[int] = count[order].tolist()
    start = next((i for i, width in enumerate(widths) if width), len(widths))
    while start < len(widths):
        stop = start + 1
        while stop < len(widths) and (stop + 1 - start) * widths[stop] * n_items <= budget:
            stop += 1
        yield order[start:stop], widths[stop - 1]
        start = stop
