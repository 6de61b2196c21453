"""Cross-level softmax: class proxies with a margin for each level of the hierarchy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import Array, checked_embeddings, checked_labels, checked_targets
from cairnhub.training.losses.surrogates import require_positive


class CrossLevelSoftmax(nn.Module):
    r"""CSL, the baseline of the DyML benchmark (Sun et al., "Dynamic metric learning", CVPR 2021).

    .. math:: \sum_l \log\Big(1 + e^{s m_l} \sum_{n: l(n) \ne l(y)} e^{s v^T p_n} \cdot
        \sum_{c = y} e^{-s v^T p_c}\Big), \quad |p| = 1

    One proxy per finest class. At level l the negatives are the classes of another label there; the positive is
    the own class at every level. Embeddings are taken as they come, normally of unit length.

    Args:
        class_labels: labels of every finest class, (n_classes, L); row c has c in column 0.
        dim: d of the embeddings.
        margins: of each level, finest first: by default DyML's for three levels.
        scale: s, above 0.

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import CrossLevelSoftmax
        >>> loss = CrossLevelSoftmax(torch.tensor([[0, 0], [1, 0], [2, 1]]), dim=2, margins=(0.25, 0.45), scale=2.0)
        >>> loss.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
        >>> round(loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[0, 0]])).item(), 4)
        0.2699
    """

    takes_references = False  # a batch is held against proxies, never against other items
    class_labels: Tensor

    def __init__(
        self,
        class_labels: Tensor,
        dim: int,
        *,
        margins: Sequence[float] = (0.25, 0.35, 0.45),
        scale: float = 32.0,
    ) -> None:
        super().__init__()
        require_positive(dim=dim, scale=scale)
        if not margins or not all(math.isfinite(margin) for margin in margins):
            raise BadInput(f"margins must be finite numbers, one per level, got {tuple(margins)}")
        self.margins, self.scale = tuple(margins), scale
        self.register_buffer("class_labels", checked_labels(class_labels, len(class_labels), "class_labels"))
        self.weight = nn.Parameter(torch.empty(len(self.class_labels), dim))
        nn.init.uniform_(self.weight, -1 / math.sqrt(dim), 1 / math.sqrt(dim))

    def forward(
        self,
        embeddings: Tensor,
        labels: Array,
        ref_embeddings: Tensor | None = None,
        ref_labels: Array | None = None,
    ) -> Tensor:
        """The mean loss of a batch (B, d), labels (B, L); references play no part here.

        Raises:
            CairnError: as for the rank losses; as many margins as levels are needed, and a row for every class.
        """
        embeddings = checked_embeddings(embeddings, "embeddings")
        by_level = checked_labels(labels, len(embeddings), "labels").to(embeddings.device)
        n_levels = {by_level.shape[1], self.class_labels.shape[1], len(self.margins)}
        if len(n_levels) > 1:
            raise BadInput(
                f"labels have {by_level.shape[1]} levels, class_labels {self.class_labels.shape[1]}, and there are "
                f"{len(self.margins)} margins: set margins to one number per level"
            )
        own = checked_targets(by_level, 0, len(self.weight))
        with torch.autocast(embeddings.device.type, enabled=False):
            logits = self.scale * (embeddings @ F.normalize(self.weight.to(embeddings.dtype), dim=1).T)
        positive = -logits.gather(1, own[:, None])[:, 0]
        losses = []
        for level, margin in enumerate(self.margins):
            same = by_level[:, level, None] == self.class_labels[None, :, level]
            negative = logits.masked_fill(same, -torch.inf).logsumexp(1)
            losses.append(F.softplus(negative + positive + margin * self.scale).mean())
        return torch.stack(losses).sum()
