"""Checks of what users pass to losses and metrics: every message names the argument and says what to do."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hierarchies.errors import CairnError

_INTEGERS = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)


def checked_embeddings(embeddings: Tensor, name: str) -> Tensor:
    """Return (n, d) embeddings in float32 or float64; half precision is computed in float32.

    Raises:
        CairnError: not a floating (n, d) tensor, empty, or holds NaN or infinity.
    """
    if not isinstance(embeddings, Tensor) or not embeddings.is_floating_point() or embeddings.ndim != 2:
        raise CairnError(f"{name} must be a floating point tensor (n, d), got {_described(embeddings)}")
    if 0 in embeddings.shape:
        raise CairnError(
            f"{name} is empty, shape {tuple(embeddings.shape)}: skip empty batches before the call"
        )
    if not bool(embeddings.detach().isfinite().all()):
        bad = (~embeddings.detach().isfinite()).any(1).nonzero()[0].item()
        raise CairnError(
            f"{name} holds NaN or infinity, first in row {bad}: look for a diverged model or a zero norm"
        )
    return embeddings if embeddings.dtype in (torch.float32, torch.float64) else embeddings.float()


def checked_labels(labels: Tensor, n: int, name: str) -> Tensor:
    """Return (n, L) labels; 1-D labels become one level.

    Raises:
        CairnError: not integers, wrong shape, or not one row per embedding.
    """
    if not isinstance(labels, Tensor) or labels.dtype not in _INTEGERS or labels.ndim not in (1, 2):
        raise CairnError(f"{name} must be an integer tensor (n,) or (n, levels), got {_described(labels)}")
    labels = labels[:, None] if labels.ndim == 1 else labels
    if len(labels) != n or labels.shape[1] == 0:
        raise CairnError(
            f"{name} must have {n} rows, one per embedding, and a level; got {tuple(labels.shape)}"
        )
    return labels.long()


def check_hierarchy(labels: Tensor, name: str) -> None:
    """Check that equal labels at one level are equal at every coarser level (columns run fine -> coarse).

    Raises:
        CairnError: a label has two parents.
    """
    for level in range(labels.shape[1] - 1):
        order = labels[:, level].argsort()
        fine, coarse = labels[order, level], labels[order, level + 1]
        torn = (fine[1:] == fine[:-1]) & (coarse[1:] != coarse[:-1])
        if bool(torn.any()):
            label = fine[1:][torn][0].item()
            raise CairnError(
                f"{name} is not a strict hierarchy: label {label} of column {level} has two parents in column "
                f"{level + 1}. Columns run fine -> coarse; make ids unique within a level"
            )


def check_level(level: int, n_levels: int) -> None:
    """Raise CairnError unless `level` is a column of labels with `n_levels` columns."""
    if not 0 <= level < n_levels:
        raise CairnError(f"level must be in 0..{n_levels - 1} (labels have {n_levels} columns), got {level}")


def match_depth(labels: Tensor, ref_labels: Tensor) -> Tensor:
    """Number of levels that two items share, (Q, N) int8, for labels (Q, L) and (N, L) of a strict hierarchy."""
    depth = torch.zeros(len(labels), len(ref_labels), dtype=torch.int8, device=labels.device)
    for mine, theirs in zip(labels.T, ref_labels.T, strict=True):
        depth += mine[:, None] == theirs[None, :]
    return depth


@dataclass(frozen=True)
class Batch:
    """Checked arguments of a loss; `refs` is None where the batch is ranked against itself."""

    embeddings: Tensor
    labels: Tensor
    refs: Tensor | None
    ref_labels: Tensor | None

    @property
    def items(self) -> Tensor:
        """What is ranked, (N, d)."""
        return self.embeddings if self.refs is None else self.refs

    @property
    def item_labels(self) -> Tensor:
        """Labels of what is ranked, (N, L)."""
        return self.labels if self.ref_labels is None else self.ref_labels


def check_batch(
    embeddings: Tensor, labels: Tensor, ref_embeddings: Tensor | None, ref_labels: Tensor | None
) -> Batch:
    """Check the four arguments of a loss.

    Raises:
        CairnError: one of them is wrong, or two do not fit each other; the message names it.
    """
    embeddings = checked_embeddings(embeddings, "embeddings")
    labels = checked_labels(labels, len(embeddings), "labels")
    if ref_embeddings is None and ref_labels is None:
        check_hierarchy(labels, "labels")
        return Batch(embeddings, labels, None, None)
    if ref_embeddings is None or ref_labels is None:
        raise CairnError("ref_embeddings and ref_labels go together: give both or neither")
    refs = checked_embeddings(ref_embeddings, "ref_embeddings").to(embeddings.dtype)
    ref_labels = checked_labels(ref_labels, len(refs), "ref_labels")
    if refs.shape[1] != embeddings.shape[1]:
        raise CairnError(f"ref_embeddings have {refs.shape[1]} columns, embeddings {embeddings.shape[1]}")
    if ref_labels.shape[1] != labels.shape[1]:
        raise CairnError(f"ref_labels have {ref_labels.shape[1]} levels, labels {labels.shape[1]}")
    check_hierarchy(torch.cat([labels, ref_labels]), "labels and ref_labels together")
    return Batch(embeddings, labels, refs, ref_labels)


def _described(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return type(value).__name__
