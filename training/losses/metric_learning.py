"""Losses of pytorch-metric-learning, called like ours: baselines of the papers' tables.

The package comes with the extra `metric-learning` and is looked for when a loss is made.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cairnhub.core.errors import BadInput, packages_explained
from cairnhub.training.losses.inputs import (
    Array,
    Batch,
    check_batch,
    check_level,
    checked_embeddings,
    checked_labels,
    checked_targets,
)
from cairnhub.training.losses.level_loss import LevelLoss
from cairnhub.training.losses.surrogates import require_positive

if TYPE_CHECKING:
    from types import ModuleType


def metric_learning_package() -> ModuleType:
    """The package; its modules are attributes.

    Raises:
        NotFound: it is not installed; the message says how to get it.
    """
    with packages_explained(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of syntax that newer versions of Python discourage
        import pytorch_metric_learning
        import pytorch_metric_learning.distances
        import pytorch_metric_learning.losses
        import pytorch_metric_learning.miners
    package: ModuleType = pytorch_metric_learning
    return package


class Triplet(LevelLoss):
    r"""Triplet loss on cosines, averaged over the triplets that break the margin (Weinberger and Saul, 2009).

    .. math:: \mathrm{mean}_{a, p, n: > 0} [s_{an} - s_{ap} + m]_+

    All triplets of a batch, or those of each anchor's nearest positive and its hardest negative that is still farther.
    Embeddings are normalised here.

    Args:
        margin: m, a difference of cosines, above 0.
        semihard: one triplet per anchor, easy positive and semi-hard negative, in place of all.
        level: column of the labels that makes positives, 0 the finest.

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import Triplet
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])  # fine -> coarse
        >>> round(Triplet()(embeddings, labels).item(), 4)
        0.198
    """

    def __init__(self, *, margin: float = 0.05, semihard: bool = False, level: int = 0) -> None:
        super().__init__(level)
        require_positive(margin=margin)
        package = metric_learning_package()
        distance = package.distances.DotProductSimilarity()
        self.loss: nn.Module = package.losses.TripletMarginLoss(margin=margin, distance=distance)
        self.miner: nn.Module | None = package.miners.BatchEasyHardMiner() if semihard else None

    def loss_of(self, batch: Batch) -> Tensor:
        """The loss of checked arguments, 0 without triplets."""
        own = batch.labels[:, self.level]
        # Without references the package takes no image for its own positive.
        others = () if batch.refs is None else (batch.refs, batch.item_labels[:, self.level])
        mined = self.miner(batch.embeddings, own, *others) if self.miner else None
        return self.loss(batch.embeddings, own, mined, *others)  # type: ignore[no-any-return]


class FastAP(nn.Module):
    r"""1 - AP from soft histograms of squared distances (Cakir et al., "Deep metric learning to rank", CVPR 2019).

    .. math:: 1 - \frac{1}{|P|} \sum_b h^+_b \frac{\sum_{a \le b} h^+_a}{\sum_{a \le b} h_a}

    with h the triangular histogram of a query's distances, nearest bin first, and h+ that of its positives. A batch is
    ranked against itself, each query without itself; embeddings are normalised here.

    Args:
        n_bins: of the histograms, 1 or more.
        level: column of the labels that makes positives, 0 the finest.

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import FastAP
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
        >>> labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])  # fine -> coarse
        >>> round(FastAP()(embeddings, labels).item(), 4)
        0.5
    """

    takes_references = False  # the package ranks a batch against itself alone

    def __init__(self, *, n_bins: int = 10, level: int = 0) -> None:
        super().__init__()
        require_positive(n_bins=n_bins)
        self.loss: nn.Module = metric_learning_package().losses.FastAPLoss(num_bins=n_bins)
        self.level = level

    def forward(
        self,
        embeddings: Tensor,
        labels: Array,
        ref_embeddings: Tensor | None = None,
        ref_labels: Array | None = None,
    ) -> Tensor:
        """The loss, a scalar, of a batch (B, d), labels (B, L) or (B,); references play no part here."""
        batch = check_batch(embeddings, labels, None, None)
        check_level(self.level, batch.labels.shape[1])
        with torch.autocast(batch.embeddings.device.type, enabled=False):
            return self.loss(batch.embeddings, batch.labels[:, self.level])  # type: ignore[no-any-return]


class _Proxies(nn.Module):
    """A loss of the package over one learned proxy per class, normalised as the embeddings are."""

    takes_references = False  # a batch is held against proxies, never against other items

    def __init__(self, loss: nn.Module, n_classes: int, level: int) -> None:
        super().__init__()
        self.loss, self.n_classes, self.level = loss, n_classes, level

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
        by_level = checked_labels(labels, len(embeddings), "labels").to(embeddings.device)
        target = checked_targets(by_level, self.level, self.n_classes)
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.loss(embeddings, target)  # type: ignore[no-any-return]


class ProxyNCA(_Proxies):
    r"""ProxyNCA++ (Teh et al., ECCV 2020): a softmax over squared distances to class proxies.

    .. math:: -\log \frac{\exp(-|v - p_y|^2 / T)}{\sum_c \exp(-|v - p_c|^2 / T)}, \quad |v| = |p| = 1

    Args:
        n_classes: number of classes at `level`; labels there must be 0..n_classes - 1.
        dim: d of the embeddings.
        temperature: T, above 0.
        level: column of the labels, 0 the finest.

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import ProxyNCA
        >>> loss = ProxyNCA(n_classes=2, dim=2, temperature=0.5)
        >>> loss.loss.proxies.data = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> round(loss(torch.tensor([[1.0, 0.0]]), torch.tensor([0])).item(), 4)
        4.0181
    """

    def __init__(self, n_classes: int, dim: int, *, temperature: float = 1 / 9, level: int = 0) -> None:
        require_positive(n_classes=n_classes, dim=dim, temperature=temperature)
        loss = metric_learning_package().losses.ProxyNCALoss(n_classes, dim, softmax_scale=1 / temperature)
        nn.init.normal_(loss.proxies, std=1 / 8)  # the authors' start: the length sets the speed of learning
        super().__init__(loss, n_classes, level)


class ArcFace(_Proxies):
    r"""ArcFace (Deng et al., CVPR 2019): a softmax over cosines, with a margin added to the own class's angle.

    .. math:: -\log \frac{\exp(s \cos(\theta_y + m))}{\exp(s \cos(\theta_y + m)) + \sum_{c \ne y} \exp(s \cos \theta_c)}

    Args:
        n_classes: number of classes at `level`; labels there must be 0..n_classes - 1.
        dim: d of the embeddings.
        margin: m in radians, 0..pi.
        scale: s, above 0.
        level: column of the labels, 0 the finest.

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import ArcFace
        >>> loss = ArcFace(n_classes=2, dim=2, margin=0.5, scale=2.0)
        >>> loss.loss.W.data = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> round(loss(torch.tensor([[1.0, 0.0]]), torch.tensor([0])).item(), 4)
        3.0094
    """

    def __init__(
        self, n_classes: int, dim: int, *, margin: float = 0.5, scale: float = 30.0, level: int = 0
    ) -> None:
        require_positive(n_classes=n_classes, dim=dim, scale=scale)
        if not 0 <= margin <= math.pi:
            raise BadInput(f"margin is an angle in radians, 0..pi, got {margin!r}")
        loss = metric_learning_package().losses.ArcFaceLoss(
            n_classes, dim, margin=math.degrees(margin), scale=scale
        )
        nn.init.uniform_(loss.W, -1 / math.sqrt(dim), 1 / math.sqrt(dim))  # as Cluster's
        super().__init__(loss, n_classes, level)
