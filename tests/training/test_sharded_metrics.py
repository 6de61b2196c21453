"""A gallery in parts gives the metrics of the whole, bit for bit."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from cairnhub.core.errors import CairnError
from cairnhub.training.metrics import full_ranking as ranking
from cairnhub.training.metrics import gallery_rows, retrieval_metrics, sharded_retrieval_metrics

TILE = 16
KS = (1, 3, 10)
pytestmark = pytest.mark.slow


def searches() -> list[tuple[torch.Tensor, ...]]:
    """Queries, labels, gallery, labels, own index: normal vectors, and rounded ones with many ties."""
    found = []
    for n_queries, n_items, is_rounded in ((7, 40, False), (5, 100, True), (3, 20, True), (9, 70, False)):
        generator = torch.Generator().manual_seed(n_items)
        vectors = torch.randn(n_queries + n_items, 5, generator=generator)
        vectors = vectors.round() if is_rounded else vectors
        fine = torch.randint(0, 12, (n_queries + n_items,), generator=generator)
        fine[0] = 99  # a query without positives
        labels = torch.stack([fine, fine // 3, fine // 6], 1)
        own = torch.where(torch.arange(n_queries) % 2 == 0, torch.arange(n_queries) * 2, -1)
        found.append((vectors[:n_queries], labels[:n_queries], vectors[n_queries:], labels[n_queries:], own))
    return found


def as_a_rank(rank: int, n_ranks: int, folder: Path) -> None:
    """What one process finds, saved for the test."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1"}
    ranking.TILE, ranking.SORT_ELEMENTS["cpu"], ranking.SCORE_ELEMENTS["cpu"] = TILE, 150, 300
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=n_ranks)
    for number, (query, labels, gallery, gallery_labels, own) in enumerate(searches()):
        rows = gallery_rows(len(gallery), rank, n_ranks)
        for name, index in (("all", None), ("without_own", own)):
            result = sharded_retrieval_metrics(
                query, labels, gallery[rows], gallery_labels[rows], len(gallery), ks=KS, self_index=index
            )
            np.savez(
                folder / f"{rank}-{number}-{name}.npz",
                **{str(key): values for key, values in result.per_query.items()},
            )
    with pytest.raises(CairnError, match="part must hold rows"):
        sharded_retrieval_metrics(query, labels, gallery[:1], gallery_labels[:1], len(gallery))
    dist.destroy_process_group()


@pytest.mark.parametrize("n_ranks", [pytest.param(2, marks=pytest.mark.long), 3])
def test_every_metric_is_that_of_one_process(n_ranks, tmp_path, monkeypatch):
    torch.multiprocessing.spawn(as_a_rank, args=(n_ranks, tmp_path), nprocs=n_ranks)
    monkeypatch.setattr(ranking, "TILE", TILE)
    monkeypatch.setattr(ranking, "SORT_ELEMENTS", {"cpu": 150})
    monkeypatch.setattr(ranking, "SCORE_ELEMENTS", {"cpu": 300})
    for number, (query, labels, gallery, gallery_labels, own) in enumerate(searches()):
        for name, index in (("all", False), ("without_own", own)):
            whole = retrieval_metrics(query, labels, gallery, gallery_labels, ks=KS, exclude_self=index)
            for rank in range(n_ranks):
                found = np.load(tmp_path / f"{rank}-{number}-{name}.npz")
                assert set(found) == set(map(str, whole.per_query))
                for metric, values in whole.per_query.items():
                    np.testing.assert_array_equal(
                        found[str(metric)], values, err_msg=f"{metric}, {name}, rank {rank}"
                    )


@pytest.mark.parametrize("n_items", [1, 16, 17, 50])
def test_parts_are_the_whole_gallery_once(n_items, monkeypatch):
    monkeypatch.setattr(ranking, "TILE", TILE)
    parts = [range(n_items)[gallery_rows(n_items, rank, 3)] for rank in range(3)]
    assert [row for part in parts for row in part] == list(range(n_items))
