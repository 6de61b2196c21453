"""Checks of what users pass to losses and metrics: every message names the argument and says what to do."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cairnhub.core.errors import BadInput

Array: TypeAlias = Tensor | npt.ArrayLike
"""A tensor, or what numpy makes an array of: an array, nested lists, a data frame."""
INTEGERS = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)
MAX_SCORE = 1e14
"""Losses hide an item by taking ten times as much from its score (`OUT_OF_REACH`)."""
_UNIT_TOLERANCE = 0.02


def checked_embeddings(embeddings: Array, name: str) -> Tensor:
    """Return (n, d) embeddings in float32 or float64; half precision is computed in float32.

    Raises:
        CairnError: not floating numbers (n, d), empty, or holds NaN or infinity.
    """
    rows = _as_tensor(embeddings)
    if rows is None or not rows.is_floating_point() or rows.ndim != 2:
        raise BadInput(f"{name} must be a floating point tensor (n, d), got {_described(embeddings)}")
    if 0 in rows.shape:
        raise BadInput(f"{name} is empty, shape {tuple(rows.shape)}: skip empty batches before the call")
    if not bool(rows.detach().sum().isfinite()) and not bool(rows.detach().isfinite().all()):
        bad = (~rows.detach().isfinite()).any(1).nonzero()[0].item()
        raise BadInput(
            f"{name} holds NaN or infinity, first in row {bad}: look for a diverged model or a zero norm"
        )
    return rows if rows.dtype in (torch.float32, torch.float64) else rows.float()


def checked_labels(labels: Array, n: int, name: str) -> Tensor:
    """Return (n, L) labels; 1-D labels become one level.

    Raises:
        CairnError: not integers, wrong shape, not one row per embedding, or negative.
    """
    rows = _as_tensor(labels)
    if rows is None or rows.dtype not in INTEGERS or rows.ndim not in (1, 2):
        raise BadInput(f"{name} must be an integer tensor (n,) or (n, levels), got {_described(labels)}")
    rows = rows[:, None] if rows.ndim == 1 else rows
    if len(rows) != n or rows.shape[1] == 0:
        raise BadInput(f"{name} must have {n} rows, one per embedding, and a level; got {tuple(rows.shape)}")
    if len(rows) and int(rows.min()) < 0:
        raise BadInput(
            f"{name} must be 0 or above, got {int(rows.min())}: items without a label would match one another. "
            "Leave them out, or give each distractor a label of its own on every level"
        )
    return rows.long()


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
            raise BadInput(
                f"{name} is not a strict hierarchy: label {label} of column {level} has two parents in "
                f"column {level + 1}. Columns run fine -> coarse; make ids unique within a level"
            )


def check_level(level: int, n_levels: int) -> None:
    """Raise CairnError unless `level` is a column of labels with `n_levels` columns."""
    if not 0 <= level < n_levels:
        raise BadInput(f"level must be in 0..{n_levels - 1} (labels have {n_levels} columns), got {level}")


def checked_targets(labels: Tensor, level: int, n_classes: int) -> Tensor:
    """Labels of one level that number classes, (B,), of labels (B, L).

    Raises:
        CairnError: no such level, or a label is not in 0..n_classes - 1.
    """
    check_level(level, labels.shape[1])
    target = labels[:, level]
    if int(target.min()) < 0 or int(target.max()) >= n_classes:
        raise BadInput(
            f"labels of level {level} must be in 0..{n_classes - 1}, got {int(target.min())}.."
            f"{int(target.max())}: number the training classes from 0, or raise n_classes"
        )
    return target


def match_depth(labels: Tensor, ref_labels: Tensor) -> Tensor:
    """Number of levels that two items share, (Q, N) int8; labels (Q, L) and (N, L) are strict."""
    depth = torch.zeros(len(labels), len(ref_labels), dtype=torch.int8, device=labels.device)
    for mine, theirs in zip(labels.T, ref_labels.T, strict=True):
        depth += mine[:, None] == theirs[None, :]
    return depth


def count_by_depth(labels: Tensor, ref_labels: Tensor) -> Tensor:
    """Number of references at each match depth, (Q, L + 1), for labels (Q, L) and (N, L)."""
    at_least = [torch.full((len(labels),), len(ref_labels), device=labels.device)]
    for mine, theirs in zip(labels.T.flip(0), ref_labels.T.flip(0), strict=True):  # coarse -> fine
        _, code = torch.unique(torch.cat([mine, theirs]), return_inverse=True)
        mine_code, their_code = code.split([len(mine), len(theirs)])
        at_least.append(their_code.bincount(minlength=len(mine) + len(theirs))[mine_code])
    at_least.append(torch.zeros_like(at_least[0]))
    return -torch.stack(at_least, 1).diff(dim=1)


def depth_relevance(counts: Tensor, alpha: float) -> Tensor:
    """H-AP's relevance by depth (HAPPIER, 2022), ``(l / L)^alpha / n(l)``; 0 at depth 0 and where there is no item.

    Args:
        counts: references at each match depth, floats (Q, L + 1).
        alpha: above 1 favours deep matches.
    """
    n_levels = counts.shape[1] - 1
    share = (torch.arange(n_levels + 1, device=counts.device, dtype=counts.dtype) / n_levels) ** alpha
    share[0] = 0.0
    return share / counts.clamp(min=1) * (counts > 0)


@dataclass(frozen=True)
class Batch:
    """Checked arguments of a loss; `refs` is None where the batch is ranked against itself."""

    embeddings: Tensor
    labels: Tensor
    refs: Tensor | None
    ref_labels: Tensor | None
    are_unit: bool

    @property
    def items(self) -> Tensor:
        """What is ranked, (N, d)."""
        return self.embeddings if self.refs is None else self.refs

    @property
    def item_labels(self) -> Tensor:
        """Labels of what is ranked, (N, L)."""
        return self.labels if self.ref_labels is None else self.ref_labels


def check_batch(
    embeddings: Array,
    labels: Array,
    refs: Array | None,
    ref_labels: Array | None,
    names: tuple[str, str, str, str] = ("embeddings", "labels", "ref_embeddings", "ref_labels"),
) -> Batch:
    """Check the four tensors that every loss and metric takes; `names` are what the caller calls them.

    Raises:
        CairnError: one of them is wrong, or two do not fit each other; the message names it.
    """
    own, own_labels, others, other_labels = names
    embeddings = checked_embeddings(embeddings, own)
    labels = checked_labels(labels, len(embeddings), own_labels).to(embeddings.device)
    if refs is None and ref_labels is None:
        check_hierarchy(labels, own_labels)
        return Batch(embeddings, labels, None, None, check_lengths(embeddings, embeddings, own))
    if refs is None or ref_labels is None:
        raise BadInput(f"{others} and {other_labels} go together: give both or neither")
    refs = checked_embeddings(refs, others).to(embeddings)
    ref_labels = checked_labels(ref_labels, len(refs), other_labels).to(embeddings.device)
    if refs.shape[1] != embeddings.shape[1]:
        raise BadInput(f"{others} have {refs.shape[1]} columns, {own} {embeddings.shape[1]}")
    if ref_labels.shape[1] != labels.shape[1]:
        raise BadInput(f"{other_labels} have {ref_labels.shape[1]} levels, {own_labels} {labels.shape[1]}")
    check_hierarchy(torch.cat([labels, ref_labels]), f"{own_labels} with {other_labels}")
    are_unit = check_lengths(embeddings, refs, f"{own} with {others}")
    return Batch(embeddings, labels, refs, ref_labels, are_unit)


def check_lengths(embeddings: Tensor, items: Tensor, name: str) -> bool:
    """Check that no dot product of two rows can pass `MAX_SCORE`.

    Returns:
        Whether all rows are of unit length, as far as half precision keeps it.

    Raises:
        CairnError: the longest rows may make a larger score.
    """
    ends = [rows.detach().norm(dim=1).aminmax() for rows in (embeddings, items)]
    (shortest, longest), (shortest_item, longest_item) = ((float(end.min), float(end.max)) for end in ends)
    if not longest * longest_item <= MAX_SCORE:
        raise BadInput(
            f"{name}: rows are up to {max(longest, longest_item):.3g} long, so scores may pass {MAX_SCORE:.0e}, where "
            "losses and rankings tell nothing apart: normalise the rows"
        )
    low, high = min(shortest, shortest_item), max(longest, longest_item)
    return low >= 1 - _UNIT_TOLERANCE and high <= 1 + _UNIT_TOLERANCE


@cache
def warn_not_unit() -> None:
    """Say, once, that scores are no cosines."""
    warnings.warn(
        "rows of embeddings are not of unit length, so they are ranked by dot products, not cosines; if cosines are "
        "meant, normalise them: torch.nn.functional.normalize(x, dim=1). This is said once",
        stacklevel=3,
    )


def _as_tensor(value: Array) -> Tensor | None:
    """What numpy can make an array of numbers, as a tensor that shares its memory where it can; None for all else."""
    if isinstance(value, Tensor):
        return value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return None
    if array.dtype.kind not in "iufb":
        return None
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)  # torch has little that takes its other unsigned types
    if not (array.flags.writeable and array.dtype.isnative):  # torch takes no others
        array = array.astype(array.dtype.newbyteorder("="))
    return torch.from_numpy(array)


def _described(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return type(value).__name__
