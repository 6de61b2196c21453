"""The contrastive loss of cross-batch memory."""

from __future__ import annotations

import math

from torch import Tensor

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import Batch
from cairnhub.training.losses.level_loss import LevelLoss

_SAME = 1 - 1e-5  # a score above it is that of an item with itself


class Contrastive(LevelLoss):
    r"""Contrastive loss on scores, as cross-batch memory uses it (XBM, Wang et al., CVPR 2020).

    .. math:: \frac{1}{B} \sum_i \Big( \sum_{positives: s_{ij} < 1} (1 - s_{ij})
        + \sum_{negatives: s_{ij} > m} s_{ij} \Big)

    Scores are dot products: embeddings are taken as they come, normally of unit length. A recipe gives it its
    memory: `batch: {memory: 59551}`.

    Args:
        margin: score that negatives should stay below, -1..1.
        level: column of the labels that tells positives from negatives.

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import Contrastive
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
        >>> round(Contrastive()(embeddings, torch.tensor([0, 0, 1])).item(), 4)
        0.5333
    """

    def __init__(self, *, margin: float = 0.5, level: int = 0) -> None:
        super().__init__(level)
        if not (math.isfinite(margin) and -1 <= margin <= 1):
            raise BadInput(f"margin is a score of unit vectors, -1..1, got {margin!r}")
        self.margin = margin

    def loss_of(self, batch: Batch) -> Tensor:
        """The loss of checked arguments."""
        scores = batch.embeddings @ batch.items.T
        positive = self.positives(batch)
        apart = (1 - scores) * (positive & (scores < _SAME))
        near = scores * (~positive & (scores > self.margin))
        return (apart + near).sum() / len(scores)
