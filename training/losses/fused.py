"""All ranks of one depth in two Triton kernels, for CUDA: the differences live in registers only.

The torch path writes a chunk of differences (queries x positives x items) to memory several times over. Here one
kernel adds up steps and slopes over the items, and one adds up the gradient over the positives. Every sum has one
owner and a fixed order: no atomics, the same bits each time. Sums are kept in the type of the scores.

Needs triton, which torch's CUDA wheels bring; the engine imports this module only where it will run.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl
from torch import Tensor

from training.losses.steps import SupStep

if TYPE_CHECKING:
    from training.losses.engine import Block

TILE = 1024  # differences that a program holds at once, 8 to a thread
MOST_POSITIVES = 16  # in a tile
NO_LINE = (0.0, float("inf"), 0.0, 0.0)  # SupStep's rho, delta, start and intercept that make it a Sigmoid


@triton.jit
def _items(scores, depths, relevance, row, item, n_items, n_depths, LEVEL, EVERYWHERE):
    """Scores of items, -inf where they push nobody, and what each adds to hrank (EVERYWHERE only)."""
    depth = tl.load(depths + row * n_items + item, mask=item < n_items, other=LEVEL)
    score = tl.load(scores + row * n_items + item, mask=item < n_items, other=-float("inf"))
    weight = score
    if EVERYWHERE:
        own = tl.load(relevance + row * n_depths + LEVEL)
        weight = tl.minimum(tl.load(relevance + row * n_depths + depth), own)
    else:
        score = tl.where(depth < LEVEL, score, -float("inf"))
    return score, weight


@triton.jit
def _step(t, INVERSE_TAU, RHO, DELTA, START, INTERCEPT):
    """SupStep of differences and its slope, both 0 at -inf; with DELTA at infinity, Sigmoid."""
    sigmoid = tl.sigmoid(t * INVERSE_TAU)
    beyond = t > DELTA
    value = tl.where(beyond, RHO * (t - DELTA) + INTERCEPT, sigmoid + tl.where(t > 0, START, 0.0))
    return value, tl.where(beyond, RHO, sigmoid * (1 - sigmoid) * INVERSE_TAU)


@triton.jit(do_not_specialize=["n_slots", "n_items", "n_depths"])
def _push(
    sums, scores, depths, relevance, query, count, positives, n_slots, n_items, n_depths,
    LEVEL: tl.constexpr, EVERYWHERE: tl.constexpr, INVERSE_TAU: tl.constexpr, RHO: tl.constexpr,
    DELTA: tl.constexpr, START: tl.constexpr, INTERCEPT: tl.constexpr,
    POSITIVES: tl.constexpr, ITEMS: tl.constexpr,
):  # fmt: skip
    """One query's next POSITIVES positives: steps and slopes of all items, plain and (EVERYWHERE) weighted."""
    row = tl.load(query + tl.program_id(0))
    slot = tl.program_id(1) * POSITIVES + tl.arange(0, POSITIVES)
    base = tl.program_id(0).to(tl.int64) * n_slots
    n_own = tl.load(count + tl.program_id(0))
    own = tl.load(positives + base + slot, mask=slot < n_own, other=float("inf"))  # nobody pushes padding
    n_to_see = tl.where(tl.program_id(1) * POSITIVES < n_own, n_items, 0)
    total = tl.zeros([POSITIVES, ITEMS], own.dtype)
    slopes = tl.zeros([POSITIVES, ITEMS], own.dtype)
    weighted = tl.zeros([POSITIVES, ITEMS], own.dtype)
    weighted_slopes = tl.zeros([POSITIVES, ITEMS], own.dtype)
    for first in range(0, n_to_see, ITEMS):
        item = first + tl.arange(0, ITEMS)
        score, weight = _items(scores, depths, relevance, row, item, n_items, n_depths, LEVEL, EVERYWHERE)
        t = score[None, :] - own[:, None]
        value, slope = _step(t, INVERSE_TAU, RHO, DELTA, START, INTERCEPT)
        total += value
        slopes += slope
        if EVERYWHERE:
            weighted += value * weight[None, :]
            weighted_slopes += slope * weight[None, :]
    out, kept = sums + base * (4 if EVERYWHERE else 2) + slot, slot < n_slots
    tl.store(out, tl.sum(total, 1), mask=kept)
    tl.store(out + n_slots, tl.sum(slopes, 1), mask=kept)
    if EVERYWHERE:
        tl.store(out + 2 * n_slots, tl.sum(weighted, 1), mask=kept)
        tl.store(out + 3 * n_slots, tl.sum(weighted_slopes, 1), mask=kept)


@triton.jit(do_not_specialize=["n_slots", "n_items", "n_depths"])
def _pull(
    to_items, by_rank, by_hrank, scores, depths, relevance, query, count, positives, n_slots, n_items, n_depths,
    LEVEL: tl.constexpr, EVERYWHERE: tl.constexpr, INVERSE_TAU: tl.constexpr, RHO: tl.constexpr,
    DELTA: tl.constexpr, START: tl.constexpr, INTERCEPT: tl.constexpr,
    POSITIVES: tl.constexpr, ITEMS: tl.constexpr,
):  # fmt: skip
    """One query's next ITEMS items: their gradient from that of all its positives."""
    row = tl.load(query + tl.program_id(0))
    item = tl.program_id(1) * ITEMS + tl.arange(0, ITEMS)
    score, weight = _items(scores, depths, relevance, row, item, n_items, n_depths, LEVEL, EVERYWHERE)
    n_own = tl.load(count + tl.program_id(0))
    base = tl.program_id(0).to(tl.int64) * n_slots
    pull = tl.zeros([POSITIVES, ITEMS], score.dtype)
    for first in range(0, n_own, POSITIVES):
        slot = first + tl.arange(0, POSITIVES)
        own = tl.load(positives + base + slot, mask=slot < n_own, other=float("inf"))
        by = tl.load(by_rank + base + slot, mask=slot < n_own, other=0.0)[:, None]
        if EVERYWHERE:
            by += tl.load(by_hrank + base + slot, mask=slot < n_own, other=0.0)[:, None] * weight[None, :]
        t = score[None, :] - own[:, None]
        _value, slope = _step(t, INVERSE_TAU, RHO, DELTA, START, INTERCEPT)
        pull += by * slope
    out = to_items + tl.program_id(0).to(tl.int64) * n_items + item
    tl.store(out, tl.sum(pull, 0), mask=item < n_items)


@dataclass(frozen=True)
class FusedComparison:
    """What all items do to all positives of one depth; `compare.Comparison` in two kernels.

    Attributes:
        sums: added over the items: steps, slopes and, with a step for every item, both times the weight in hrank,
            (R, 2 or 4, K).
        arguments: of both kernels.
        shape: of the items, (R, N).
        grid: programs of a row that share its items.
    """

    sums: Tensor
    arguments: tuple[object, ...]
    shape: tuple[int, int]
    grid: tuple[int, int]

    @property
    def rank(self) -> Tensor:
        """How far the items push each positive, (R, K)."""
        return self.sums[:, 0]

    @property
    def hrank(self) -> Tensor | None:
        """What they add to hrank by steps, (R, K)."""
        return self.sums[:, 2] if self.sums.shape[1] == 4 else None

    def to_items(self, by_rank: Tensor, by_hrank: Tensor) -> Tensor:
        """Gradient by the items (R, N), from those by rank and hrank (R, K)."""
        out = self.sums.new_empty(self.shape)
        with torch.cuda.device_of(out):
            _pull[self.grid](out, by_rank.contiguous(), by_hrank.contiguous(), *self.arguments)
        return out

    def to_self(self, by_rank: Tensor, by_hrank: Tensor) -> Tensor:
        """Gradient by the positives, (R, K), to be taken away."""
        to_self = by_rank * self.sums[:, 1]
        return to_self.addcmul_(by_hrank, self.sums[:, 3]) if self.sums.shape[1] == 4 else to_self


class FusedItems:
    """The items of a block against its positives at one depth; `compare.Items` in one piece."""

    def __init__(self, block: Block, level: int) -> None:
        own, ranking = block.levels[level], block.ranking
        (n_rows, n_slots), n_items = own.item.shape, block.scores.shape[1]
        step, n_positives = ranking.step, min(MOST_POSITIVES, triton.next_power_of_2(n_slots))
        line = (
            (step.rho, step.delta or 0.0, step.start, step.intercept)
            if isinstance(step, SupStep)
            else NO_LINE
        )
        tensors = (block.scores, block.depth, block.relevance.contiguous(), own.query, own.count, own.score)
        sizes = (n_slots, n_items, block.relevance.shape[1])
        constants = (level, ranking.everywhere, 1 / step.tau, *line, n_positives, TILE // n_positives)
        self.arguments = (*tensors, *sizes, *constants)
        self.shape, self.grid = (n_rows, n_items), (n_rows, triton.cdiv(n_items, TILE // n_positives))
        self.sums = own.score.new_empty(n_rows, 4 if ranking.everywhere else 2, n_slots)
        self.push_grid = (n_rows, triton.cdiv(n_slots, n_positives))

    def chunks(self) -> Iterator[tuple[slice, slice]]:
        """One: nothing of the size of the differences is stored."""
        yield slice(None), slice(None)

    def compare(self, rows: slice, slots: slice) -> FusedComparison:
        """Rank the positives."""
        with torch.cuda.device_of(self.sums):
            _push[self.push_grid](self.sums, *self.arguments)
        return FusedComparison(self.sums, self.arguments, self.shape, self.grid)
