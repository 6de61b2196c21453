"""The calibration term of ROADMAP: cosine similarities that mean the same for every query."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import Batch
from cairnhub.training.losses.level_loss import LevelLoss


class Calibration(LevelLoss):
    r"""Contrastive loss on cosines with a margin for each side (ROADMAP, Ramzi et al., 2021).

    .. math::
        \frac{\sum_{positives} [m_+ - s]_+}{\#\{positives: s < m_+\}}
        + \frac{\sum_{negatives} [s - m_-]_+}{\#\{negatives: s > m_-\}}

    Each side is averaged over the pairs that break its margin. Embeddings are normalised here. In a batch
    ranked against itself an item is not its own positive.

    Args:
        positive_margin: cosine that positives should reach, -1..1.
        negative_margin: cosine that negatives should stay below, -1..1.
        level: column of the labels that tells positives from negatives.

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import Calibration
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
        >>> Calibration()(embeddings, torch.tensor([0, 0, 1]))
        tensor(0.1000)
    """

    def __init__(self, *, positive_margin: float = 0.9, negative_margin: float = 0.6, level: int = 0) -> None:
        super().__init__(level)
        for name, margin in (("positive_margin", positive_margin), ("negative_margin", negative_margin)):
            if not -1 <= margin <= 1:
                raise BadInput(f"{name} is a cosine, -1..1, got {margin!r}")
        self.positive_margin, self.negative_margin = positive_margin, negative_margin

    def loss_of(self, batch: Batch) -> Tensor:
        """The loss of checked arguments."""
        cosine = F.normalize(batch.embeddings, dim=1) @ F.normalize(batch.items, dim=1).T
        positive = self.positives(batch)
        negative = ~positive
        if batch.refs is None:
            positive = positive.fill_diagonal_(False)
        too_far = (self.positive_margin - cosine).clamp(min=0) * positive
        too_near = (cosine - self.negative_margin).clamp(min=0) * negative
        return _mean_of_nonzero(too_far) + _mean_of_nonzero(too_near)


def _mean_of_nonzero(x: Tensor) -> Tensor:
    return x.sum() / (x > 0).sum().clamp(min=1)
