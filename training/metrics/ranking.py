"""Exact full rankings, reduced at once to what metrics need: the match depth at every rank."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from hierarchies.errors import CairnError
from training.losses.inputs import match_depth

DEPTH_BITS = 4  # a key holds score (32 bits), gallery index (28), depth (4)
MAX_ITEMS = 1 << (32 - DEPTH_BITS)
SORT_ELEMENTS = {"cpu": 1 << 20, "cuda": 1 << 26}  # (query, item) pairs ranked at once
SCORE_ELEMENTS = {"cpu": 1 << 24, "cuda": 1 << 28}  # (query, item) scores held at once


@dataclass(frozen=True)
class Search:
    """Queries (Q, d) with labels (Q, L) against a gallery (N, d), (N, L).

    Attributes:
        own: index in the gallery of each query itself, -1 where it is not there, (Q,).
    """

    query: Tensor
    query_labels: Tensor
    gallery: Tensor
    gallery_labels: Tensor
    own: Tensor

    def ranked_depths(self, exclude_own: bool) -> Iterator[tuple[slice, Tensor]]:
        """Match depths in order of rank, a few queries at a time.

        Order: higher score first, then lower gallery index.

        Args:
            exclude_own: put the query itself last, with depth 0.

        Yields:
            Which queries, and their depths (q, N), uint8.
        """
        kind = "cuda" if self.query.is_cuda else "cpu"
        n_items = len(self.gallery)
        n_rows = max(1, SORT_ELEMENTS[kind] // n_items)
        n_scored = max(n_rows, SCORE_ELEMENTS[kind] // n_items // n_rows * n_rows)
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            for first in range(0, len(self.query), n_scored):
                scores = self.query[first : first + n_scored] @ self.gallery.T
                for start in range(0, len(scores), n_rows):
                    rows = slice(first + start, min(first + start + n_rows, first + len(scores)))
                    yield rows, self._rank(scores[start : start + n_rows], rows, exclude_own, pool)

    def _rank(self, scores: Tensor, rows: slice, exclude_own: bool, pool: ThreadPoolExecutor) -> Tensor:
        depth = match_depth(self.query_labels[rows], self.gallery_labels)
        own = self.own[rows]
        inside = (own >= 0).nonzero()[:, 0] if exclude_own else own.new_zeros(0)
        depth[inside, own[inside]] = 0
        if scores.dtype == torch.float64:
            scores[inside, own[inside]] = -torch.inf
            return depth.gather(1, scores.sort(dim=1, descending=True, stable=True).indices).to(torch.uint8)
        keys = _keys(scores, depth)
        keys[inside, own[inside]] = (1 << 63) - 1 - ((1 << DEPTH_BITS) - 1)
        if keys.is_cuda:
            keys = keys.sort(1).values
        else:  # numpy sorts integers with vector instructions, many times faster than torch does
            halves = keys.numpy()
            list(pool.map(lambda row: row.sort(), halves))
        return keys.bitwise_and_((1 << DEPTH_BITS) - 1).to(torch.uint8)


def _keys(scores: Tensor, depth: Tensor) -> Tensor:
    """One integer per pair that sorts by falling score, then rising gallery index, and carries the depth."""
    n_items = scores.shape[1]
    if n_items > MAX_ITEMS:
        raise CairnError(
            f"gallery has {n_items} items; rankings in float32 hold {MAX_ITEMS}: pass float64 embeddings"
        )
    bits = (scores + 0.0).view(torch.int32)  # + 0.0: -0.0 becomes 0.0, so that the two tie
    falling = bits.bitwise_xor_((bits >> 31).bitwise_and_(0x7FFFFFFF)).bitwise_not_()
    low = torch.arange(n_items, device=scores.device) << DEPTH_BITS
    return falling.long().bitwise_left_shift_(32).bitwise_or_(low).bitwise_or_(depth)
