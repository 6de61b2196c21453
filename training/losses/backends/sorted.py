"""Ranks of whole rows at once: what makes queries with many positives cheap.

Where the items of a row run from high to low, those above a score come first: counts, the line of a `SupStep` and the
tail of its sigmoid are sums of a prefix, and the sigmoid itself is summed through a `Grid`. A query then costs as
much as its items, not (positives x items).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from cairnhub.training.losses.sigmoid_sums import PRECISION, Grid, Nodes
from cairnhub.training.losses.surrogates import Sigmoid, SupStep

if TYPE_CHECKING:
    from cairnhub.training.losses.ranking import Block

WORTH_IT = 48  # positives per query from where on this is faster than one comparison after the other
LARGEST_WIDTH = 1000.0  # of a row of scores, in units of tau: the grid costs its square
LARGEST_EXPONENT = 700.0  # exp() of more is beyond float64
CHUNK_ELEMENTS = 1 << 18  # (query, item) scores held at once


def suits(block: Block) -> bool:
    """Whether sorted rows can do what a block asks for, and sooner than comparisons."""
    ranking, scores = block.ranking, block.scores
    if ranking.everywhere or ranking.hrank_step is not None or scores.dtype not in PRECISION:
        return False
    if block.counts[:, 1:].sum() < WORTH_IT * len(scores):
        return False
    low, high = scores.aminmax()
    width = float(high - low) / ranking.step.tau
    if width > LARGEST_WIDTH or isinstance(ranking.step, Sigmoid):
        return width <= LARGEST_WIDTH
    return _n_tail_terms(ranking.step, scores.dtype) * width / 2 < LARGEST_EXPONENT


def fill(block: Block) -> None:
    """Make a block's losses, and their gradient by the scores where it has room for one."""
    n_queries = max(1, CHUNK_ELEMENTS // block.scores.shape[1])
    for start in range(0, len(block.scores), n_queries):
        some = slice(start, start + n_queries)
        if block.has_positives[some].any():
            _fill(block, some)


def _fill(block: Block, some: slice) -> None:
    rows = Rows.of(block.scores[some], block.depth[some], block.relevance.shape[1] - 1)
    relevance, step = block.relevance[some], block.ranking.step
    parts: list[Part] = [Smooth(rows, step.tau)]
    if isinstance(step, SupStep):
        parts.append(Jump(rows, step))
    rank, hrank = rows.counted(relevance)
    rank = torch.stack([rank, *(part.push for part in parts)]).sum(0)
    own = relevance.gather(1, rows.own_depth)
    terms = block.objective.terms(rank, hrank, own, block.total[some])
    block.loss[some] -= terms.value.masked_fill(rows.padding, 0).sum(1)
    if block.grad is not None:
        by_rank = terms.by_rank.masked_fill(rows.padding, 0)
        to_items = torch.stack([part.pull(by_rank) for part in parts]).sum(0)
        to_self = by_rank * torch.stack([part.slope for part in parts]).sum(0)
        to_items.scatter_add_(1, rows.own_item, -to_self)  # padding adds 0
        block.grad[some].scatter_(1, rows.order, -to_items)


@dataclass(frozen=True)
class Rows:
    """Rows of scores from high to low, and their positives in the same order, padded on the right.

    Attributes:
        order: where each item of a row stood, (Q, N).
        key: minus the scores, rising, (Q, N).
        depth: (Q, N).
        less: 1 where an item's depth is 0; at most 1; ... at most L - 1; else 0; (Q, L, N).
        above: how many of them stand before each place, (Q, L, N + 1).
        own_item: the positives' places in the row, (Q, K), as are their key and depth.
        padding: (Q, K).
    """

    order: Tensor
    key: Tensor
    depth: Tensor
    less: Tensor
    above: Tensor
    own_item: Tensor
    own_key: Tensor
    own_depth: Tensor
    padding: Tensor

    @classmethod
    def of(cls, scores: Tensor, depth: Tensor, n_levels: int) -> Rows:
        """Sort scores (Q, N) with their depths, 0 .. n_levels."""
        key, order = (-scores).sort(1)
        depth = depth.gather(1, order).long()
        less = (depth[:, None] <= torch.arange(n_levels, device=depth.device)[:, None]).to(scores.dtype)
        query, item = depth.nonzero(as_tuple=True)
        count = query.bincount(minlength=len(depth))
        slot = torch.arange(len(query), device=depth.device) - (count.cumsum(0) - count)[query]
        own_item = depth.argmax(1, keepdim=True).repeat(1, int(count.max()))  # padded with some positive
        own_item[query, slot] = item
        padding = torch.arange(own_item.shape[1], device=depth.device) >= count[:, None]
        own_depth = depth.gather(1, own_item).clamp_(min=1)
        own_key = key.gather(1, own_item)
        return cls(order, key, depth, less, _before(less), own_item, own_key, own_depth, padding)

    @property
    def own_level(self) -> Tensor:
        """Row of `less` that holds what is less relevant than each positive, (Q, K)."""
        return self.own_depth - 1

    @property
    def level(self) -> Tensor:
        """First row of `less` that holds each item, (Q, N); for those of full depth the last."""
        return self.depth.clamp(max=self.less.shape[1] - 1)

    def counted(self, relevance: Tensor) -> tuple[Tensor, Tensor]:
        """What positives get from items that are at least as high, themselves among them, without gradient.

        Of the rank, the number of those at least as relevant; of H-rank, for relevances (Q, L + 1), all. (Q, K) each.
        """
        end = torch.searchsorted(self.key, self.own_key, right=True)
        up_to = self.above.gather(2, end[:, None].expand(-1, self.above.shape[1], -1))
        up_to = torch.cat([up_to, end[:, None].to(up_to.dtype)], 1)  # items at depth 0; at most 1; ... L
        at = torch.cat([up_to[:, :1], up_to.diff(dim=1)], 1)
        own = relevance.gather(1, self.own_depth)
        hrank = (at * torch.minimum(relevance[:, :, None], own[:, None])).sum(1)
        return up_to[:, -1] - _pick(
            up_to, self.own_level, torch.arange(end.shape[1], device=end.device)
        ), hrank


class Part(Protocol):
    """A part of the step, summed over the items that are less relevant than each positive."""

    @property
    def push(self) -> Tensor:
        """How far the items push each positive, (Q, K)."""

    @property
    def slope(self) -> Tensor:
        """Derivative of `push` by the differences of scores, all items together, (Q, K)."""

    def pull(self, by: Tensor) -> Tensor:
        """Gradient by the items, (Q, N), from that by `push`, (Q, K)."""


class Smooth:
    """`Part`: a sigmoid everywhere."""

    def __init__(self, rows: Rows, tau: float) -> None:
        self.rows, self.tau = rows, tau
        items, positives = rows.key / -tau, rows.own_key / -tau
        bottom, top = positives.aminmax()
        top = torch.minimum(items.where(rows.less[:, -1] > 0, bottom).max(), top)
        reach = PRECISION[items.dtype].reach  # beyond it a sigmoid is 0 or 1, wherever the item is
        grid = Grid(float(bottom) - reach, float(top) + reach, items)
        self.items, self.positives, self.sigmoid = Nodes(grid, items), Nodes(grid, positives), grid.sigmoid
        n_levels = rows.less.shape[1]
        spread = self.items.spread(rows.depth, n_levels + 1)[:, :n_levels]
        field = spread.cumsum(1) @ self.sigmoid
        self.push = self.positives.value(field, rows.own_level)
        self.slope = self.positives.slope(field, rows.own_level) / -tau

    def pull(self, by: Tensor) -> Tensor:
        """See `Part`."""
        spread = self.positives.spread(self.rows.own_level, self.rows.less.shape[1], by)
        field = spread.flip(1).cumsum(1).flip(1) @ self.sigmoid.T
        return self.items.slope(field, self.rows.level) * (self.rows.less[:, -1] / self.tau)


class Jump:
    """`Part`: what a `SupStep` adds to the sigmoid: `start` above 0, and the line in its place beyond delta.

    The sigmoid that the line replaces is 1 - exp(-z) + exp(-2z) - ... for z = t / tau, a few terms of which are
    enough; so its sum, as that of the line, is one over all items that stand before a place in the row.
    """

    def __init__(self, rows: Rows, step: SupStep) -> None:
        self.rows, self.step = rows, step
        delta, level = step.delta or 0.0, rows.own_level
        self.beyond = torch.searchsorted(rows.key, rows.own_key - delta)  # where that prefix ends, (Q, K)
        n_above = _pick(rows.above, level, torch.searchsorted(rows.key, rows.own_key))
        n_beyond = _pick(rows.above, level, self.beyond)
        scores = _pick(_before(rows.less * -rows.key[:, None]), level, self.beyond)
        line = scores + n_beyond * (rows.own_key - delta)
        # exp(-z) of an item and a positive is a product; a common shift keeps both factors within float64
        middle = (rows.key[:, :1] + rows.key[:, -1:]).double() / 2
        self.item_factor = ((rows.key - middle) / step.tau).exp()
        self.own_factor = ((middle - rows.own_key) / step.tau).exp()
        tail, tail_slope = torch.zeros_like(self.own_factor), torch.zeros_like(self.own_factor)
        self.n_terms = int(_n_tail_terms(step, rows.key.dtype))
        items, own = rows.less.double(), torch.ones_like(self.own_factor)
        for term in range(1, self.n_terms + 1):
            items, own = items * self.item_factor[:, None], own * -self.own_factor
            share = _pick(_before(items), level, self.beyond) * own
            tail, tail_slope = tail - share, tail_slope + term * share
        self.push = step.start * n_above + step.rho * line + tail.to(line.dtype)
        self.push += (step.intercept - step.start - 1) * n_beyond
        self.slope = step.rho * n_beyond + (tail_slope / step.tau).to(line.dtype)

    def pull(self, by: Tensor) -> Tensor:
        """See `Part`."""
        rows, step = self.rows, self.step
        n_levels, n_items = rows.less.shape[1:]
        more = rows.own_level[:, None] >= torch.arange(n_levels, device=by.device)[:, None]
        # positives that an item is beyond are the last ones of the row: their number, from the prefixes' ends
        ends = self.beyond.masked_fill(rows.padding, n_items)
        first = torch.zeros_like(rows.above[:, 0]).scatter_add_(1, ends, torch.ones_like(by))
        first = first.cumsum(1)[:, :n_items].long()
        line = step.rho * _pick(_from(more * by[:, None]), rows.level, first)
        own, items = more * by.double()[:, None], torch.ones_like(self.item_factor)
        tail = torch.zeros_like(self.item_factor)
        for term in range(1, self.n_terms + 1):
            own, items = own * self.own_factor[:, None], items * -self.item_factor
            tail += term * items * _pick(_from(own), rows.level, first)
        return (line + (tail / step.tau).to(line.dtype)) * rows.less[:, -1]


def _n_tail_terms(step: SupStep, dtype: torch.dtype) -> float:
    """How many powers of exp(-z) make up a sigmoid beyond delta; no number is enough without a delta."""
    return math.ceil(PRECISION[dtype].reach / (step.delta / step.tau)) - 1 if step.delta else math.inf


def _before(values: Tensor) -> Tensor:
    """Sum of what stands before each place, and of everything; (..., N) gives (..., N + 1)."""
    sums = values.new_zeros(*values.shape[:-1], values.shape[-1] + 1)
    torch.cumsum(values, -1, out=sums[..., 1:])
    return sums


def _from(values: Tensor) -> Tensor:
    """Sum of what stands at each place and after it, and 0; (..., N) gives (..., N + 1)."""
    return _before(values.flip(-1)).flip(-1)


def _pick(sums: Tensor, level: Tensor, place: Tensor) -> Tensor:
    """Of sums (Q, L, N), one per level and place, (Q, K) each."""
    return sums.flatten(1).gather(1, level * sums.shape[2] + place)
