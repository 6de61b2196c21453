"""Differentiable stand-ins for the Heaviside step, each with a hand-written slope.

A step maps a score difference ``t = s_j - s_k`` to how much item ``j`` pushes item ``k`` down the ranking.
`Sigmoid` and `SupStep` work in memory that is used again and again, and in float tensors only: on a CPU a boolean
mask costs ten times an addition, and fresh memory more than the arithmetic done in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cairnhub.core.errors import BadInput


def require_positive(**values: float) -> None:
    """Raise CairnError for the first argument that is not a finite number above zero."""
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise BadInput(f"{name} must be a finite number above 0, got {value!r}")


N_PLANES = 5  # what SupStep needs at once


class Scratch:
    """Memory for a chunk of differences; each chunk overwrites the last."""

    def __init__(self, like: Tensor, size: int) -> None:
        self.memory = like.new_empty(N_PLANES * size)

    def planes(self, positives: Tensor, items: Tensor) -> Tensor:
        """The memory as (r, N_PLANES, K, N), for positives (r, K) and items (r, N)."""
        (rows, slots), n_items = positives.shape, items.shape[1]
        size = rows * N_PLANES * slots * n_items
        return self.memory[:size].view(rows, N_PLANES, slots, n_items)


@dataclass(frozen=True)
class Pushes:
    """What a step makes of items (r, N) and positives (r, K).

    Attributes:
        total: how far all items together push each positive, (r, K).
        value: how far each item does, (r, K, N); SupStep leaves out the line.
        slope: derivative by the difference in F parts, (r, F, K, N).
        factors: what each part is multiplied by, F numbers.
        slope_total: the slopes, multiplied, of all items together, (r, K).
    """

    total: Tensor
    value: Tensor
    slope: Tensor
    factors: tuple[float, ...]
    slope_total: Tensor

    def pull(self, by: Tensor) -> Tensor:
        """Gradient by the items, (r, N), from that by the totals, (r, K)."""
        scaled = torch.cat([by * factor for factor in self.factors], 1)
        return (scaled[:, None, :] @ self.slope.flatten(1, 2))[:, 0]

    def weighted_slope(self, weight: Tensor) -> Tensor:
        """The slopes of all items together, each times its weight (r, N, 1); (r, K)."""
        parts = (self.slope @ weight[:, None])[:, :, :, 0]
        return torch.stack([part * f for part, f in zip(parts.unbind(1), self.factors, strict=True)]).sum(0)


@dataclass(frozen=True)
class Sigmoid:
    r"""Smooth-AP's step (Brown et al., 2020).

    .. math:: \sigma(t / \tau)

    Args:
        tau: width, above 0, in units of the scores.

    Example:
        >>> from cairnhub.training.losses import Sigmoid, SupAP
        >>> SupAP(step=Sigmoid(tau=0.05)).ranking.step
        Sigmoid(tau=0.05)
    """

    tau: float = 0.01

    def __post_init__(self) -> None:
        require_positive(tau=self.tau)

    def __call__(self, items: Tensor, positives: Tensor, scratch: Scratch) -> Pushes:
        """Scores of items (r, N) against those of positives (r, K)."""
        planes = scratch.planes(positives, items)
        value, slope = planes[:, 0], planes[:, 1]
        torch.sub((items / self.tau)[:, None, :], (positives / self.tau)[:, :, None], out=value).sigmoid_()
        torch.addcmul(value, value, value, value=-1, out=slope)
        total, slope_total = planes[:, :2].sum(3).unbind(1)
        return Pushes(total, value, planes[:, 1:2], (1 / self.tau,), slope_total / self.tau)


@dataclass(frozen=True)
class SupStep:
    r"""SupRank's upper bound of the step (Ramzi et al., 2021): a sigmoid that turns into a line.

    .. math::
        H^-(t) = \sigma(t / \tau) \text{ for } t \le 0, \quad
        start + \sigma(t / \tau) \text{ for } 0 < t \le \delta, \quad
        \rho (t - \delta) + offset \text{ beyond}

    The defaults are the papers'; on iNaturalist they take `SupStep.inaturalist()`.

    Args:
        tau: width of the sigmoid, above 0, in units of the scores.
        rho: slope beyond delta, 0 or above.
        delta: where the line begins, 0 or above; None begins it at 0, without a sigmoid.
        start: added to the sigmoid above 0.
        offset: height of the line at delta; None makes it continuous there.

    Example:
        >>> from cairnhub.training.losses import SupAP, SupStep
        >>> SupAP(step=SupStep(tau=0.02, offset=None)).ranking.step.rho
        100.0
    """

    tau: float = 0.01
    rho: float = 100.0
    delta: float | None = 0.05
    start: float = 0.5
    offset: float | None = 1.44

    def __post_init__(self) -> None:
        require_positive(tau=self.tau)
        if not (math.isfinite(self.rho) and self.rho >= 0):
            raise BadInput(f"rho must be a finite number, 0 or above, got {self.rho!r}")
        if self.delta is not None and not (math.isfinite(self.delta) and self.delta >= 0):
            raise BadInput(f"delta must be None or a finite number, 0 or above, got {self.delta!r}")
        if self.delta is None and self.offset is None:
            raise BadInput("offset must be given where delta is None: there is no sigmoid to continue")
        if not math.isfinite(self.start) or not math.isfinite(self.offset or 0.0):
            raise BadInput(f"start and offset must be finite, got {self.start!r} and {self.offset!r}")

    @classmethod
    def inaturalist(cls) -> SupStep:
        """The papers' setting on iNaturalist: no jump at 0, and a lower line."""
        return cls(start=0.0, offset=1.0)

    @property
    def intercept(self) -> float:
        """Height of the line at delta."""
        if self.offset is not None:
            return self.offset
        return self.start + 1 / (1 + math.exp(-(self.delta or 0.0) / self.tau))

    def __call__(self, items: Tensor, positives: Tensor, scratch: Scratch) -> Pushes:
        """Scores of items (r, N) against those of positives (r, K)."""
        delta, rho = (self.delta or 0.0) / self.tau, self.rho * self.tau
        planes = scratch.planes(positives, items)
        z, value, slope, beyond, above = planes.unbind(1)
        torch.sub((items / self.tau)[:, None, :], (positives / self.tau)[:, :, None], out=z)
        torch.gt(z, 0.0, out=above)
        torch.gt(z, delta, out=beyond)
        torch.sigmoid(z, out=value).addcmul_(value, beyond, value=-1)
        torch.addcmul(value, value, value, value=-1, out=slope)
        z.mul_(beyond)
        line, total, slopes, n_beyond, n_above = planes.sum(3).unbind(1)
        total = total.add(n_above, alpha=self.start).add_(line, alpha=rho)
        total.add_(n_beyond, alpha=self.intercept - self.start - rho * delta)
        slope_total = (slopes / self.tau).add_(n_beyond, alpha=self.rho)
        return Pushes(total, value, planes[:, 2:4], (1 / self.tau, self.rho), slope_total)


@dataclass(frozen=True)
class LeakyStep:
    """HAPPIER's lower bound of the step inside H-rank (Ramzi et al., 2022, supplement).

    ``leak * t`` for ``t <= 0``; ``min(beta t + gamma, 1)`` above. It is negative below 0, so that a loss may exceed 1.

    Example:
        >>> from cairnhub.training.losses import LeakyStep, SupHAP
        >>> SupHAP(hrank_step=LeakyStep(beta=30.0)).ranking.hrank_step.beta
        30.0
    """

    beta: float = 25.0
    gamma: float = 0.5
    leak: float = 10.0

    def __post_init__(self) -> None:
        require_positive(beta=self.beta, gamma=self.gamma, leak=self.leak)

    def __call__(self, items: Tensor, positives: Tensor) -> Pushes:
        """Scores of items (r, N) against those of positives (r, K)."""
        t = items[:, None, :] - positives[:, :, None]
        rising = self.beta * t + self.gamma
        above = t > 0
        value = torch.where(above, rising.clamp(max=1.0), self.leak * t)
        slope = torch.where(above, self.beta * (rising <= 1.0).to(t.dtype), self.leak)
        return Pushes(value.sum(2), value, slope[:, None], (1.0,), slope.sum(2))


Step = Sigmoid | SupStep


@dataclass(frozen=True)
class Ranking:
    """How ranks are made differentiable.

    Attributes:
        step: stands in for the Heaviside step.
        everywhere: use the step for every other item (Smooth-AP); otherwise for less relevant items only, and
            count the rest with H(0) = 1 and no gradient (SupRank).
        hrank_step: gives H-rank a gradient through more relevant items; None counts them. SupRank only.
    """

    step: Step
    everywhere: bool = False
    hrank_step: LeakyStep | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.step, Step):
            raise BadInput(
                f"step must be a SupStep or a Sigmoid, such as SupStep(tau=0.02), got {self.step!r}"
            )
