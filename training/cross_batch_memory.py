"""Cross-batch memory: a batch is ranked against itself, and against the embeddings of past batches."""

import torch
from torch import Tensor, nn

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import Array, checked_labels


class CrossBatchMemory(nn.Module):
    """The mean of a loss over the batch and of the same loss over a memory (XBM, Wang et al., CVPR 2020; SupRank).

    The memory holds one embedding per image, without gradient: an image that comes again takes its old one's place,
    another the place of the embedding that was kept longest ago. As published, a batch is kept before it is ranked
    against the memory, so that every query finds a positive there. Embeddings and labels are buffers: a checkpoint of
    the loss holds them. With several ranks the loss sees the joined batch, so that every rank keeps the same memory.

    Args:
        loss: called with embeddings, labels, references and their labels.
        size: embeddings kept, at least a batch's.
        dim: d of the embeddings.
        n_levels: L of the labels.
        n_before: batches at the start whose loss is that of the batch alone, while embeddings still change fast.
    """

    embeddings: Tensor
    labels: Tensor
    images: Tensor
    kept_at: Tensor
    n_seen: Tensor
    n_left_before: Tensor

    def __init__(self, loss: nn.Module, size: int, dim: int, n_levels: int, n_before: int = 0) -> None:
        super().__init__()
        self.loss = loss
        self.size = size
        self.register_buffer("embeddings", torch.zeros(size, dim))
        self.register_buffer("labels", torch.zeros(size, n_levels, dtype=torch.long))
        self.register_buffer("images", torch.full((size,), -1))
        self.register_buffer(
            "kept_at", torch.arange(-size, 0)
        )  # below 0: a free place, the first ones taken first
        self.register_buffer("n_seen", torch.zeros((), dtype=torch.long))
        self.register_buffer("n_left_before", torch.tensor(n_before))

    def forward(self, embeddings: Tensor, labels: Array, images: Tensor | None = None) -> Tensor:
        """The loss of a batch, which is kept.

        Args:
            embeddings: (B, d).
            labels: (B, L) or (B,).
            images: which image each row is of, (B,), 0 or above; None takes each for an image of its own.

        Raises:
            CairnError: the batch does not fit the memory.
        """
        labels = self._checked(embeddings, labels)
        self._keep(embeddings.detach(), labels, images)
        value: Tensor = self.loss(embeddings, labels)
        if self.n_left_before > 0:
            self.n_left_before -= 1
            return value
        n_kept = int((self.kept_at >= 0).sum())
        past: Tensor = self.loss(
            embeddings, labels, self.embeddings[:n_kept].to(embeddings), self.labels[:n_kept]
        )
        return (value + past) / 2

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
    def _keep(self, embeddings: Tensor, labels: Tensor, images: Tensor | None) -> None:
        rows = torch.arange(len(labels), device=labels.device)
        seen_at = self.n_seen + rows
        self.n_seen += len(labels)
        if images is None:
            places = self.kept_at.argsort()[: len(rows)]
        else:
            images = images.to(labels.device)
            comes_again = (images[:, None] == images).triu(1).any(1)  # in the batch: the last one is kept
            rows, images = rows[~comes_again], images[~comes_again]
            places = self._places(images)
            self.images[places] = images
        self.embeddings[places] = embeddings[rows].to(self.embeddings)
        self.labels[places] = labels[rows]
        self.kept_at[places] = seen_at[rows]

    def _places(self, images: Tensor) -> Tensor:
        """Where images, no two the same, go: to their own old places, or to the longest kept others."""
        is_here = self.images == images[:, None]
        has_place = is_here.any(1)
        places = is_here.int().argmax(1)
        taken = torch.zeros_like(self.kept_at, dtype=torch.bool)
        taken[places[has_place]] = True
        age = self.kept_at.masked_fill(taken, torch.iinfo(torch.long).max)
        places[~has_place] = age.argsort()[: int((~has_place).sum())]
        return places
