"""Average precision through true ranks, differentiated as a black box."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import Batch
from cairnhub.training.losses.level_loss import LevelLoss
from cairnhub.training.losses.surrogates import require_positive


class BlackBoxAP(LevelLoss):
    r"""1 - AP of the true ranks (Rolínek et al., "Optimizing rank-based metrics with blackbox differentiation", 2020).

    .. math:: 1 - \frac{1}{|P|} \sum_{k \in P} \frac{rank^+(k)}{rank(k)}

    Its gradient is that of ranks interpolated: with g the loss's gradient by the ranks over N, the scores'
    is ``(rank(s + \lambda g) - rank(s)) / (\lambda N)``. Inside a batch the query is its own first positive.

    Before ranking, positives are lowered and negatives raised by ``margin / 2 * |e|``, e drawn from the standard normal
    distribution by torch's generator: a margin between them. Queries without positives are left out.

    Args:
        interpolation: lambda, above 0.
        margin: 0 or above; 0 draws nothing.
        level: column of the labels that makes positives, 0 the finest.

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import BlackBoxAP
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
        >>> round(BlackBoxAP(margin=0.0)(embeddings, torch.tensor([0, 0, 1, 2])).item(), 4)
        0.0833
    """

    def __init__(self, *, interpolation: float = 4.0, margin: float = 0.02, level: int = 0) -> None:
        super().__init__(level)
        require_positive(interpolation=interpolation)
        if not (math.isfinite(margin) and margin >= 0):
            raise BadInput(f"margin must be a finite number, 0 or above, got {margin!r}")
        self.interpolation, self.margin = interpolation, margin

    def loss_of(self, batch: Batch) -> Tensor:
        """The loss of checked arguments."""
        scores = batch.embeddings @ batch.items.T
        target = self.positives(batch).to(scores.dtype)
        if self.margin:
            scores = scores - self.margin * torch.randn_like(scores).abs() * (target - 0.5)
        share: Tensor = _RankShare.apply(scores, self.interpolation)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            within = _rank_share(2 * target - share)
        n_positives = target.sum(1)
        counted = n_positives > 0
        precision = (within / share * target).sum(1)[counted] / n_positives[counted]
        return (1 - precision).sum() / counted.sum().clamp(min=1)


class _RankShare(torch.autograd.Function):
    """Ranks of scores (Q, N) over N, 1/N the highest score's."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, interpolation: float) -> Tensor:
        """The ranks."""
        share = _rank_share(scores)
        ctx.interpolation = interpolation
        ctx.save_for_backward(scores, share)
        return share

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None]:
        """How ranks move when the scores follow the gradient."""
        scores, share = ctx.saved_tensors
        moved = _rank_share(scores + ctx.interpolation * above)
        return (moved - share) / ctx.interpolation, None


def _rank_share(scores: Tensor) -> Tensor:
    order = scores.argsort(dim=1, descending=True, stable=True)
    ranks = torch.arange(1, scores.shape[1] + 1, dtype=scores.dtype, device=scores.device)
    return torch.empty_like(scores).scatter_(1, order, ranks.expand_as(scores) / scores.shape[1])
