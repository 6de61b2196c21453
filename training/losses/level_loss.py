"""What losses of one level share: the checks of their arguments, and what is positive."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from cairnhub.training.losses.inputs import Array, Batch, check_batch, check_level


class LevelLoss(nn.Module, ABC):
    """A loss that looks at one level of the labels: items with the label of the query are its positives.

    Args:
        level: column of the labels, 0 the finest.
    """

    def __init__(self, level: int) -> None:
        super().__init__()
        self.level = level

    def forward(
        self,
        embeddings: Tensor,
        labels: Array,
        ref_embeddings: Tensor | None = None,
        ref_labels: Array | None = None,
    ) -> Tensor:
        """The loss, a scalar; arguments as for the rank losses."""
        batch = check_batch(embeddings, labels, ref_embeddings, ref_labels)
        check_level(self.level, batch.labels.shape[1])
        with torch.autocast(batch.embeddings.device.type, enabled=False):
            return self.loss_of(batch)

    @abstractmethod
    def loss_of(self, batch: Batch) -> Tensor:
        """The loss of checked arguments, in their own precision."""

    def positives(self, batch: Batch) -> Tensor:
        """Whether item j is a positive of query i, (Q, N); a query of its own batch is one of itself."""
        return batch.labels[:, self.level, None] == batch.item_labels[None, :, self.level]
