"""Losses and metrics in other people's loops: autocast, torch.compile, gradient penalties, arrays and data frames."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import normalize

from cairnhub.core.errors import BadInput
from cairnhub.training.cross_batch_memory import CrossBatchMemory
from cairnhub.training.losses import (
    HAPPIER,
    ROADMAP,
    Calibration,
    Cluster,
    SmoothAP,
    SmoothNDCG,
    SupAP,
    SupHAP,
    SupRecall,
    combine,
)
from cairnhub.training.losses.inputs import warn_not_unit
from cairnhub.training.metrics import ground_truth_metrics, retrieval_metrics
from cairnhub.training.metrics.curves import precision_recall

LABELS = torch.stack([torch.arange(16) // 4, torch.arange(16) // 8], 1)
ALL_LOSSES = {
    "SupAP": SupAP(),
    "SupHAP per query": SupHAP(reduction="none"),
    "SmoothAP": SmoothAP(),
    "SmoothNDCG": SmoothNDCG(),
    "SupRecall": SupRecall(),
    "ROADMAP": ROADMAP(),
    "HAPPIER": HAPPIER(4, 8),
    "Calibration": Calibration(),
    "Cluster": Cluster(4, 8),
}
COMPILED_ALWAYS = ("SmoothAP", "ROADMAP")  # the others take seconds each
WITH_RANKS = [name for name in ALL_LOSSES if name not in ("Calibration", "Cluster")]


def points(n: int = 16, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return normalize(torch.randn(n, 8, generator=torch.Generator().manual_seed(seed), dtype=dtype), dim=1)


def gradient(loss, at: torch.Tensor, *references: torch.Tensor, create_graph: bool = False):
    """The leaf and its gradient."""
    leaf = at.clone().requires_grad_()
    value = loss(leaf, LABELS, *references).sum()
    return leaf, torch.autograd.grad(value, leaf, create_graph=create_graph)[0]


@pytest.mark.parametrize("name", WITH_RANKS)
@pytest.mark.parametrize("with_references", [False, True])
def test_a_second_derivative_through_a_rank_loss_is_refused(name: str, with_references: bool) -> None:
    loss = ALL_LOSSES[name].double()
    references = (points(16, 1, torch.float64), LABELS) if with_references else ()
    leaf, grad = gradient(loss, points(dtype=torch.float64), *references, create_graph=True)
    assert torch.equal(
        grad.detach(), gradient(loss, leaf.detach(), *references)[1]
    )  # the first one is as ever
    with pytest.raises(BadInput, match="no second derivative"):
        grad.pow(2).sum().backward()


def test_a_second_derivative_through_the_references_is_refused() -> None:
    references = points(16, 1).requires_grad_()
    value = SupAP()(points(), LABELS, references, LABELS)
    (grad,) = torch.autograd.grad(value, references, create_graph=True)
    with pytest.raises(BadInput, match="no second derivative"):
        grad.sum().backward()


def test_terms_that_have_a_second_derivative_keep_it() -> None:
    at = points(dtype=torch.float64)
    direction = torch.randn(at.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    loss = combine((1.0, Calibration()), (1.0, Cluster(4, 8).double()))

    def penalty(x: torch.Tensor) -> torch.Tensor:
        return gradient(loss, x, create_graph=True)[1].pow(2).sum()

    leaf, grad = gradient(loss, at, create_graph=True)
    grad.pow(2).sum().backward()
    slope = (penalty(at + 1e-6 * direction) - penalty(at - 1e-6 * direction)) / 2e-6
    assert (leaf.grad * direction).sum().item() == pytest.approx(slope.item(), rel=1e-5)


@pytest.mark.parametrize(
    "name",
    [name if name in COMPILED_ALWAYS else pytest.param(name, marks=pytest.mark.long) for name in ALL_LOSSES],
)
def test_compiled_losses_give_what_they_give(name: str) -> None:
    torch.compiler.reset()
    loss = ALL_LOSSES[name].float()
    leaf, twin = points().requires_grad_(), points().requires_grad_()
    value = loss(leaf * 1.0, LABELS).sum() * 2
    compiled = torch.compile(lambda x, labels: loss(x * 1.0, labels).sum() * 2, backend="aot_eager")(
        twin, LABELS
    )
    torch.testing.assert_close(compiled, value)
    value.backward()
    compiled.backward()
    torch.testing.assert_close(twin.grad, leaf.grad)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_no_metric(dtype: torch.dtype) -> None:
    x, labels = points(200, 3), torch.arange(200) // 5
    queries, answers = points(20, 4), [[i] for i in range(20)]

    def everything():
        curve = precision_recall(x, labels[:, None], None, None, levels=["a"], recalls=(0.5,))["a"]
        yield from retrieval_metrics(x, labels).per_query.values()
        yield from retrieval_metrics(queries, labels[:20], x, labels).per_query.values()
        yield from ground_truth_metrics(queries, x, answers).per_query.values()
        yield curve

    exact = list(everything())
    with torch.autocast("cpu", dtype=dtype):
        under = list(everything())
    for first, second in zip(exact, under, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", [name for name in WITH_RANKS if name not in ("ROADMAP", "HAPPIER")])
def test_a_backward_pass_under_autocast_is_in_full_precision(name: str) -> None:
    loss = ALL_LOSSES[name].float()
    _, grad = gradient(loss, points())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(gradient(loss, points())[1], grad)


def shifted(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x.roll(1, 0), LABELS.roll(1, 0)


@pytest.mark.parametrize(
    ("gallery", "n_wrong"),
    [
        ((points(30, 5), torch.cat([LABELS, LABELS[:14]])), 16),  # other pictures
        (shifted(points()), 16),  # the queries in another order
        ((points(), LABELS.flip(0)), 16),  # the right pictures with others' labels
        ((torch.cat([points()[:10], points(20, 6)]), torch.cat([LABELS, LABELS[:14]])), 6),  # some of them
    ],
)
def test_excluding_the_query_from_a_gallery_that_begins_otherwise_is_refused(gallery, n_wrong: int) -> None:
    with pytest.raises(
        BadInput, match=rf"exclude_self=True .* differ for {n_wrong} queries, first for query"
    ):
        retrieval_metrics(points(), LABELS, *gallery, exclude_self=True)


def test_a_query_embedded_twice_in_half_precision_is_the_same() -> None:
    gallery = torch.cat([points().bfloat16().float(), points(9, 7)])
    labels = torch.cat([LABELS, LABELS[:9]])
    result = retrieval_metrics(points(), LABELS, gallery, labels, exclude_self=True)
    by_index = retrieval_metrics(points(), LABELS, gallery, labels, exclude_self=np.arange(16))
    assert result.values == by_index.values


@pytest.mark.parametrize("length", [2e7, 1e12, 1e25])
def test_scores_beyond_what_floats_tell_apart_are_refused(length: float) -> None:
    x = points() * length
    for call in (
        lambda: SupAP()(x, LABELS),
        lambda: SupHAP()(x, LABELS, points(), LABELS) if length > 1e14 else SmoothAP()(x, LABELS, x, LABELS),
        lambda: retrieval_metrics(x, LABELS),
        lambda: ground_truth_metrics(x, x, [[0]] * 16),
    ):
        with pytest.raises(BadInput, match=r"scores may pass 1e\+14.*normalise"):
            call()


def frame(x: torch.Tensor) -> pd.DataFrame:
    return pd.DataFrame(x.numpy())


def read_only(x: torch.Tensor) -> np.ndarray:
    array = x.numpy().copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("kind", [torch.Tensor.numpy, torch.Tensor.tolist, frame, read_only])
def test_arrays_lists_and_frames_are_taken(kind) -> None:
    x = points(dtype=torch.float64)  # lists are of Python's floats
    expected = retrieval_metrics(x, LABELS, x, LABELS, exclude_self=True).values
    assert (
        retrieval_metrics(kind(x), kind(LABELS), kind(x), kind(LABELS), exclude_self=True).values == expected
    )
    assert (
        ground_truth_metrics(kind(x), kind(x), [[0]] * 16).values
        == ground_truth_metrics(x, x, [[0]] * 16).values
    )
    for loss in ALL_LOSSES.values():
        assert torch.equal(loss.double()(x, kind(LABELS)), loss.double()(x, LABELS))
    assert torch.equal(SupAP()(kind(x), kind(LABELS)), SupAP()(x, LABELS))


@pytest.mark.parametrize("dtype", [np.uint16, np.uint64, np.int8, ">i4"])
def test_labels_may_be_any_whole_numbers(dtype) -> None:
    assert torch.equal(SupAP()(points(), LABELS.numpy().astype(dtype)), SupAP()(points(), LABELS))


@pytest.mark.parametrize("labels", [[["a", "b"]] * 16, [[1], [1, 2]] * 8, LABELS.numpy() > 0, None, object()])
def test_what_is_no_label_is_refused_by_name(labels) -> None:
    with pytest.raises(BadInput, match="labels must be an integer tensor"):
        SupAP()(points(), labels)


def test_a_result_is_printed_on_one_screen() -> None:
    levels = [f"level number {i}" for i in range(7)]
    labels = torch.stack([torch.arange(300) // 2**i for i in range(7)], 1)
    labels[0, :5] = torch.tensor([900, 901, 902, 903, 904])
    shown = str(retrieval_metrics(points(300, 8), labels, levels=levels, ks=(1, 5, 10, 50, 100)))
    lines = shown.splitlines()
    assert len(lines) <= 12
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("all levels: H-AP ")
    assert "R@1 " in lines[1]
    assert [line.startswith(level) for line, level in zip(lines[2:], levels, strict=False)] == [True] * 7
    assert lines[2].split()[-1] == "300"  # nobody has a second image on the finest level
    assert " - " in lines[2]


def test_rows_that_are_not_of_unit_length_are_said_once() -> None:
    warn_not_unit.cache_clear()
    with pytest.warns(UserWarning, match="not of unit length"):
        SupAP()(points() * 3, LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SupAP()(points() * 3, LABELS)
        retrieval_metrics(points() * 3, LABELS)
        warn_not_unit.cache_clear()
        SupAP()(points().half(), LABELS)
        Calibration()(points() * 3, LABELS)  # which normalises
        retrieval_metrics(points().bfloat16(), LABELS)


@pytest.mark.parametrize("labels", [LABELS[:, 0], LABELS[:, 0].tolist(), LABELS[:, :1]])
def test_the_memory_takes_labels_of_one_level(labels) -> None:
    memory = CrossBatchMemory(SupAP(), size=32, dim=8, n_levels=1)
    memory(points(), labels)
    value = memory(points(16, 1), labels)
    kept = torch.cat([points(), points(16, 1)]), torch.cat([LABELS, LABELS])[:, :1]
    alone = SupAP()(points(16, 1), LABELS[:, :1])
    torch.testing.assert_close(value, (alone + SupAP()(points(16, 1), LABELS[:, :1], *kept)) / 2)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((points(), LABELS), "labels have 2 levels, the memory 1"),
        ((points()[:, :5], LABELS[:, 0]), r"the memory keeps \(n, 8\)"),
        ((points(40), torch.arange(40)), "does not fit a memory of 32"),
    ],
)
def test_a_batch_that_does_not_fit_the_memory_is_refused(batch, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        CrossBatchMemory(SupAP(), size=32, dim=8, n_levels=1)(*batch)
