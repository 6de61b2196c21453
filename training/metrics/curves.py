"""Precision over recall, per level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cairnhub.training.losses.inputs import check_batch
from cairnhub.training.metrics.full_ranking import LabelMatches, Search
from cairnhub.training.metrics.ranked_list import RankedList

RECALLS = tuple(round(0.05 * step, 2) for step in range(21))


def precision_recall(
    query: Tensor,
    query_labels: Tensor,
    gallery: Tensor | None = None,
    gallery_labels: Tensor | None = None,
    *,
    levels: Sequence[str],
    recalls: Sequence[float] = RECALLS,
    self_index: Tensor | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Interpolated precision, the mean over queries (Manning et al., Introduction to Information Retrieval, 8.4).

    The precision at a recall is the highest at that recall or more.

    Args:
        query: embeddings (Q, d).
        query_labels: integers (Q, L), fine -> coarse.
        gallery: what is ranked, (N, d); None ranks the other queries.
        gallery_labels: (N, L).
        levels: names of the label columns.
        recalls: from 0 to 1, (R,).
        self_index: index in the gallery of each query itself, -1 where it is not there, (Q,): it is taken out.

    Returns:
        By level, (R,); NaN where no query has positives.

    Example:
        >>> import torch
        >>> from cairnhub.training.metrics.curves import precision_recall
        >>> gallery, labels = torch.tensor([[0.9], [0.8], [0.7]]), torch.tensor([[0], [1], [0]])
        >>> curve = precision_recall(torch.ones(1, 1), labels[:1], gallery, labels, levels=["a"], recalls=(0.5, 1))
        >>> curve["a"].round(3).tolist()
        [1.0, 0.667]
    """
    batch = check_batch(query, query_labels, gallery, gallery_labels)
    n_queries, n_levels = batch.labels.shape
    if self_index is None:
        self_index = torch.arange(n_queries) if gallery is None else torch.full((n_queries,), -1)
    matches = LabelMatches(batch.labels, batch.item_labels)
    search = Search(
        batch.embeddings.detach(), batch.items.detach(), matches, self_index.to(batch.items.device)
    )
    parts: dict[str, list[Tensor]] = {level: [] for level in levels}
    for block in search.rankings(exclude_self=True):
        ranked = RankedList.of(block.depths, block.counts)
        for column, level in enumerate(levels):
            parts[level].append(ranked.at_least(n_levels - column).precision_at_recall(recalls))
    return {level: torch.cat(blocks).nanmean(0).cpu().numpy() for level, blocks in parts.items()}
