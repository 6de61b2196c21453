"""The same metrics where every process holds a part of the gallery only.

A positive's rank is one more than the number of items before it, and these are counted part by part: every process
sorts its own items once, tells the others where its positives stand, and counts its items before each of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from cairnhub.core.errors import BadInput
from cairnhub.training.losses.inputs import check_batch
from cairnhub.training.metrics import full_ranking as ranking
from cairnhub.training.metrics.full_ranking import (
    DEPTH_BITS,
    LAST_KEY,
    Blocks,
    LabelMatches,
    sort_keys,
    sort_rows,
)
from cairnhub.training.metrics.ranked_list import RankedList
from cairnhub.training.metrics.retrieval import Definition, RetrievalMetrics, check_cut_offs, summary


def gallery_rows(n_items: int, rank: int, n_ranks: int) -> slice:
    """Which rows of a gallery a process holds: whole tiles, so that scores are the same to the last bit.

    Example:
        >>> from cairnhub.training.metrics import gallery_rows
        >>> [gallery_rows(40_000, rank, n_ranks=2) for rank in (0, 1)]
        [slice(0, 16384, None), slice(16384, 40000, None)]
    """
    n_tiles = -(-n_items // ranking.TILE)
    start, stop = (ranking.TILE * (n_tiles * i // n_ranks) for i in (rank, rank + 1))
    return slice(min(start, n_items), min(stop, n_items))


def sharded_retrieval_metrics(
    query: Tensor,
    query_labels: Tensor,
    part: Tensor,
    part_labels: Tensor,
    n_items: int,
    *,
    levels: Sequence[str] | None = None,
    ks: Sequence[int] = (1, 10, 100),
    self_index: Tensor | None = None,
    alpha: float = 1.0,
) -> RetrievalMetrics:
    """What `retrieval_metrics` gives for the whole gallery, bit for bit, in every process of the group.

    Every process calls it with the same queries and its own part of the gallery. A process holds the scores of a few
    queries and its part at a time; what travels is one integer per positive and process.

    Args:
        query: embeddings (Q, d), all of them; float32 or half precision.
        query_labels: integers (Q, L), fine -> coarse.
        part: the rows of the gallery that `gallery_rows` gives this process, (n, d).
        part_labels: theirs, (n, L).
        n_items: of the whole gallery.
        levels: names of the label columns, fine -> coarse.
        ks: cut-offs.
        self_index: for each query, its index in the whole gallery, -1 for none, (Q,): it is taken out of its list.
        alpha: exponent of H-AP's relevance.

    Raises:
        CairnError: an argument is wrong, or the part is not the one that `gallery_rows` gives.
    """
    rows = gallery_rows(n_items, dist.get_rank(), dist.get_world_size())
    if len(part) != rows.stop - rows.start or len(part_labels) != len(part):
        raise BadInput(
            f"part must hold rows {rows.start} to {rows.stop} of the gallery (see gallery_rows), got {len(part)} rows"
        )
    check_cut_offs(ks)
    if query.dtype == torch.float64:
        raise BadInput("query is float64: a gallery in parts is ranked in float32")
    # Queries are checked against themselves: a part may be empty.
    batch = check_batch(query, query_labels, None, None, ("query", "query_labels", "part", "part_labels"))
    n_levels = batch.labels.shape[1]
    names = tuple(levels or (f"level{i}" for i in range(n_levels)))
    what = Definition(names, tuple(ks), alpha, paper=False, same_source=False)
    self_index = (
        torch.full((len(query),), -1, device=query.device)
        if self_index is None
        else self_index.to(query.device)
    )
    labels = part_labels.reshape(len(part), n_levels).long()
    search = _GalleryShard(
        batch.embeddings.detach(),
        part.detach().float(),
        labels,
        batch.labels,
        self_index,
        rows.start,
        n_items,
    )
    parts = (what.measure_ranked(ranked, self_index[rows] >= 0, n_items) for rows, ranked in search.ranked())
    return summary(parts, len(query), names, ks)


@dataclass(frozen=True)
class _GalleryShard:
    """All queries against this process's part of the gallery."""

    query: Tensor
    items: Tensor
    labels: Tensor
    query_labels: Tensor
    self_index: Tensor
    first: int
    n_items: int

    def ranked(self) -> list[tuple[slice, RankedList]]:
        """The positives of the whole gallery, for a few queries at a time."""
        matches = LabelMatches(self.query_labels, self.labels)
        blocks = Blocks.of(self.query, self.n_items)
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            return [
                (rows, self._rank(scores, matches.depth(rows), matches.counts[rows].clone(), rows, pool))
                for rows, scores in blocks.scores(self.query, self.items)
            ]

    def _rank(
        self, scores: Tensor, depth: Tensor, counts: Tensor, rows: slice, pool: ThreadPoolExecutor
    ) -> RankedList:
        self_index = self.self_index[rows]
        column = self_index - self.first
        inside = ((self_index >= 0) & (column >= 0) & (column < len(self.items))).nonzero()[:, 0]
        column = column[inside]
        counts[inside, depth[inside, column].long()] -= 1
        counts[inside, 0] += 1
        depth[inside, column] = 0
        dist.all_reduce(counts)
        keys = sort_keys(scores, depth, self.first, self.n_items)
        keys[inside, column] = LAST_KEY
        keys = sort_rows(keys, pool)
        positives = _gathered(_positives(keys), max(int(counts[:, 1:].sum(1).max()), 1))
        before = torch.searchsorted(keys, positives)
        dist.all_reduce(before)
        return _as_ranked(positives, before, counts)


def _positives(keys: Tensor) -> Tensor:
    """Each row's keys with a depth above 0 first, `LAST_KEY` behind, (q, P)."""
    is_positive = keys.bitwise_and((1 << DEPTH_BITS) - 1) > 0
    width = int(is_positive.sum(1).max()) if keys.numel() else 0
    return torch.where(is_positive, keys, LAST_KEY).sort(dim=1).values[:, :width]


def _gathered(keys: Tensor, n_positives: int) -> Tensor:
    """The positives of every process in order of rank, (q, n_positives)."""
    width = torch.tensor(keys.shape[1], device=keys.device)
    dist.all_reduce(width, dist.ReduceOp.MAX)
    padded = keys.new_full((len(keys), int(width)), LAST_KEY)
    padded[:, : keys.shape[1]] = keys
    parts = [torch.empty_like(padded) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, padded)
    joined = torch.cat([*parts, keys.new_full((len(keys), 1), LAST_KEY)], dim=1)
    return joined.sort(dim=1).values[:, :n_positives].contiguous()


def _as_ranked(positives: Tensor, before: Tensor, counts: Tensor) -> RankedList:
    is_there = positives != LAST_KEY
    rank = (before + 1).double().masked_fill(~is_there, torch.inf)
    depth = positives.bitwise_and((1 << DEPTH_BITS) - 1) * is_there
    width = positives.shape[1]
    head = torch.zeros((len(rank), width + 1), dtype=torch.uint8, device=rank.device)
    head.scatter_(1, before.clamp(max=width).where(is_there, width), depth.to(torch.uint8))
    return RankedList(rank, depth, head[:, :width], counts)
