"""Losses of Cairn in loops of pytorch-metric-learning: called with labels of one level, a miner's tuple, references."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import Array, checked_labels
from cairnhub.training.losses.metric_learning import metric_learning_package


def for_metric_learning(loss: nn.Module, class_labels: Array | None = None) -> nn.Module:
    """A loss as pytorch-metric-learning's: `loss(embeddings, labels, indices_tuple, ref_emb, ref_labels)`.

    `DistributedLossWrapper` takes it and gives the gradients of one process that has the whole batch. A
    `CrossBatchMemory` of that package takes only losses whose names it lists: let a subclass list
    `HierarchicalLoss` (`examples/loops/metric_learning.py`). The copy of the batch in the memory is ranked too, as in
    `cairnhub.training.cross_batch_memory`, so that every query finds a positive there.

    Args:
        loss: any loss called with embeddings (B, d) and labels (B, L), and perhaps with references.
        class_labels: labels (n_classes, L) of each class that numbers stand for, fine -> coarse, such as
            `LabelTree.codes`; None: one level.

    Raises:
        NotFound: the package is not installed.
        BadInput: from the loss that is given back: a label without a class; or a miner's tuple, for a rank is a count
            of all items, and means nothing where some are left out; or `DistributedLossWrapper(efficient=True)`,
            which ranks each query's own copy as if it had been found.

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import SupAP, for_metric_learning
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.9, 0.4], [0.0, 1.0]])
        >>> ours, theirs = SupAP(), for_metric_learning(SupAP())
        >>> labels = torch.tensor([0, 0, 1, 1])
        >>> bool(theirs(embeddings, labels) == ours(embeddings, labels))
        True
    """
    table = None
    if class_labels is not None:
        rows = torch.as_tensor(class_labels)
        table = checked_labels(rows, len(rows), "class_labels")
    wrapped: nn.Module = _wrapper()(loss, table)
    return wrapped


@cache
def _wrapper() -> Any:
    base: Any = metric_learning_package().losses.BaseMetricLossFunction

    class HierarchicalLoss(base):  # type: ignore[misc]
        def __init__(self, loss: nn.Module, class_labels: Tensor | None) -> None:
            super().__init__()
            self.loss = loss
            self.register_buffer("class_labels", class_labels, persistent=False)

        def compute_loss(
            self,
            embeddings: Tensor,
            labels: Tensor,
            indices_tuple: tuple[Tensor, ...] | None,
            ref_emb: Tensor,
            ref_labels: Tensor,
        ) -> dict[str, object]:
            _require_all(indices_tuple, embeddings, ref_emb)
            if ref_emb is embeddings:
                value = self.loss(embeddings, self._levels(labels))
            else:
                value = self.loss(embeddings, self._levels(labels), ref_emb, self._levels(ref_labels))
            return {"loss": {"losses": value, "indices": None, "reduction_type": "already_reduced"}}

        def _levels(self, labels: Tensor) -> Tensor:
            if self.class_labels is None:
                return labels[:, None]
            n_classes = len(self.class_labels)
            if int(labels.min()) < 0 or int(labels.max()) >= n_classes:
                raise BadInput(
                    f"labels must be in 0..{n_classes - 1}, the rows of class_labels; got {int(labels.min())}.."
                    f"{int(labels.max())}"
                )
            by_level: Tensor = self.class_labels[labels]
            return by_level

    return HierarchicalLoss


def _require_all(indices_tuple: tuple[Tensor, ...] | None, embeddings: Tensor, refs: Tensor) -> None:
    """Refuse a tuple that leaves out more than each query's own copy, and references that hold it with gradients."""
    if indices_tuple is None:
        return
    n_queries, n_items = len(embeddings), len(refs)
    n_pairs = len(indices_tuple[0]) + len(indices_tuple[2]) if len(indices_tuple) == 4 else 0
    if n_pairs < n_queries * n_items - n_queries:
        raise BadInput(
            "a miner's tuple leaves out items that a ranking counts: pass no miner and no indices_tuple to a rank loss"
        )
    if refs is not embeddings and refs.requires_grad:
        raise BadInput(
            "DistributedLossWrapper(efficient=True) ranks each query's own copy as found: efficient=False gives the "
            "loss of the whole batch"
        )
