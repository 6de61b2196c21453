"""Weighted sums of losses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import Array


class Combined(nn.Module):
    """A weighted sum of losses, itself a loss; `combine` makes one.

    Attributes:
        losses: the parts, an nn.ModuleList.
        weights: their weights.

    Example:
        >>> from cairnhub.training.losses import Calibration, Combined, SupAP
        >>> len(Combined([SupAP(), Calibration()], [0.9, 0.1]).losses)
        2
    """

    def __init__(self, losses: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        if not losses or len(losses) != len(weights):
            raise BadInput(
                f"losses and weights must be as many, at least one: got {len(losses)} and {len(weights)}"
            )
        if not all(math.isfinite(weight) for weight in weights):
            raise BadInput(f"weights must be finite, got {tuple(weights)}")
        self.losses, self.weights = nn.ModuleList(losses), tuple(weights)

    def parts(
        self,
        embeddings: Tensor,
        labels: Array,
        ref_embeddings: Tensor | None = None,
        ref_labels: Array | None = None,
    ) -> dict[str, Tensor]:
        """Every part's own value by class name, unweighted; the weighted sum is what forward() returns."""
        values = [loss(embeddings, labels, ref_embeddings, ref_labels) for loss in self.losses]
        return dict(zip(self._names(), values, strict=True))

    def forward(
        self,
        embeddings: Tensor,
        labels: Array,
        ref_embeddings: Tensor | None = None,
        ref_labels: Array | None = None,
    ) -> Tensor:
        """The weighted sum; arguments as for the rank losses."""
        values = self.parts(embeddings, labels, ref_embeddings, ref_labels).values()
        return torch.stack([weight * value for weight, value in zip(self.weights, values, strict=True)]).sum(
            0
        )

    def _names(self) -> list[str]:
        names = [type(loss).__name__ for loss in self.losses]
        return [f"{name}_{i}" if names.count(name) > 1 else name for i, name in enumerate(names)]


def combine(*parts: tuple[float, nn.Module]) -> Combined:
    """Weighted sum of losses.

    Args:
        parts: (weight, loss) pairs.

    Returns:
        A module called like any loss.

    Raises:
        CairnError: no part, or a weight that is not finite.

    Example:
        >>> from cairnhub.training.losses import Calibration, SupAP, combine
        >>> loss = combine((0.9, SupAP()), (0.1, Calibration()))
        >>> loss.weights
        (0.9, 0.1)
    """
    return Combined([loss for _, loss in parts], [weight for weight, _ in parts])
