"""Differentiable stand-ins for the Heaviside step, each with a hand-written slope.

A step maps a score difference ``t = s_j - s_k`` to how much item ``j`` pushes item ``k`` down the ranking. `Sigmoid` and
`SupStep` work in buffers that are used again and again, and in float tensors only: on a CPU a boolean mask costs ten
times an addition, and fresh memory more than the arithmetic done in it.
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


class Scratch:
    """Memory for the largest tensors of a chunk of differences; a plane is overwritten by the next chunk."""

    def __init__(self, like: Tensor, size: int) -> None:
        self.planes = like.new_empty(4, size)

    def plane(self, index: int, shape: torch.Size) -> Tensor:
        """Plane `index`, 0..3, seen as `shape`."""
        return self.planes[index, : shape.numel()].view(shape)


@dataclass(frozen=True)
class Pushes:
    """What a step makes of items (r, N) and positives (r, K).

    Attributes:
        total: how far all items together push each positive, (r, K).
        value: how far each item does, (r, K, N); SupStep leaves out the line.
        slopes: the slope is the sum of factor * tensor (r, K, N) over these.
    """

    total: Tensor
    value: Tensor
    slopes: tuple[tuple[float, Tensor], ...]


@dataclass(frozen=True)
class Sigmoid:
    """Smooth-AP's step, ``sigmoid(t / tau)`` (Brown et al., 2020, eq. 5)."""

    tau: float = 0.01

    def __post_init__(self) -> None:
        require_positive(tau=self.tau)

    def __call__(self, items: Tensor, positives: Tensor, scratch: Scratch) -> Pushes:
        """Scores of items (r, N) against those of positives (r, K)."""
        shape = torch.Size((*positives.shape, items.shape[1]))
        items, positives = items / self.tau, positives / self.tau
        z = torch.sub(items[:, None, :], positives[:, :, None], out=scratch.plane(0, shape))
        value = torch.sigmoid(z, out=scratch.plane(1, shape))
        slope = torch.addcmul(value, value, value, value=-1, out=z)
        return Pushes(value.sum(2), value, ((1 / self.tau, slope),))


@dataclass(frozen=True)
class SupStep:
    """SupRank's upper bound of the step (Ramzi et al., 2021, eq. 7): a sigmoid that turns into a line.

    ``sigmoid(t/tau)`` for ``t <= 0``; ``start + sigmoid(t/tau)`` for ``0 < t <= delta``; ``rho (t - delta) + offset``
    beyond. ``offset=None`` makes the step continuous at delta; ``delta=None`` starts the line at 0.
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
        if not math.isfinite(self.start) or not math.isfinite(self.offset or 0.0):
            raise CairnError(f"start and offset must be finite, got {self.start!r} and {self.offset!r}")

    @property
    def intercept(self) -> float:
        """Height of the line at delta."""
        if self.offset is not None:
            return self.offset
        return self.start + 1 / (1 + math.exp(-(self.delta or 0.0) / self.tau))

    def __call__(self, items: Tensor, positives: Tensor, scratch: Scratch) -> Pushes:
        """Scores of items (r, N) against those of positives (r, K)."""
        shape = torch.Size((*positives.shape, items.shape[1]))
        items, positives = items / self.tau, positives / self.tau
        delta, rho = (self.delta or 0.0) / self.tau, self.rho * self.tau
        z = torch.sub(items[:, None, :], positives[:, :, None], out=scratch.plane(0, shape))
        above = torch.gt(z, 0.0, out=scratch.plane(1, shape)).sum(2)
        beyond = torch.gt(z, delta, out=scratch.plane(2, shape))
        n_beyond = beyond.sum(2)
        line = (beyond @ items[:, :, None])[:, :, 0] - n_beyond * (positives + delta)  # sum of z - delta
        value = torch.sigmoid(z, out=scratch.plane(1, shape))
        value.addcmul_(value, beyond, value=-1)
        total = value.sum(2).add_(above, alpha=self.start)
        total.add_(n_beyond, alpha=self.intercept - self.start).add_(line, alpha=rho)
        slope = torch.addcmul(value, value, value, value=-1, out=z)
        return Pushes(total, value, ((1 / self.tau, slope), (self.rho, beyond)))


@dataclass(frozen=True)
class LeakyStep:
    """HAPPIER's lower bound of the step inside H-rank (Ramzi et al., 2022, supplement).

    ``leak * t`` for ``t <= 0``; ``min(beta t + gamma, 1)`` above. It is negative below 0, so that a loss may exceed 1.
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
        return Pushes(value.sum(2), value, ((1.0, slope),))


Step = Sigmoid | SupStep
