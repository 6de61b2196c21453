"""Differentiable stand-ins for the Heaviside step, each with a hand-written slope.

A step maps a score difference ``t = s_j - s_k`` to how much item ``j`` pushes item ``k`` down the ranking.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hierarchies.errors import CairnError


def require_positive(**values: float) -> None:
    """Raise CairnError for the first argument that is not a finite number above zero."""
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise CairnError(f"{name} must be a finite number above 0, got {value!r}")


@dataclass(frozen=True)
class Sigmoid:
    """Smooth-AP's step, ``sigmoid(t / tau)`` (Brown et al., 2020, eq. 5)."""

    tau: float = 0.01

    def __post_init__(self) -> None:
        require_positive(tau=self.tau)

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Value and slope at every difference of ``t``, which is overwritten."""
        value = t.mul_(1 / self.tau).sigmoid_()
        return value, torch.addcmul(value, value, value, value=-1).mul_(1 / self.tau)


@dataclass(frozen=True)
class SupStep:
    """SupRank's upper bound of the step (Ramzi et al., 2021, eq. 7; 2025): a sigmoid that turns into a line.

    ``sigmoid(t/tau)`` for ``t <= 0``; ``start + sigmoid(t/tau)`` for ``0 < t <= delta``;
    ``rho (t - delta) + offset`` beyond. ``offset=None`` makes the step continuous at delta; ``delta=None``
    starts the line at 0.
    """

    tau: float = 0.01
    rho: float = 100.0
    delta: float | None = 0.05
    start: float = 0.5
    offset: float | None = 1.44

    def __post_init__(self) -> None:
        require_positive(tau=self.tau)
        if not (math.isfinite(self.rho) and self.rho >= 0):
            raise CairnError(f"rho must be a finite number, 0 or above (or -1: no line), got {self.rho!r}")
        if self.delta is not None and not (math.isfinite(self.delta) and self.delta >= 0):
            raise CairnError(f"delta must be None or a finite number, 0 or above, got {self.delta!r}")
        if self.delta is None and self.offset is None:
            raise CairnError("offset must be given where delta is None: there is no sigmoid to continue")

    @property
    def intercept(self) -> float:
        """Height of the line at delta."""
        if self.offset is not None:
            return self.offset
        return self.start + 1 / (1 + math.exp(-(self.delta or 0.0) / self.tau))

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Value and slope at every difference of ``t``; ``t`` may hold -inf (no effect, no slope)."""
        delta = self.delta or 0.0
        value = torch.mul(t, 1 / self.tau).sigmoid_()
        slope = torch.addcmul(value, value, value, value=-1).mul_(1 / self.tau)
        value.add_(t > 0, alpha=self.start)
        beyond = t > delta
        slope.masked_fill_(beyond, self.rho)
        line = t.sub_(delta).mul_(self.rho).add_(self.intercept)
        return torch.where(beyond, line, value), slope


@dataclass(frozen=True)
class LeakyStep:
    """HAPPIER's lower bound of the step inside H-rank (Ramzi et al., 2022, supplement).

    ``leak * t`` for ``t <= 0``; ``min(beta t + gamma, 1)`` above. It is negative below 0, so that a loss may
    exceed 1.
    """

    beta: float = 25.0
    gamma: float = 0.5
    leak: float = 10.0

    def __post_init__(self) -> None:
        require_positive(beta=self.beta, gamma=self.gamma, leak=self.leak)

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Value and slope at every difference of `t`."""
        rising = self.beta * t + self.gamma
        above = t > 0
        value = torch.where(above, rising.clamp(max=1.0), self.leak * t)
        slope = torch.where(above, self.beta * (rising <= 1.0), self.leak)
        return value, slope


Step = Sigmoid | SupStep
