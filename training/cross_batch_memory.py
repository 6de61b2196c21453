"""Cross-batch memory: a batch is ranked against itself and against the embeddings of past batches."""

import torch
from torch import Tensor, nn

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import Array, checked_labels


class CrossBatchMemory(nn.Module):
    """A loss over more items than a batch holds (XBM, Wang et al., CVPR 2020).

    The newest `size` embeddings stay in a ring, without gradient. They are buffers: a checkpoint of the loss holds
    them. With several ranks the loss sees the joined batch, so that every rank keeps the same ring.

    Args:
        loss: called with embeddings, labels, references and their labels.
        size: embeddings kept, at least a batch's.
        dim: d of the embeddings.
        n_levels: L of the labels.
        n_skipped: batches at the start that are not kept, while embeddings still change fast.
    """

    embeddings: Tensor
    labels: Tensor
    n_seen: Tensor
    n_left_to_skip: Tensor

    def __init__(self, loss: nn.Module, size: int, dim: int, n_levels: int, n_skipped: int = 0) -> None:
        super().__init__()
        self.loss = loss
        self.size = size
        self.register_buffer("embeddings", torch.zeros(size, dim))
        self.register_buffer("labels", torch.zeros(size, n_levels, dtype=torch.long))
        self.register_buffer("n_seen", torch.zeros((), dtype=torch.long))
        self.register_buffer("n_left_to_skip", torch.tensor(n_skipped))

    def forward(self, embeddings: Tensor, labels: Array) -> Tensor:
        """The loss of a batch (B, d) with labels (B, L) or (B,), which is then kept.

        Raises:
            CairnError: the batch does not fit the memory.
        """
        labels = self._checked(embeddings, labels)
        n_kept = min(int(self.n_seen), self.size)
        if n_kept:
            items = torch.cat([embeddings, self.embeddings[:n_kept].to(embeddings)])
            item_labels = torch.cat([labels, self.labels[:n_kept]])
            value: Tensor = self.loss(embeddings, labels, items, item_labels)
        else:
            value = self.loss(embeddings, labels)
        self._keep(embeddings.detach(), labels)
        return value

    def _checked(self, embeddings: Tensor, labels: Array) -> Tensor:
        """The labels, (B, L)."""
        by_level = checked_labels(labels, len(embeddings), "labels").to(self.labels.device)
        n_levels, dim = self.labels.shape[1], self.embeddings.shape[1]
        if by_level.shape[1] != n_levels:
            raise BadInput(f"labels have {by_level.shape[1]} levels, the memory {n_levels}: set n_levels")
        if embeddings.shape[1:] != (dim,):
            raise BadInput(f"embeddings are {tuple(embeddings.shape)}, the memory keeps (n, {dim}): set dim")
        if len(embeddings) > self.size:
            raise BadInput(f"a batch of {len(embeddings)} does not fit a memory of {self.size}: set size")
        return by_level

    @torch.no_grad()
    def _keep(self, embeddings: Tensor, labels: Tensor) -> None:
        if self.n_left_to_skip > 0:
            self.n_left_to_skip -= 1
            return
        places = (self.n_seen + torch.arange(len(labels), device=labels.device)) % self.size
        self.embeddings[places] = embeddings.to(self.embeddings)
        self.labels[places] = labels
        self.n_seen += len(labels)
