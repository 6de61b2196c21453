"""All ranks of one depth in two Triton kernels, for CUDA: the differences live in registers only.

The torch path writes a chunk of differences (queries x positives x items) to memory several times over. Here one
kernel adds up steps and slopes over the items, and one adds up the gradient over the positives. Every sum has one
owner and a fixed order: no atomics, the same bits each time. Sums are kept in the type of the scores.

Needs triton, which torch's CUDA wheels bring; `ranking.py` imports this module only where it will run.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
import triton
import triton.language as tl
from torch import Tensor

from cairnhub.training.losses.comparison import QueryBlock, fill
from cairnhub.training.losses.objectives import Objective
from cairnhub.training.losses.surrogates import Ranking, Step, SupStep

TILE = 1024  # differences that a program holds at once, 8 to a thread
PUSH_POSITIVES, PULL_POSITIVES = 16, 2  # in a tile at most; items fill it
LOG2_E = tl.constexpr(1.4426950408889634)


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
def _step(t, TAU, RHO, DELTA, START, ORIGIN):
    """SupStep of differences, and its slope times tau; both 0 at -inf. With DELTA at infinity, Sigmoid."""
    sigmoid = 1 / (1 + tl.exp2(t * (-LOG2_E / TAU)))
    near = tl.where(t > 0, sigmoid + START, sigmoid)  # a constant by itself would be rounded to float32
    beyond = t > DELTA
    return tl.where(beyond, RHO * t + ORIGIN, near), tl.where(beyond, RHO * TAU, sigmoid - sigmoid * sigmoid)


@triton.jit(do_not_specialize=["n_slots", "n_items", "n_depths"])
def _push(
    sums, scores, depths, relevance, query, count, positives, n_slots, n_items, n_depths,
    LEVEL: tl.constexpr, EVERYWHERE: tl.constexpr, TAU: tl.constexpr, RHO: tl.constexpr,
    DELTA: tl.constexpr, START: tl.constexpr, ORIGIN: tl.constexpr,
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
        value, slope = _step(t, TAU, RHO, DELTA, START, ORIGIN)
        total += value
        slopes += slope
        if EVERYWHERE:
            weighted += value * weight[None, :]
            weighted_slopes += slope * weight[None, :]
    out, kept = sums + base * (4 if EVERYWHERE else 2) + slot, slot < n_slots
    tl.store(out, tl.sum(total, 1), mask=kept)
    tl.store(out + n_slots, tl.sum(slopes, 1) / TAU, mask=kept)
    if EVERYWHERE:
        tl.store(out + 2 * n_slots, tl.sum(weighted, 1), mask=kept)
        tl.store(out + 3 * n_slots, tl.sum(weighted_slopes, 1) / TAU, mask=kept)


@triton.jit(do_not_specialize=["n_slots", "n_items", "n_depths"])
def _pull(
    to_items, by_rank, by_hrank, scores, depths, relevance, query, count, positives, n_slots, n_items, n_depths,
    LEVEL: tl.constexpr, EVERYWHERE: tl.constexpr, TAU: tl.constexpr, RHO: tl.constexpr,
    DELTA: tl.constexpr, START: tl.constexpr, ORIGIN: tl.constexpr,
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
        _value, slope = _step(t, TAU, RHO, DELTA, START, ORIGIN)
        pull += by * slope
    out = to_items + tl.program_id(0).to(tl.int64) * n_items + item
    tl.store(out, tl.sum(pull, 0) / TAU, mask=item < n_items)


@triton.jit
def _one(out):
    """Store 1."""
    tl.store(out, 1.0)


def try_out(device: torch.device) -> None:
    """Raise whatever keeps Triton from running on a device."""
    out = torch.zeros(1, device=device)
    with torch.cuda.device_of(out):
        _one[(1,)](out)
    out.item()  # waits for it


def losses(
    scores: Tensor, depth: Tensor, counts: Tensor, objective: Objective, ranking: Ranking, with_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """Losses of ranks, and their gradient; a `Backend` (see `ranking.py`) without `hrank_step`."""
    block = QueryBlock(scores, depth, counts, objective, ranking)
    return fill(block, partial(FusedItems, block), with_grad)


@dataclass(frozen=True)
class FusedComparison:
    """What all items do to all positives of one depth; `Comparison` in two kernels.

    Attributes:
        sums: over the items, of steps, slopes and, with a step for every item, both times the weight in hrank:
            (R, 2 or 4, K).
        items: that were compared.
    """

    sums: Tensor
    items: FusedItems

    @property
    def rank(self) -> Tensor:
        """See `Comparison`."""
        return self.sums[:, 0]

    @property
    def hrank(self) -> Tensor | None:
        """See `Comparison`."""
        return self.sums[:, 2] if self.sums.shape[1] == 4 else None

    def to_items(self, by_rank: Tensor, by_hrank: Tensor) -> Tensor:
        """See `Comparison`."""
        return self.items.pull(by_rank.contiguous(), by_hrank.contiguous())

    def to_self(self, by_rank: Tensor, by_hrank: Tensor) -> Tensor:
        """See `Comparison`."""
        pull = by_rank * self.sums[:, 1]
        return pull.addcmul_(by_hrank, self.sums[:, 3]) if self.sums.shape[1] == 4 else pull


class FusedItems:
    """The items of a block against its positives at one depth; `Items` in one piece."""

    def __init__(self, block: QueryBlock, depth: int) -> None:
        own, ranking, relevance = block.positives[depth], block.ranking, block.relevance.contiguous()
        (self.n_rows, self.n_slots), self.n_items = own.item.shape, block.scores.shape[1]
        self.everywhere, self.like = ranking.everywhere, own.score
        tensors = (block.scores, block.depth, relevance, own.query, own.count, own.score)
        sizes = (self.n_slots, self.n_items, relevance.shape[1])
        self.arguments = (*tensors, *sizes, depth, ranking.everywhere, *_constants(ranking.step))

    def chunks(self) -> Iterator[tuple[slice, slice]]:
        """One: nothing of the size of the differences is stored."""
        yield slice(None), slice(None)

    def compare(self, rows: slice, slots: slice) -> FusedComparison:
        """Compare all positives."""
        sums = self.like.new_empty(self.n_rows, 4 if self.everywhere else 2, self.n_slots)
        n_positives, n_items = self._tile(PUSH_POSITIVES)
        with torch.cuda.device_of(sums):
            grid = (self.n_rows, triton.cdiv(self.n_slots, n_positives))
            _push[grid](sums, *self.arguments, n_positives, n_items)
        return FusedComparison(sums, self)

    def pull(self, by_rank: Tensor, by_hrank: Tensor) -> Tensor:
        """Gradient by the items, (R, N), from those by rank and by hrank, (R, K)."""
        out = by_rank.new_empty(self.n_rows, self.n_items)
        n_positives, n_items = self._tile(PULL_POSITIVES)
        with torch.cuda.device_of(out):
            grid = (self.n_rows, triton.cdiv(self.n_items, n_items))
            _pull[grid](out, by_rank, by_hrank, *self.arguments, n_positives, n_items)
        return out

    def _tile(self, most: int) -> tuple[int, int]:
        """Positives and items of a tile."""
        n_positives = min(most, triton.next_power_of_2(self.n_slots))
        return n_positives, TILE // n_positives


def _constants(step: Step) -> tuple[float, ...]:
    """Of `_step`: tau, and the line's slope, beginning, start and height at 0."""
    if isinstance(step, SupStep):
        delta = step.delta or 0.0
        return step.tau, step.rho, delta, step.start, step.intercept - step.rho * delta
    return step.tau, 0.0, float("inf"), 0.0, 0.0
