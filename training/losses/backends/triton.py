"""Ranks of all depths and their gradient in three Triton kernels, for CUDA: the differences live in registers only.

A tile of the similarity matrix is a block of queries against all items. It is made once: from it come the losses
and, before the next tile takes its memory, their gradient. The items of a query are sorted by match depth, then by
score, which leaves little to do:

- its positives are the last items, those less relevant than a positive the first ones;
- an exact count (a step without gradient) is a binary search in each depth's run of ascending scores;
- items too far below a positive to push it are the beginning of a run, and are not looked at.

`_count` searches, `_push` adds up steps and slopes over the items, `_pull` adds up the gradient over the positives.
Every sum has one owner and a fixed order: no atomics, the same bits each time. Sums are kept in the type of the
scores. What is stored has the size of the tile, whatever the number of positives.

Needs triton, which torch's CUDA wheels bring; `ranking.py` imports this module only where it will run.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from cairnhub.training.losses.objectives import Objective
from cairnhub.training.losses.surrogates import Ranking, Step, SupStep

TILE = 1024  # differences that a program holds at once, 8 to a thread
PUSH_POSITIVES, PULL_POSITIVES = 16, 2  # in a tile at most; items fill it
COUNT_POSITIVES = 128  # a program searches for, one to a thread
N_WARPS = 4  # of a program that holds a tile
REACH = {
    torch.float32: 32.0,
    torch.float64: 64.0,
}  # taus below a positive; the sigmoid's rest is nothing beside 1
LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def _step(t, TAU, RHO, DELTA, START, ORIGIN):
    """SupStep of differences, and its slope times tau; both 0 at -inf. With DELTA at infinity, Sigmoid."""
    sigmoid = 1 / (1 + tl.exp2(t * (-LOG2_E / TAU)))
    near = tl.where(t > 0, sigmoid + START, sigmoid)  # a constant by itself would be rounded to float32
    beyond = t > DELTA
    return tl.where(beyond, RHO * t + ORIGIN, near), tl.where(beyond, RHO * TAU, sigmoid - sigmoid * sigmoid)


@triton.jit
def _search(scores, low, high, bound, n_halvings):
    """The first place of low..high, where scores ascend, whose score is at least `bound`; else `high`."""
    for _halving in range(n_halvings):
        undecided = low < high
        middle = (low + high) // 2
        below = tl.load(scores + middle, mask=undecided, other=float("inf")) < bound
        low = tl.where(undecided & below, middle + 1, low)
        high = tl.where(undecided & (below == 0), middle, high)
    return low


@triton.jit
def _positives(scores, depths, relevance, slot, n_items, n_slots):
    """Score of the positives in some slots of a row, inf where there is none, depth and relevance."""
    place = n_items - n_slots + slot
    depth = tl.load(depths + place, mask=slot < n_slots, other=0).to(tl.int32)
    score = tl.load(scores + place, mask=slot < n_slots, other=float("inf"))
    return tl.where(depth > 0, score, float("inf")), depth, tl.load(relevance + depth)


@triton.jit(do_not_specialize=["n_items", "n_slots", "n_depths", "n_halvings"])
def _count(
    counted, scores, depths, starts, relevance, n_items, n_slots, n_depths, n_halvings, POSITIVES: tl.constexpr
):  # fmt: skip
    """One query's next POSITIVES positives: how many are above each, and what they add to hrank; ties are above."""
    row = tl.program_id(0).to(tl.int64)
    scores, depths, relevance = scores + row * n_items, depths + row * n_items, relevance + row * n_depths
    slot = tl.program_id(1) * POSITIVES + tl.arange(0, POSITIVES)
    own, own_depth, own_relevance = _positives(scores, depths, relevance, slot, n_items, n_slots)
    rank = tl.zeros([POSITIVES], own.dtype)
    hrank = tl.zeros([POSITIVES], own.dtype)
    for depth in range(1, n_depths):
        run = starts + row * (n_depths + 1) + depth
        start = tl.zeros([POSITIVES], tl.int32) + tl.load(run)
        end = tl.zeros([POSITIVES], tl.int32) + tl.load(run + 1)
        above = (end - _search(scores, start, end, own, n_halvings)).to(own.dtype)
        rank += tl.where(own_depth <= depth, above, 0.0)
        hrank += tl.minimum(own_relevance, tl.load(relevance + depth)) * above
    out = counted + row * 2 * n_slots + slot
    tl.store(out, rank, mask=slot < n_slots)
    tl.store(out + n_slots, hrank, mask=slot < n_slots)


@triton.jit(do_not_specialize=["n_items", "n_slots", "n_depths", "n_halvings"])
def _push(
    sums, scores, depths, starts, relevance, n_items, n_slots, n_depths, n_halvings,
    EVERYWHERE: tl.constexpr, TAU: tl.constexpr, RHO: tl.constexpr, DELTA: tl.constexpr, START: tl.constexpr,
    ORIGIN: tl.constexpr, REACH: tl.constexpr, POSITIVES: tl.constexpr, ITEMS: tl.constexpr,
):  # fmt: skip
    """One query's next POSITIVES positives: steps and slopes of all items, plain and (EVERYWHERE) weighted."""
    row = tl.program_id(0).to(tl.int64)
    scores, depths, relevance = scores + row * n_items, depths + row * n_items, relevance + row * n_depths
    slot = tl.program_id(1) * POSITIVES + tl.arange(0, POSITIVES)
    own, own_depth, own_relevance = _positives(scores, depths, relevance, slot, n_items, n_slots)
    total = tl.zeros([POSITIVES, ITEMS], own.dtype)
    slopes = tl.zeros([POSITIVES, ITEMS], own.dtype)
    weighted = tl.zeros([POSITIVES, ITEMS], own.dtype)
    weighted_slopes = tl.zeros([POSITIVES, ITEMS], own.dtype)
    for depth in range(n_depths if EVERYWHERE else tl.max(own_depth)):
        pushed = own
        weight = own
        if EVERYWHERE:
            weight = tl.minimum(own_relevance, tl.load(relevance + depth))
        else:
            pushed = tl.where(own_depth > depth, own, float("inf"))  # out of this run's reach
        run = starts + row * (n_depths + 1) + depth
        end = tl.load(run + 1)
        seen = _search(scores, tl.load(run), end, tl.min(pushed) - REACH, n_halvings)
        for first in range(seen, end, ITEMS):
            item = first + tl.arange(0, ITEMS)
            score = tl.load(scores + item, mask=item < end, other=-float("inf"))
            value, slope = _step(score[None, :] - pushed[:, None], TAU, RHO, DELTA, START, ORIGIN)
            total += value
            slopes += slope
            if EVERYWHERE:
                weighted += value * weight[:, None]
                weighted_slopes += slope * weight[:, None]
    out, kept = sums + row * n_slots * (4 if EVERYWHERE else 2) + slot, slot < n_slots
    tl.store(out, tl.sum(total, 1), mask=kept)
    tl.store(out + n_slots, tl.sum(slopes, 1) / TAU, mask=kept)
    if EVERYWHERE:
        tl.store(out + 2 * n_slots, tl.sum(weighted, 1), mask=kept)
        tl.store(out + 3 * n_slots, tl.sum(weighted_slopes, 1) / TAU, mask=kept)


@triton.jit(do_not_specialize=["n_items", "n_slots", "n_depths", "n_halvings"])
def _pull(
    grad, order, by_rank, by_hrank, by_self, scores, depths, starts, relevance, n_items, n_slots, n_depths, n_halvings,
    EVERYWHERE: tl.constexpr, TAU: tl.constexpr, RHO: tl.constexpr, DELTA: tl.constexpr, START: tl.constexpr,
    ORIGIN: tl.constexpr, REACH: tl.constexpr, POSITIVES: tl.constexpr, ITEMS: tl.constexpr,
):  # fmt: skip
    """One query's next ITEMS items: the loss's gradient by them, stored in the order in which they came."""
    row = tl.program_id(0).to(tl.int64)
    scores, depths, relevance = scores + row * n_items, depths + row * n_items, relevance + row * n_depths
    item = tl.program_id(1) * ITEMS + tl.arange(0, ITEMS)
    score = tl.load(scores + item, mask=item < n_items, other=-float("inf"))
    depth = tl.load(depths + item, mask=item < n_items, other=0).to(tl.int32)
    pull = tl.zeros([POSITIVES, ITEMS], score.dtype)
    for deeper in range(1 if EVERYWHERE else tl.min(depth) + 1, n_depths):
        pushing = score
        weight = score
        if EVERYWHERE:
            weight = tl.minimum(tl.load(relevance + depth), tl.load(relevance + deeper))
        else:
            pushing = tl.where(depth < deeper, score, -float("inf"))
        run = starts + row * (n_depths + 1) + deeper
        start = tl.load(run)
        end = _search(scores, start, tl.load(run + 1), tl.max(pushing) + REACH, n_halvings)
        for first in range(start, end, POSITIVES):
            place = first + tl.arange(0, POSITIVES)
            slot = row * n_slots + place - (n_items - n_slots)
            own = tl.load(scores + place, mask=place < end, other=float("inf"))
            by = tl.load(by_rank + slot, mask=place < end, other=0.0)[:, None]
            if EVERYWHERE:
                by += tl.load(by_hrank + slot, mask=place < end, other=0.0)[:, None] * weight[None, :]
            _value, slope = _step(pushing[None, :] - own[:, None], TAU, RHO, DELTA, START, ORIGIN)
            pull += by * slope
    slot = item - (n_items - n_slots)
    push_back = tl.load(by_self + row * n_slots + slot, mask=(slot >= 0) & (item < n_items), other=0.0)
    came_as = tl.load(order + row * n_items + item, mask=item < n_items, other=0)
    tl.store(grad + row * n_items + came_as, push_back - tl.sum(pull, 0) / TAU, mask=item < n_items)


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
    relevance = objective.relevance(counts).contiguous()
    tile = Tile.of(scores, depth, counts, relevance, ranking)
    loss = (counts[:, 1:].sum(1) > 0).to(scores.dtype)  # 0 without positives
    if tile.n_slots == 0:
        return loss, torch.zeros_like(scores) if with_grad else None
    own_depth = tile.depths[:, -tile.n_slots :].long()
    own_relevance = relevance.gather(1, own_depth)
    rank, hrank = tile.count(own_relevance)
    sums = tile.push()
    if ranking.everywhere:
        hrank = hrank + sums[:, 2]
    terms = objective.terms(
        rank + sums[:, 0], hrank, own_relevance, objective.total(counts, relevance, depth)
    )
    valid = own_depth > 0  # elsewhere terms may be NaN
    loss -= torch.where(valid, terms.value, 0).sum(1)
    if not with_grad:
        return loss, None
    by_rank, by_hrank = (torch.where(valid, by, 0) for by in (terms.by_rank, terms.by_hrank))
    by_self = by_rank * sums[:, 1]
    if ranking.everywhere:
        by_self.addcmul_(by_hrank, sums[:, 3])
    return loss, tile.pull(by_rank, by_hrank, by_self)


@dataclass(frozen=True)
class Tile:
    """Scores of some queries and all items, each row sorted by depth, then by score.

    Attributes:
        scores: (Q, N).
        depths: match depths, (Q, N) int8.
        order: where each item came from, (Q, N).
        starts: where each depth's run begins, and N, (Q, L + 2) int32.
        relevance: by depth, (Q, L + 1).
        n_slots: most positives of a query; a row's positives lie in its last slots.
        ranking: how ranks are made differentiable.
    """

    scores: Tensor
    depths: Tensor
    order: Tensor
    starts: Tensor
    relevance: Tensor
    n_slots: int
    ranking: Ranking

    @classmethod
    def of(cls, scores: Tensor, depth: Tensor, counts: Tensor, relevance: Tensor, ranking: Ranking) -> Tile:
        """Sort a tile; `counts` (Q, L + 1) are the items at each depth."""
        by_score = scores.argsort(dim=1, stable=True)
        depths, by_depth = depth.gather(1, by_score).sort(dim=1, stable=True)
        order = by_score.gather(1, by_depth)
        starts = torch.nn.functional.pad(counts.long().cumsum(1).int(), (1, 0)).contiguous()
        n_slots = int(counts[:, 1:].sum(1).max())
        return cls(scores.gather(1, order), depths, order, starts, relevance, n_slots, ranking)

    def count(self, own_relevance: Tensor) -> tuple[Tensor, Tensor]:
        """The parts of rank and hrank without gradient: counts, and the item itself; (Q, K) for K slots."""
        if self.ranking.everywhere:  # the step will include the item itself, at t = 0, where it is 1/2
            return torch.full_like(own_relevance, 0.5), 0.5 * own_relevance
        counted = self.scores.new_empty(len(self.scores), 2, self.n_slots)
        with torch.cuda.device_of(counted):
            grid = (len(self.scores), triton.cdiv(self.n_slots, COUNT_POSITIVES))
            _count[grid](counted, *self._tensors_and_sizes(), COUNT_POSITIVES)
        return counted[:, 0].clamp_(min=1), counted[:, 1]  # a slot without a positive may be above nothing

    def push(self) -> Tensor:
        """Sums over the items, of steps, slopes and, everywhere, both times the weight in hrank; (Q, 2 or 4, K)."""
        sums = self.scores.new_empty(len(self.scores), 4 if self.ranking.everywhere else 2, self.n_slots)
        n_positives, n_items = self._shape(PUSH_POSITIVES)
        with torch.cuda.device_of(sums):
            grid = (len(self.scores), triton.cdiv(self.n_slots, n_positives))
            arguments = (*self._tensors_and_sizes(), *self._constants(), n_positives, n_items)
            _push[grid](sums, *arguments, num_warps=N_WARPS)
        return sums

    def pull(self, by_rank: Tensor, by_hrank: Tensor, by_self: Tensor) -> Tensor:
        """Gradient of the losses by the scores as they came, (Q, N), from those of the terms, (Q, K)."""
        grad = torch.empty_like(self.scores)
        n_positives, n_items = self._shape(PULL_POSITIVES)
        with torch.cuda.device_of(grad):
            grid = (len(self.scores), triton.cdiv(self.scores.shape[1], n_items))
            arguments = (*self._tensors_and_sizes(), *self._constants(), n_positives, n_items)
            _pull[grid](grad, self.order, by_rank, by_hrank, by_self, *arguments, num_warps=N_WARPS)
        return grad

    def _tensors_and_sizes(self) -> tuple[Tensor | int, ...]:
        n_items = self.scores.shape[1]
        sizes = (n_items, self.n_slots, self.relevance.shape[1], n_items.bit_length())
        return self.scores, self.depths, self.starts, self.relevance, *sizes

    def _constants(self) -> tuple[bool | float, ...]:
        tau, *line = step_constants(self.ranking.step)
        return self.ranking.everywhere, tau, *line, REACH[self.scores.dtype] * tau

    def _shape(self, most: int) -> tuple[int, int]:
        """Positives and items that a program holds."""
        n_positives = min(most, triton.next_power_of_2(self.n_slots))
        return n_positives, TILE // n_positives


def step_constants(step: Step) -> tuple[float, ...]:
    """Of `_step`: tau, and the line's slope, beginning, start and height at 0."""
    if isinstance(step, SupStep):
        delta = step.delta or 0.0
        return step.tau, step.rho, delta, step.start, step.intercept - step.rho * delta
    return step.tau, 0.0, float("inf"), 0.0, 0.0
