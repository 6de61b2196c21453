"""Rank losses: Smooth-AP, SupAP, SupRecall, SupHAP, SupNDCG and their smooth variants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.autograd import LossPerQuery, Problem, SummedLoss, apply
from cairnhub.training.losses.eager import uncompiled
from cairnhub.training.losses.inputs import Array, check_batch, check_level, warn_not_unit
from cairnhub.training.losses.objectives import AveragePrecision, Gain, Objective, Recall
from cairnhub.training.losses.surrogates import LeakyStep, Ranking, Sigmoid, Step, SupStep

Reduction = Literal["mean", "sum", "none"]
PAPERS_STEP = SupStep()


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
            raise BadInput(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        self.objective, self.ranking, self.level, self.reduction = objective, ranking, level, reduction
        self.n_left_out = 0

    def extra_repr(self) -> str:
        """What was chosen, for print()."""
        return f"{self.objective}, {self.ranking}, level={self.level}, reduction={self.reduction!r}"

    @uncompiled
    def forward(
        self,
        embeddings: Tensor,
        labels: Array,
        ref_embeddings: Tensor | None = None,
        ref_labels: Array | None = None,
    ) -> Tensor:
        """The loss of a batch.

        Its gradient has no derivative of its own; `torch.compile` leaves it as it is.

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
        if not batch.are_unit:
            warn_not_unit()
        own_labels, item_labels = batch.labels, batch.item_labels
        if self.level is not None:
            check_level(self.level, own_labels.shape[1])
            own_labels, item_labels = own_labels[:, self.level, None], item_labels[:, self.level, None]
        problem = Problem(own_labels, item_labels, self.objective, self.ranking)
        operation = LossPerQuery if self.reduction == "none" else SummedLoss
        with torch.autocast(batch.embeddings.device.type, enabled=False):
            loss, counted = apply(operation, batch.embeddings, batch.refs, problem)
        n_counted = int(counted.sum())
        self.n_left_out = len(counted) - n_counted
        return loss / max(n_counted, 1) if self.reduction == "mean" else loss


def _gain(definition: Literal["exact", "paper"]) -> Gain:
    if definition not in ("exact", "paper"):
        raise BadInput(f"definition must be 'exact' or 'paper', got {definition!r}")
    return Gain(single_precision_ideal=definition == "paper")


def _recall(at_k: int | Sequence[int], temperature: float) -> Recall:
    return Recall((at_k,) if isinstance(at_k, int) else tuple(at_k), temperature)


class SmoothAP(RankLoss):
    r"""1 - AP with a sigmoid for every step (Brown et al., ECCV 2020).

    .. math:: 1 - \frac{1}{|P|} \sum_{k \in P}
        \frac{1 + \sum_{j \in P, j \ne k} \sigma((s_j - s_k) / \tau)}{1 + \sum_{j \ne k} \sigma((s_j - s_k) / \tau)}

    Args:
        tau: width of the sigmoid, above 0, in units of the scores.
        level: column of the labels that makes positives, 0 the finest.
        reduction: "mean" over queries with positives, "sum", or "none".

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import SmoothAP
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])  # fine -> coarse
        >>> round(SmoothAP()(embeddings, labels).item(), 4)
        0.0906
    """

    def __init__(self, *, tau: float = 0.01, level: int = 0, reduction: Reduction = "mean") -> None:
        super().__init__(AveragePrecision(), Ranking(Sigmoid(tau), everywhere=True), level, reduction)


class SmoothHAP(RankLoss):
    r"""1 - H-AP over all levels with a sigmoid for every step: `SupHAP` with Smooth-AP's ranks (SupRank, 2025).

    .. math:: 1 - \frac{1}{\sum_{k \in P} rel(k)} \sum_{k \in P}
        \frac{rel(k) + \sum_{j \ne k} \min(rel(k), rel(j)) \sigma(t_{jk})}{1 + \sum_{j \ne k} \sigma(t_{jk})},
        \quad t_{jk} = (s_j - s_k) / \tau

    Args:
        tau: width of the sigmoid, above 0, in units of the scores.
        alpha: exponent of the relevance, 0 or above; see `SupHAP`.
        level_weights: relevance by weights of the levels; see `SupHAP`.
        reduction: "mean" over queries with positives, "sum", or "none".

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import SmoothHAP
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])  # fine -> coarse
        >>> round(SmoothHAP()(embeddings, labels).item(), 4)
        0.0024
    """

    def __init__(
        self,
        *,
        tau: float = 0.01,
        alpha: float = 1.0,
        level_weights: Sequence[float] | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        objective = AveragePrecision(alpha, None if level_weights is None else tuple(level_weights))
        super().__init__(objective, Ranking(Sigmoid(tau), everywhere=True), None, reduction)


class SmoothNDCG(RankLoss):
    r"""1 - NDCG over all levels with a sigmoid for every step: `SupNDCG` with Smooth-AP's ranks (SupRank, 2025).

    .. math:: 1 - \frac{1}{IDCG} \sum_{k \in P}
        \frac{2^{m_k} - 1}{\log_2(2 + \sum_{j \ne k} \sigma((s_j - s_k) / \tau))}

    Args:
        tau: width of the sigmoid, above 0, in units of the scores.
        definition: "paper" sums the ideal DCG in float32 as the published code does; see `SupNDCG`.
        reduction: "mean" over queries with positives, "sum", or "none".

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import SmoothNDCG
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])  # fine -> coarse
        >>> round(SmoothNDCG()(embeddings, labels).item(), 4)
        0.0288
    """

    def __init__(
        self,
        *,
        tau: float = 0.01,
        definition: Literal["exact", "paper"] = "exact",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(_gain(definition), Ranking(Sigmoid(tau), everywhere=True), None, reduction)


class SmoothRecall(RankLoss):
    r"""1 - recall at k with a sigmoid for every step: `SupRecall` with Smooth-AP's ranks (SupRank, 2025).

    .. math:: 1 - \frac{1}{|K|} \sum_{\kappa \in K} \frac{1}{\min(\kappa, |P|)}
        \sum_{k \in P} \sigma((\kappa - rank(k)) / T), \quad
        rank(k) = 1 + \sum_{j \ne k} \sigma((s_j - s_k) / \tau)

    Close to recall@k surrogate (Patel et al., CVPR 2022), which leaves the query out of its positives.

    Args:
        at_k: one cut-off or several, 1 or above.
        temperature: T, softness of the cut, above 0, in ranks.
        tau: width of the sigmoid, above 0, in units of the scores.
        level: column of the labels that makes positives, 0 the finest.
        reduction: "mean" over queries with positives, "sum", or "none".

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import SmoothRecall
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])  # fine -> coarse
        >>> round(SmoothRecall()(embeddings, labels).item(), 4)
        0.1869
    """

    def __init__(
        self,
        *,
        at_k: int | Sequence[int] = (1, 2, 4, 8, 16),
        temperature: float = 1.0,
        tau: float = 0.01,
        level: int = 0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(_recall(at_k, temperature), Ranking(Sigmoid(tau), everywhere=True), level, reduction)


class SupAP(RankLoss):
    r"""1 - AP at one level, with an upper bound of the rank (ROADMAP, Ramzi et al., NeurIPS 2021).

    .. math:: 1 - \frac{1}{|P|} \sum_{k \in P} \frac{rank^+(k)}{rank^+(k) + \sum_{j \notin P} H^-(s_j - s_k)}

    with rank+ the exact rank among positives, and `H^-` the step, by default the papers' `SupStep`.

    Args:
        step: stands in for the step of less relevant items; a `Sigmoid` bounds nothing.
        level: column of the labels that makes positives, 0 the finest.
        reduction: "mean" over queries with positives, "sum", or "none".

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import SupAP
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])  # fine -> coarse
        >>> round(SupAP()(embeddings, labels).item(), 4)
        0.2192
    """

    def __init__(
        self,
        *,
        step: Step = PAPERS_STEP,
        level: int = 0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(AveragePrecision(), Ranking(step), level, reduction)


class SupRecall(RankLoss):
    r"""1 - recall at k at one level, averaged over several k (SupRank, Ramzi et al., 2025).

    .. math:: 1 - \frac{1}{|K|} \sum_{\kappa \in K} \frac{1}{\min(\kappa, |P|)}
        \sum_{k \in P} \sigma((\kappa - rank(k)) / T)

    with `SupAP`'s rank. A perfect list does not reach 0: a positive at rank k counts half at the cut-off k.

    Args:
        at_k: one cut-off or several, 1 or above.
        temperature: T, softness of the cut, above 0, in ranks.
        step: stands in for the step of less relevant items; a `Sigmoid` bounds nothing.
        level: column of the labels that makes positives, 0 the finest.
        reduction: "mean" over queries with positives, "sum", or "none".

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import SupRecall
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])  # fine -> coarse
        >>> round(SupRecall()(embeddings, labels).item(), 4)
        0.3028
    """

    def __init__(
        self,
        *,
        at_k: int | Sequence[int] = (1, 2, 4, 8, 16),
        temperature: float = 1.0,
        step: Step = PAPERS_STEP,
        level: int = 0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(_recall(at_k, temperature), Ranking(step), level, reduction)


class SupHAP(RankLoss):
    r"""1 - H-AP over all levels, with an upper bound of the rank (HAPPIER, Ramzi et al., ECCV 2022).

    .. math:: 1 - \frac{1}{\sum_{k \in P} rel(k)} \sum_{k \in P}
        \frac{rel(k) + \sum_{j \ne k} \min(rel(k), rel(j)) H(s_j - s_k)}
        {1 + \sum_{m_j \ge m_k, j \ne k} H(s_j - s_k) + \sum_{m_j < m_k} H^-(s_j - s_k)}

    with m the match depth (levels shared), ``rel(k) = (m_k / L)^alpha / n(m_k)``, n(m) the items at exactly depth m,
    H(0) = 1, and `SupAP`'s step for less relevant items. Only `H^-` has a gradient.

    Args:
        step: stands in for the step of less relevant items; a `Sigmoid` bounds nothing.
        alpha: exponent of the relevance, 0 or above: above 1 favours the fine levels.
        level_weights: relevance instead as ``sum over p <= m of w_p / n(>= p)``, w_1 the coarsest level's weight.
        hrank_step: HAPPIER's leaky step, for a gradient through H-rank; the loss may then exceed 1.
        reduction: "mean" over queries with positives, "sum", or "none".

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import SupHAP
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])  # fine -> coarse
        >>> round(SupHAP()(embeddings, labels).item(), 4)
        0.1334
    """

    def __init__(
        self,
        *,
        step: Step = PAPERS_STEP,
        alpha: float = 1.0,
        level_weights: Sequence[float] | None = None,
        hrank_step: LeakyStep | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        objective = AveragePrecision(alpha, None if level_weights is None else tuple(level_weights))
        super().__init__(objective, Ranking(step, hrank_step=hrank_step), None, reduction)


class SupNDCG(RankLoss):
    r"""1 - NDCG over all levels, with an upper bound of the rank (SupRank, Ramzi et al., 2025).

    .. math:: 1 - \frac{1}{IDCG} \sum_{k \in P} \frac{2^{m_k} - 1}{\log_2(1 + rank(k))}

    with m the match depth and `SupHAP`'s rank.

    Args:
        step: stands in for the step of less relevant items; a `Sigmoid` bounds nothing.
        definition: "paper" sums the ideal DCG in float32 as the published code does, also where all else is
            float64: a relative difference of 1e-7.
        reduction: "mean" over queries with positives, "sum", or "none".

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import SupNDCG
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])  # fine -> coarse
        >>> round(SupNDCG()(embeddings, labels).item(), 4)
        0.0951
    """

    def __init__(
        self,
        *,
        step: Step = PAPERS_STEP,
        definition: Literal["exact", "paper"] = "exact",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(_gain(definition), Ranking(step), None, reduction)
