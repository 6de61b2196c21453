"""Queries whose items are to be ranked, their positives depth by depth, and what of a rank is a mere count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from cairnhub.training.losses.objectives import Objective
from cairnhub.training.losses.surrogates import Ranking


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
