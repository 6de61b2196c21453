"""What each rank loss makes of ranks: the score's terms, one per positive, with their slopes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import depth_relevance
from cairnhub.training.losses.surrogates import require_positive


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
class AveragePrecision:
    """H-AP, ``sum of hrank / rank over the sum of relevances``; with one level, AP.

    Relevance of an item at depth l (HAPPIER, 2022, section 3): ``(l / L)^alpha / n(l)``, n(l) items at
    exactly that depth; or, with `level_weights` w_1 (coarsest) .. w_L, ``sum over p <= l of w_p / n(>= p)``, which
    makes H-AP a weighted mean of APs.
    """

    alpha: float = 1.0
    level_weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha) and self.alpha >= 0):
            raise BadInput(f"alpha must be a finite number, 0 or above, got {self.alpha!r}")
        if self.level_weights is not None:
            require_positive(**{f"level_weights[{i}]": weight for i, weight in enumerate(self.level_weights)})

    def relevance(self, counts: Tensor) -> Tensor:
        """Relevance by depth, (Q, L + 1); 0 at depth 0 and where there is no item."""
        if self.level_weights is None:
            return depth_relevance(counts, self.alpha)
        n_levels = counts.shape[1] - 1
        if len(self.level_weights) != n_levels:
            raise BadInput(
                f"level_weights must have one number per level ({n_levels}), got {len(self.level_weights)}"
            )
        at_least = counts.flip(1).cumsum(1).flip(1)
        share = counts.new_tensor((0.0, *self.level_weights)) / at_least.clamp(min=1)
        return share.cumsum(1)

    def total(self, counts: Tensor, relevance: Tensor, depth: Tensor) -> Tensor:
        """Sum of the relevances."""
        return (relevance * counts).sum(1, keepdim=True)

    def terms(self, rank: Tensor, hrank: Tensor, relevance: Tensor, total: Tensor) -> Terms:
        """``hrank / rank`` over the total relevance."""
        by_hrank = 1 / (rank * total)
        value = hrank * by_hrank
        return Terms(value, -value / rank, by_hrank)


@dataclass(frozen=True)
class Gain:
    """NDCG, ``sum of (2^l - 1) / log2(1 + rank)`` over its largest value.

    Attributes:
        single_precision_ideal: sum the largest value in float32, item by item, as the published code does.
    """

    single_precision_ideal: bool = False

    def relevance(self, counts: Tensor) -> Tensor:
        """The gain by depth, the same for every query."""
        return (2.0 ** torch.arange(counts.shape[1], device=counts.device, dtype=counts.dtype) - 1).expand_as(
            counts
        )

    def total(self, counts: Tensor, relevance: Tensor, depth: Tensor) -> Tensor:
        """The ideal DCG: items in order of depth, deepest first."""
        if self.single_precision_ideal:
            place = depth.long().argsort(1, descending=True).argsort(1).float()
            return ((2 ** depth.long() - 1) / torch.log2(2 + place)).sum(1, keepdim=True).to(counts.dtype)
        places = torch.arange(2, depth.shape[1] + 2, device=counts.device, dtype=counts.dtype)
        first_n = torch.cat(
            [counts.new_zeros(1), (1 / torch.log2(places)).cumsum(0)]
        )  # DCG of n items of gain 1
        at_least = counts.flip(1).cumsum(1).flip(1)[:, 1:].long()
        return (first_n[at_least] * relevance.diff(dim=1)).sum(1, keepdim=True)

    def terms(self, rank: Tensor, hrank: Tensor, relevance: Tensor, total: Tensor) -> Terms:
        """The discounted gain over the ideal one."""
        log = torch.log2(1 + rank)
        value = relevance / (total * log)
        return Terms(value, -value / (log * (1 + rank) * math.log(2)), torch.zeros_like(value))


@dataclass(frozen=True)
class Recall:
    """Recall with a smooth cut, the mean over k of ``sum of sigmoid((k - rank) / T) / min(k, P)``."""

    at_k: tuple[int, ...]
    temperature: float

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)
        if not self.at_k or any(k < 1 for k in self.at_k):
            raise BadInput(f"at_k must be one or more ranks, 1 or above, got {self.at_k}")

    def relevance(self, counts: Tensor) -> Tensor:
        """1 for every positive."""
        return (torch.arange(counts.shape[1], device=counts.device) > 0).to(counts.dtype).expand_as(counts)

    def total(self, counts: Tensor, relevance: Tensor, depth: Tensor) -> Tensor:
        """Number of positives."""
        return counts[:, 1:].sum(1, keepdim=True)

    def terms(self, rank: Tensor, hrank: Tensor, relevance: Tensor, total: Tensor) -> Terms:
        """The smooth indicator of being among the first k, over min(k, positives)."""
        value, by_rank = torch.zeros_like(rank), torch.zeros_like(rank)
        for k in self.at_k:
            inside = torch.sigmoid((k - rank) / self.temperature)
            share = inside / (len(self.at_k) * total.clamp(max=k))
            value += share
            by_rank -= share * (1 - inside) / self.temperature
        return Terms(value, by_rank, torch.zeros_like(value))
