"""Average precision from soft histograms of the scores."""

from __future__ import annotations

import torch
from torch import Tensor

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import Batch
from cairnhub.training.losses.level_loss import LevelLoss


class SoftBinAP(LevelLoss):
    r"""1 - AP with scores assigned softly to bins (Revaud et al., "Learning with average precision", ICCV 2019).

    .. math:: 1 - \sum_b \frac{\sum_{a \le b} h^+_a}{\sum_{a \le b} h_a} \cdot \frac{h^+_b}{\sum_a h^+_a}

    with h the triangular histogram of a query's scores, highest bin first, and h+ that of its positives. Inside a
    batch the query is its own first positive, as for the rank losses. Queries without positives are left out.

    Args:
        n_bins: centres, from 1 down to -1, 2 or more.
        level: column of the labels that makes positives, 0 the finest.

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import SoftBinAP
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
        >>> round(SoftBinAP(n_bins=5)(embeddings, torch.tensor([0, 0, 1, 2])).item(), 4)
        0.397
    """

    def __init__(self, *, n_bins: int = 20, level: int = 0) -> None:
        super().__init__(level)
        if n_bins < 2:
            raise BadInput(f"n_bins must be 2 or more, got {n_bins}")
        self.n_bins = n_bins

    def loss_of(self, batch: Batch) -> Tensor:
        """The loss of checked arguments; scores beyond -1..1 count in the outer bins, with no gradient."""
        scores = (batch.embeddings @ batch.items.T).clamp(-1, 1)
        positive = self.positives(batch)
        counted = positive.any(1)
        if not bool(counted.any()):
            return scores.sum() * 0
        return (1 - self._average_precision(scores[counted], positive[counted])).mean()

    def _average_precision(self, scores: Tensor, positive: Tensor) -> Tensor:
        """AP of queries from scores and masks (Q, N), all with positives; (Q,)."""
        place = (1 - scores) * ((self.n_bins - 1) / 2)  # in bins, from the highest
        first = place.detach().floor().clamp(0, self.n_bins - 2).long()
        second_share = place - first
        empty = scores.new_zeros(len(scores), self.n_bins)
        every, own = (
            empty.scatter_add(1, first, weight * (1 - second_share)).scatter_add(
                1, first + 1, weight * second_share
            )
            for weight in (torch.ones_like(scores), positive.to(scores.dtype))
        )
        precision = own.cumsum(1) / every.cumsum(1).clamp(min=torch.finfo(scores.dtype).tiny)
        return (precision * own).sum(1) / own.sum(1)
