"""Rank losses: Smooth-AP, SupAP, SupRecall, SupHAP, SupNDCG and their smooth variants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from hierarchies.errors import CairnError
from training.losses.autograd import LossPerQuery, Problem, SummedLoss, apply
from training.losses.engine import Objective, Ranking
from training.losses.inputs import check_batch, check_level
from training.losses.objectives import AveragePrecision, Gain, Recall
from training.losses.steps import LeakyStep, Sigmoid, SupStep

Reduction = Literal["mean", "sum", "none"]


class RankLoss(nn.Module):
    """A loss over the ranks of every query's positives. Use one of the subclasses.

    Attributes:
        n_left_out: queries of the last call that had no positive and did not count.
    """

    def __init__(
        self, objective: Objective, ranking: Ranking, level: int | None, reduction: Reduction
    ) -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise CairnError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        self.objective, self.ranking, self.level, self.reduction = objective, ranking, level, reduction
        self.n_left_out = 0

    def extra_repr(self) -> str:
        """What was chosen, for print()."""
        return f"{self.objective}, {self.ranking}, level={self.level}, reduction={self.reduction!r}"

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        ref_embeddings: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            embeddings: queries (B, d), normally of unit length: scores are dot products, nothing is
                normalised here.
            labels: integers (B, L), fine -> coarse, or (B,).
            ref_embeddings: what is ranked, (N, d), of any size; None ranks the batch itself, each query among
                its own positives as in the published losses.
            ref_labels: (N, L), needed with `ref_embeddings`.

        Returns:
            A scalar, or (B,) with reduction "none" where queries without positives are 0. The mean is over
            queries with positives; without any the loss is 0.

        Raises:
            CairnError: shapes, types or values of an argument are wrong; the message names it.
        """
        batch = check_batch(embeddings, labels, ref_embeddings, ref_labels)
        labels, item_labels = batch.labels, batch.item_labels
        if self.level is not None:
            check_level(self.level, labels.shape[1])
            labels, item_labels = labels[:, self.level, None], item_labels[:, self.level, None]
        problem = Problem(labels, item_labels, self.objective, self.ranking)
        operation = LossPerQuery if self.reduction == "none" else SummedLoss
        with torch.autocast(embeddings.device.type, enabled=False):
            loss, kept = apply(operation, batch.embeddings, batch.refs, problem)
        n_kept = int(kept.sum())
        self.n_left_out = len(kept) - n_kept
        return loss / max(n_kept, 1) if self.reduction == "mean" else loss


def _sup(
    tau: float,
    rho: float,
    delta: float | None,
    start: float,
    offset: float | None,
    leaky: LeakyStep | None = None,
) -> Ranking:
    """SupRank's surrogate; rho = -1 leaves the line and `start` out, as in the published code."""
    step = Sigmoid(tau) if rho == -1 else SupStep(tau, rho, delta, start, offset)
    return Ranking(step, hrank_step=leaky)


class SmoothAP(RankLoss):
    """1 - AP, the sigmoid in place of every step."""

    def __init__(self, *, tau: float = 0.01, level: int = 0, reduction: Reduction = "mean") -> None:
        super().__init__(AveragePrecision(), Ranking(Sigmoid(tau), everywhere=True), level, reduction)


class SmoothHAP(RankLoss):
    """1 - H-AP over all levels, the sigmoid in place of every step."""

    def __init__(
        self,
        *,
        tau: float = 0.01,
        alpha: float = 1.0,
        weights: Sequence[float] | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        objective = AveragePrecision(alpha, None if weights is None else tuple(weights))
        super().__init__(objective, Ranking(Sigmoid(tau), everywhere=True), None, reduction)


class SmoothNDCG(RankLoss):
    """1 - NDCG over all levels, the sigmoid in place of every step."""

    def __init__(
        self,
        *,
        tau: float = 0.01,
        definition: Literal["exact", "paper"] = "exact",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(Gain(definition == "paper"), Ranking(Sigmoid(tau), everywhere=True), None, reduction)


class SupAP(RankLoss):
    """1 - AP at one level, with SupRank's upper bound of the rank."""

    def __init__(
        self,
        *,
        tau: float = 0.01,
        rho: float = 100.0,
        delta: float | None = 0.05,
        start: float = 0.5,
        offset: float | None = 1.44,
        level: int = 0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(AveragePrecision(), _sup(tau, rho, delta, start, offset), level, reduction)


class SupRecall(RankLoss):
    """1 - recall at k at one level, averaged over several k."""

    def __init__(
        self,
        *,
        at_k: int | Sequence[int] = (1, 2, 4, 8, 16),
        temperature: float = 1.0,
        tau: float = 0.01,
        rho: float = 100.0,
        delta: float | None = 0.05,
        start: float = 0.5,
        offset: float | None = 1.44,
        level: int = 0,
        reduction: Reduction = "mean",
    ) -> None:
        objective = Recall((at_k,) if isinstance(at_k, int) else tuple(at_k), temperature)
        super().__init__(objective, _sup(tau, rho, delta, start, offset), level, reduction)


class SupHAP(RankLoss):
    """1 - H-AP over all levels, with SupRank's upper bound of the rank."""

    def __init__(
        self,
        *,
        tau: float = 0.01,
        rho: float = 100.0,
        delta: float | None = 0.05,
        start: float = 0.5,
        offset: float | None = 1.44,
        alpha: float = 1.0,
        weights: Sequence[float] | None = None,
        hrank_step: LeakyStep | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        objective = AveragePrecision(alpha, None if weights is None else tuple(weights))
        super().__init__(objective, _sup(tau, rho, delta, start, offset, hrank_step), None, reduction)


class SupNDCG(RankLoss):
    """1 - NDCG over all levels, with SupRank's upper bound of the rank."""

    def __init__(
        self,
        *,
        tau: float = 0.01,
        rho: float = 100.0,
        delta: float | None = 0.05,
        start: float = 0.5,
        offset: float | None = 1.44,
        definition: Literal["exact", "paper"] = "exact",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(Gain(definition == "paper"), _sup(tau, rho, delta, start, offset), None, reduction)
