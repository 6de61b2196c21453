"""The cluster term of HAPPIER: a normalised softmax over learned class proxies."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import Array, checked_embeddings, checked_labels, checked_targets
from cairnhub.training.losses.surrogates import require_positive


class Cluster(nn.Module):
    r"""Normalised softmax (Zhai and Wu, 2019; HAPPIER, Ramzi et al., 2022).

    .. math:: -\log \frac{\exp(v^T p_y / T)}{\sum_c \exp(v^T p_c / T)}, \quad |p_c| = 1

    The proxies `weight` are parameters of this module: hand them to the optimiser. Only they are normalised
    here; embeddings are taken as they come, normally of unit length. With several `centers` per class the
    logit is the mean over them, weighted by a softmax of their own with `center_temperature`.

    Args:
        n_classes: number of classes at `level`; labels there must be 0..n_classes - 1.
        dim: d of the embeddings.
        temperature: T, above 0.
        centers: proxies per class, 1 or more.
        center_temperature: above 0; not used with one center.
        level: column of the labels, 0 the finest.

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import Cluster
        >>> loss = Cluster(n_classes=3, dim=2)
        >>> loss.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
        >>> loss(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0])).round()
        tensor(10., grad_fn=<RoundBackward0>)
    """

    takes_references = False  # a batch is held against proxies, never against other items

    def __init__(
        self,
        n_classes: int,
        dim: int,
        *,
        temperature: float = 0.05,
        centers: int = 1,
        center_temperature: float = 0.1,
        level: int = 0,
    ) -> None:
        super().__init__()
        require_positive(
            n_classes=n_classes,
            dim=dim,
            temperature=temperature,
            centers=centers,
            center_temperature=center_temperature,
        )
        self.n_classes, self.centers, self.level = n_classes, centers, level
        self.temperature, self.center_temperature = temperature, center_temperature
        self.weight = nn.Parameter(torch.empty(n_classes * centers, dim))
        nn.init.uniform_(self.weight, -1 / math.sqrt(dim), 1 / math.sqrt(dim))

    def forward(
        self,
        embeddings: Tensor,
        labels: Array,
        ref_embeddings: Tensor | None = None,
        ref_labels: Array | None = None,
    ) -> Tensor:
        """The mean loss of a batch (B, d), labels (B, L) or (B,); references play no part here.

        Raises:
            CairnError: as for the rank losses, and where a label is not in 0..n_classes - 1.
        """
        embeddings = checked_embeddings(embeddings, "embeddings")
        by_level = checked_labels(labels, len(embeddings), "labels")
        if embeddings.shape[1] != self.weight.shape[1]:
            raise BadInput(
                f"embeddings have {embeddings.shape[1]} columns, the proxies {self.weight.shape[1]}: set dim"
            )
        target = checked_targets(by_level, self.level, self.n_classes).to(embeddings.device)
        with torch.autocast(embeddings.device.type, enabled=False):
            logits = embeddings @ F.normalize(self.weight.to(embeddings.dtype), dim=1).T
            if self.centers > 1:
                logits = logits.view(len(embeddings), self.n_classes, self.centers)
                logits = (logits * (logits / self.center_temperature).softmax(2)).sum(2)
            return F.cross_entropy(logits / self.temperature, target)
