"""Sorted rows against comparisons of each positive: the same losses and gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings

from cairnhub.training.losses import LeakyStep, SmoothAP, SupAP, SupHAP, SupNDCG, SupRecall
from cairnhub.training.losses.backends import sorted as rows
from cairnhub.training.losses.ranking import Block
from cairnhub.training.losses.sigmoid_sums import PRECISION, Grid, Nodes
from cairnhub.training.losses.surrogates import SupStep
from tests.training.test_losses import batches, hierarchy, toy

LOSSES = [
    SupAP(level=1),
    SupAP(rho=-1),
    SupAP(offset=None, tau=0.02),
    SupHAP(),
    SupHAP(start=0.0, offset=1.0, alpha=2.0, reduction="sum"),
    SupHAP(weights=(0.2, 0.3, 0.5), reduction="none"),
    SupNDCG(),
    SupRecall(at_k=(1, 4)),
]


@contextmanager
def sorted_from(n_positives: float) -> Iterator[list[Block]]:
    """Let rows be sorted from so many positives per query on; gives the blocks for which they were."""
    seen: list[Block] = []

    def fill(block: Block) -> None:
        seen.append(block)
        original(block)

    with pytest.MonkeyPatch.context() as patch:
        original = rows.fill
        patch.setattr(rows, "WORTH_IT", n_positives)
        patch.setattr(rows, "fill", fill)
        yield seen


def result(loss: torch.nn.Module, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    queries, refs = (batch[place].clone().requires_grad_() for place in (0, 2))
    value = loss(queries, batch[1], refs, batch[3]) + loss(queries, batch[1])
    return value.detach(), *torch.autograd.grad(value.sum(), (queries, refs))


@settings(max_examples=60, deadline=None)
@given(batches())
def test_sorted_rows_equal_comparisons(batch: tuple[torch.Tensor, ...]) -> None:
    for loss in LOSSES:
        compared = result(loss, batch)
        with sorted_from(0) as seen:
            found = result(loss, batch)
        assert seen
        for one, other in zip(found, compared, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)


def big(n: int = 96, dim: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    vectors = torch.nn.functional.normalize(torch.randn(n, dim, generator=generator), dim=1)
    return vectors, hierarchy(torch.randint(0, 24, (n,), generator=generator), 2, 8)


def test_single_precision_is_as_good_as_that_of_comparisons() -> None:
    vectors, labels = big()
    with sorted_from(0) as seen:
        found = result(SupHAP(), (vectors, labels, vectors, labels))
    assert seen
    with sorted_from(1e9):
        exact = result(SupHAP(), (vectors.double(), labels, vectors.double(), labels))
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradcheck_of_sorted_rows(loss: torch.nn.Module) -> None:
    embeddings, labels = toy(9)
    with sorted_from(0) as seen:
        assert torch.autograd.gradcheck(
            lambda e: loss(e, labels), embeddings.requires_grad_(), eps=1e-7, atol=1e-5
        )
    assert seen


def test_chunks_of_rows_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = big()
    batch = vectors.double(), labels, vectors.double(), labels
    with sorted_from(0):
        whole = result(SupHAP(), batch)
        monkeypatch.setattr(rows, "CHUNK_ELEMENTS", 7 * len(vectors))
        for one, other in zip(result(SupHAP(), batch), whole, strict=True):
            torch.testing.assert_close(one, other)


def test_rows_are_sorted_where_there_are_many_positives_and_no_need_to_compare() -> None:
    vectors, labels = big()
    cases = {
        "many positives": (SupHAP(), vectors, True),
        "few positives": (SupAP(), vectors, False),
        "a gradient through everything": (SmoothAP(level=2), vectors, False),
        "a gradient through H-rank": (SupHAP(hrank_step=LeakyStep()), vectors, False),
        "no sigmoid to continue": (SupHAP(delta=None, offset=1.0), vectors, False),
        "scores too far apart for a grid": (SupHAP(), 100 * vectors, False),
        "exponents too large": (SupHAP(delta=0.0005, tau=0.001), 0.9 * vectors, False),
    }
    for name, (loss, embeddings, expected) in cases.items():
        with sorted_from(8) as seen:
            loss(embeddings, labels)
        assert bool(seen) == expected, name


@pytest.mark.parametrize(("dtype", "largest"), [(torch.float32, 1e-6), (torch.float64, 1e-11)])
def test_interpolation_is_as_exact_as_stated(dtype: torch.dtype, largest: float) -> None:
    generator = torch.Generator().manual_seed(0)
    items, positives = (torch.rand(1, n, generator=generator, dtype=dtype) * 60 - 30 for n in (1, 4000))
    reach = PRECISION[dtype].reach
    grid = Grid(-30 - reach, 30 + reach, items)
    group = torch.zeros(1, 4000, dtype=torch.long)
    field = Nodes(grid, items).spread(group[:, :1], 1) @ grid.sigmoid
    error = Nodes(grid, positives).value(field, group) - torch.sigmoid(items - positives)
    assert error.abs().max() < largest


def test_every_tensor_is_made_on_the_device_of_the_scores() -> None:
    scores, depth = torch.randn(2, 9), torch.randint(0, 3, (2, 9))
    depth[:, 0] = 1
    sorted_rows = rows.Rows.of(scores, depth, 2)
    on_meta = rows.Rows(*(getattr(sorted_rows, field.name).to("meta") for field in fields(rows.Rows)))
    assert on_meta.counted(torch.ones(2, 3, device="meta"))[0].is_meta
    jump = rows.Jump(on_meta, SupStep())
    assert jump.pull(jump.push).is_meta
    nodes = Nodes(Grid(-1.0, 1.0, on_meta.key), on_meta.key)
    assert nodes.spread(on_meta.depth, 3).is_meta
    assert nodes.slope(nodes.spread(on_meta.depth, 3), on_meta.depth).is_meta
