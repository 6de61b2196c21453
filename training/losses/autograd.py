"""The rank losses as one autograd operation from embeddings to loss, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import count_by_depth, match_depth
from cairnhub.training.losses.objectives import Objective
from cairnhub.training.losses.ranking import backend_for
from cairnhub.training.losses.surrogates import Ranking

BLOCK_ELEMENTS = {"cpu": 1 << 22, "cuda": 1 << 26}  # (query, item) scores held at once


class BlockLoss(NamedTuple):
    """Some queries of a batch: their losses (Q,), which have positives (Q,), the gradient by the scores (Q, N)."""

    queries: slice
    loss: Tensor
    has_positives: Tensor
    grad: Tensor | None


@dataclass(frozen=True)
class Problem:
    """What is ranked and how, apart from the embeddings. Labels are (B, L) and (N, L)."""

    labels: Tensor
    ref_labels: Tensor
    objective: Objective
    ranking: Ranking

    def blocks(self, queries: Tensor, items: Tensor, with_grad: bool) -> Iterator[BlockLoss]:
        """Every query's loss, a block of queries at a time."""
        losses = backend_for(queries.device, self.ranking)
        counts = count_by_depth(self.labels, self.ref_labels).to(queries.dtype)
        step = max(1, BLOCK_ELEMENTS["cuda" if queries.is_cuda else "cpu"] // len(items))
        for start in range(0, len(queries), step):
            rows = slice(start, start + step)
            depth, scores = match_depth(self.labels[rows], self.ref_labels), queries[rows] @ items.T
            loss, grad = losses(scores, depth, counts[rows], self.objective, self.ranking, with_grad)
            yield BlockLoss(rows, loss, counts[rows, 1:].sum(1) > 0, grad)


class SummedLoss(torch.autograd.Function):
    """Sum of the losses, and which queries have positives.

    The gradient is made in the forward pass, so that no block of scores outlives its turn.
    """

    @staticmethod
    def forward(ctx: Any, queries: Tensor, refs: Tensor | None, problem: Problem) -> tuple[Tensor, Tensor]:
        """Make the values, and the gradients that backward() will scale."""
        items = queries if refs is None else refs
        to_queries = torch.zeros_like(queries) if ctx.needs_input_grad[0] else None
        to_refs = torch.zeros_like(refs) if refs is not None and ctx.needs_input_grad[1] else None
        total, has_positives = queries.new_zeros(()), []
        for block in problem.blocks(queries, items, any(ctx.needs_input_grad)):
            rows = block.queries
            total += block.loss.sum()
            has_positives.append(block.has_positives)
            if block.grad is None:
                continue
            if to_refs is not None:
                to_refs.addmm_(block.grad.T, queries[rows])
            if to_queries is not None and refs is not None:
                to_queries[rows] = block.grad @ items
            elif to_queries is not None and len(block.grad) == len(
                items
            ):  # one block against itself: one product
                to_queries = (block.grad + block.grad.T) @ items
            elif to_queries is not None:
                to_queries.addmm_(block.grad.T, queries[rows])
                to_queries[rows] += block.grad @ items
        ctx.save_for_backward(queries, refs, to_queries, to_refs)
        counted = torch.cat(has_positives)
        ctx.mark_non_differentiable(counted)
        return total, counted

    @staticmethod
    def backward(ctx: Any, above: Tensor, _: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """Scale the gradients by that of the result."""
        queries, refs, *grads = ctx.saved_tensors
        to_queries, to_refs = (None if grad is None else grad * above for grad in grads)
        return *_once(to_queries, to_refs, queries, refs), None


class LossPerQuery(torch.autograd.Function):
    """The losses (Q,), and which queries have positives; keeps the gradient by the scores, (Q, N)."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, refs: Tensor | None, problem: Problem) -> tuple[Tensor, Tensor]:
        """Make the values, and the gradients that backward() will scale."""
        items = queries if refs is None else refs
        blocks = list(problem.blocks(queries, items, any(ctx.needs_input_grad)))
        grads = [block.grad for block in blocks if block.grad is not None]
        ctx.save_for_backward(queries, refs, torch.cat(grads) if grads else None)
        counted = torch.cat([block.has_positives for block in blocks])
        ctx.mark_non_differentiable(counted)
        return torch.cat([block.loss for block in blocks]), counted

    @staticmethod
    def backward(ctx: Any, above: Tensor, _: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """Scale the gradients by that of the result."""
        queries, refs, grad = ctx.saved_tensors
        with torch.autocast(queries.device.type, enabled=False):
            grad = grad * above[:, None]
            to_queries, to_items = grad @ (queries if refs is None else refs), grad.T @ queries
        if refs is None:
            return *_once(to_queries + to_items, None, queries, None), None
        return *_once(to_queries, to_items, queries, refs), None


def _once(
    to_queries: Tensor | None, to_refs: Tensor | None, queries: Tensor, refs: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients as they are; under create_graph=True such that they cannot be differentiated in silence.

    `once_differentiable` sees only the gradient from above: where that is a constant, a second derivative would be
    taken for zero.
    """
    if not torch.is_grad_enabled():
        return to_queries, to_refs
    refuse = partial(_NoSecondDerivative.apply, queries, refs)
    return (
        None if to_queries is None else refuse(to_queries),
        None if to_refs is None else refuse(to_refs),
    )


class _NoSecondDerivative(torch.autograd.Function):
    """A gradient of embeddings that says so when it is differentiated itself."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, refs: Tensor | None, grad: Tensor) -> Tensor:
        """The gradient as it is."""
        return grad.view_as(grad)

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> None:
        """Refuse."""
        raise BadInput(
            "rank losses have no second derivative: their gradient is made block by block, not kept as a graph. Leave "
            "the rank loss out of what is differentiated twice, such as a gradient penalty"
        )


def apply(
    operation: type[SummedLoss] | type[LossPerQuery], queries: Tensor, refs: Tensor | None, problem: Problem
) -> tuple[Tensor, Tensor]:
    """Call an operation: its loss, and which queries have positives."""
    result: tuple[Tensor, Tensor] = operation.apply(queries, refs, problem)  # type: ignore[no-untyped-call]
    return result
