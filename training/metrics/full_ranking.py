"""Exact full rankings, reduced at once to what metrics need: the match depth at every rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import count_by_depth

DEPTH_BITS = 4  # a key holds score (32 bits), gallery index (28), depth (4)
MAX_LEVELS = (1 << DEPTH_BITS) - 1
MAX_ITEMS = 1 << (32 - DEPTH_BITS)
LAST_KEY = (1 << 63) - (1 << DEPTH_BITS)
SORT_ELEMENTS = {"cpu": 1 << 20, "cuda": 1 << 26}  # (query, item) pairs ranked at once
SCORE_ELEMENTS = {"cpu": 1 << 24, "cuda": 1 << 28}  # (query, item) scores held at once
TILE = 1 << 14  # items scored by one product: the last bits depend on its shape, so shards keep to tiles


class Matches(Protocol):
    """Which gallery items match which queries, and how deeply."""

    counts: Tensor  # gallery items at each depth, (Q, L + 1)

    def depth(self, rows: slice) -> Tensor:
        """Match depths of some queries, (q, N) uint8."""


class LabelMatches:
    """Depths from labels (Q, L) and (N, L): the number of levels shared.

    Raises:
        CairnError: more levels than a key of the ranking has room for.
    """

    def __init__(self, labels: Tensor, gallery_labels: Tensor) -> None:
        if labels.shape[1] > MAX_LEVELS:
            raise BadInput(f"labels have {labels.shape[1]} levels; metrics are made for {MAX_LEVELS} at most")
        coded = [
            torch.unique(torch.cat(columns), return_inverse=True)[1].int()
            for columns in zip(labels.T, gallery_labels.T, strict=True)
        ]
        codes = torch.stack(coded)  # (L, Q + N): a level's codes lie together, they are read once per query
        self.query_codes, self.gallery_codes = codes[:, : len(labels)], codes[:, len(labels) :]
        self.counts = count_by_depth(labels, gallery_labels)

    def depth(self, rows: slice) -> Tensor:
        """Match depths of some queries, (q, N) uint8."""
        mine = self.query_codes[:, rows, None]
        depth: Tensor = (mine[0] == self.gallery_codes[0]).view(torch.uint8)
        for level in range(1, len(mine)):
            depth += (mine[level] == self.gallery_codes[level]).view(torch.uint8)
        return depth


class ListMatches:
    """Depth 1 for the items that a query's list names."""

    def __init__(self, relevant: Sequence[Tensor], n_items: int) -> None:
        self.relevant, self.n_items = relevant, n_items
        n = torch.tensor([len(items) for items in relevant], device=relevant[0].device)
        self.counts = torch.stack([n_items - n, n], 1)

    def depth(self, rows: slice) -> Tensor:
        """Match depths of some queries, (q, N) uint8."""
        lists = self.relevant[rows]
        depth = torch.zeros(len(lists), self.n_items, dtype=torch.uint8, device=lists[0].device)
        for row, items in zip(depth, lists, strict=True):
            row[items] = 1
        return depth


class Ranking(NamedTuple):
    """A few queries' rankings.

    Attributes:
        rows: which queries.
        depths: match depths in order of rank, (q, N) uint8.
        counts: how many items have each depth, (q, L + 1).
    """

    rows: slice
    depths: Tensor
    counts: Tensor


@dataclass(frozen=True)
class Search:
    """Queries (Q, d) against a gallery (N, d).

    Attributes:
        query: (Q, d).
        gallery: (N, d).
        matches: what is a positive.
        self_index: index in the gallery of each query itself, -1 where it is not there, (Q,).
    """

    query: Tensor
    gallery: Tensor
    matches: Matches
    self_index: Tensor

    def rankings(self, exclude_self: bool) -> Iterator[Ranking]:
        """Match depths in order of rank: higher score first, then lower gallery index; a few queries at a time.

        Args:
            exclude_self: put the query itself last, with depth 0.
        """
        blocks = Blocks.of(self.query, len(self.gallery))
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            for rows, scores in blocks.scores(self.query, self.gallery):
                yield self._rank(scores, rows, exclude_self, pool)

    def _rank(self, scores: Tensor, rows: slice, exclude_self: bool, pool: ThreadPoolExecutor) -> Ranking:
        depth, counts, self_index = (
            self.matches.depth(rows),
            self.matches.counts[rows].clone(),
            self.self_index[rows],
        )
        inside = (self_index >= 0).nonzero()[:, 0] if exclude_self else self_index.new_zeros(0)
        column = self_index[inside]
        counts[inside, depth[inside, column].long()] -= 1
        counts[inside, 0] += 1
        depth[inside, column] = 0
        if scores.dtype == torch.float64:
            scores[inside, column] = -torch.inf
            order = scores.sort(dim=1, descending=True, stable=True).indices
            return Ranking(rows, depth.gather(1, order), counts)
        keys = sort_keys(scores, depth)
        keys[inside, column] = LAST_KEY
        lowest = sort_rows(keys, pool).view(torch.uint8)[:, :: keys.itemsize]  # its low bits hold the depth
        return Ranking(rows, lowest & ((1 << DEPTH_BITS) - 1), counts)


@dataclass(frozen=True)
class Blocks:
    """How many queries are scored, and of these ranked, at once, so that memory stays bounded.

    Attributes:
        n_scored: a multiple of `n_ranked`.
        n_ranked: queries.
    """

    n_scored: int
    n_ranked: int

    @classmethod
    def of(cls, query: Tensor, n_items: int) -> Blocks:
        """For a gallery of `n_items`."""
        kind = "cuda" if query.is_cuda else "cpu"
        n_ranked = max(1, SORT_ELEMENTS[kind] // n_items)
        return cls(max(n_ranked, SCORE_ELEMENTS[kind] // n_items // n_ranked * n_ranked), n_ranked)

    def scores(self, query: Tensor, gallery: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Rows of a few queries, and their scores (q, N)."""
        for first in range(0, len(query), self.n_scored):
            queries = query[first : first + self.n_scored]
            scores = queries.new_empty(len(queries), len(gallery))
            with torch.autocast(queries.device.type, enabled=False):
                for column in range(0, len(gallery), TILE):
                    scores[:, column : column + TILE] = queries @ gallery[column : column + TILE].T
            for start in range(0, len(queries), self.n_ranked):
                block = scores[start : start + self.n_ranked]
                yield slice(first + start, first + start + len(block)), block


def sort_rows(keys: Tensor, pool: ThreadPoolExecutor) -> Tensor:
    """Each row sorted; on the CPU in place and by numpy, whose vector instructions are many times faster."""
    if keys.is_cuda:
        return keys.sort(dim=1).values
    list(pool.map(np.ndarray.sort, keys.numpy()))
    return keys


def sort_keys(scores: Tensor, depth: Tensor, first: int = 0, n_items: int | None = None) -> Tensor:
    """One integer per pair that sorts by falling score, then rising gallery index, and carries the depth.

    Args:
        scores: of items `first`, `first + 1`, .. of the gallery, (q, n).
        depth: match depths, (q, n).
        first: index of the first.
        n_items: of the whole gallery; n by default.

    Raises:
        CairnError: the gallery is too large for these keys.
    """
    n_items = n_items or scores.shape[1]
    if n_items > MAX_ITEMS:
        raise BadInput(
            f"gallery has {n_items} items; rankings in float32 hold {MAX_ITEMS}: pass float64 embeddings"
        )
    bits = (0.0 - scores).view(torch.int32)  # of -0.0 and 0.0 it is 0.0, so that the two tie
    place = torch.arange(first, first + scores.shape[1], device=scores.device) << DEPTH_BITS
    keys = torch.empty(scores.shape, dtype=torch.int64, device=scores.device)
    low, high = keys.view(torch.int32).view(*scores.shape, 2).unbind(-1)
    torch.bitwise_xor(bits, (bits >> 31).bitwise_and_(0x7FFFFFFF), out=high)
    torch.bitwise_or(place.to(torch.int32), depth.int(), out=low)  # bits alone: above 31 of them it wraps
    return keys
