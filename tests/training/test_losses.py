"""Rank losses against a plain oracle, numeric gradients, and the ways people hold them wrong."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cairnhub.core.errors import CairnError
from cairnhub.training.losses import (
    HAPPIER,
    HAPPIER_F,
    ROADMAP,
    Calibration,
    Cluster,
    LeakyStep,
    Sigmoid,
    SmoothAP,
    SmoothHAP,
    SmoothNDCG,
    SupAP,
    SupHAP,
    SupNDCG,
    SupRecall,
    SupStep,
    combine,
)
from cairnhub.training.losses.backends import pairwise
from tests.training import oracle

RANK_LOSSES = [SmoothAP, SmoothHAP, SmoothNDCG, SupAP, SupHAP, SupNDCG, SupRecall]


def hierarchy(fine: torch.Tensor, per_middle: int = 2, per_coarse: int = 4) -> torch.Tensor:
    return torch.stack([fine, fine // per_middle, fine // per_coarse], 1)


@st.composite
def batches(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries and references of any class sizes, some with scores that tie exactly."""
    n, m = draw(st.integers(2, 12)), draw(st.integers(1, 15))
    seed = draw(st.integers(0, 2**20))
    generator = torch.Generator().manual_seed(seed)
    fine = torch.randint(0, draw(st.integers(1, 8)), (n + m,), generator=generator)
    vectors = torch.randn(n + m, 4, generator=generator, dtype=torch.float64)
    if draw(st.booleans()):
        vectors = (vectors * 2).round() / 64  # dot products of these are exact, so that ties are ties
    else:
        vectors = torch.nn.functional.normalize(vectors, dim=1) * draw(st.sampled_from([0.3, 1.0]))
    labels = hierarchy(fine)
    return vectors[:n], labels[:n], vectors[n:], labels[n:]


@settings(max_examples=60, deadline=None)
@given(batches(), st.booleans())
def test_values_equal_the_oracle(batch, against_itself: bool) -> None:
    queries, labels, refs, ref_labels = batch
    if against_itself:
        refs, ref_labels = queries, labels
    scores = (queries @ refs.T).numpy()
    depth = oracle.depths(labels.numpy(), ref_labels.numpy())
    at = {level: (depth >= 3 - level).astype(int) for level in range(3)}
    args = (queries, labels) if against_itself else (queries, labels, refs, ref_labels)
    sup, inat = oracle.SUP, oracle.SUP | {"start": 0.0, "offset": 1.0}
    expected = {
        SupAP(): (at[0], lambda s, m: oracle.sup_hap(s, m, m / m.sum(), **sup)),
        SupAP(level=1, step=SupStep.inaturalist()): (
            at[1],
            lambda s, m: oracle.sup_hap(s, m, m / m.sum(), **inat),
        ),
        SmoothAP(level=2, tau=0.1): (at[2], lambda s, m: oracle.smooth_hap(s, m, m / m.sum(), 0.1)),
        SupHAP(alpha=2.0): (depth, lambda s, m: oracle.sup_hap(s, m, oracle.relevance(m, 3, 2.0), **sup)),
        SmoothHAP(): (depth, lambda s, m: oracle.smooth_hap(s, m, oracle.relevance(m, 3), 0.01)),
        SupNDCG(): (depth, lambda s, m: oracle.sup_ndcg(s, m, **sup)),
        SupRecall(at_k=(1, 3), temperature=0.5): (
            at[0],
            lambda s, m: oracle.sup_recall(s, m, (1, 3), 0.5, **sup),
        ),
    }
    for loss, (depths, score_of) in expected.items():
        assert loss(*args).item() == pytest.approx(oracle.mean_loss(scores, depths, score_of), abs=1e-10), (
            loss
        )
        assert loss.n_left_out == int((depths.sum(1) == 0).sum())


def toy(
    n: int = 14, m: int = 0, dtype: torch.dtype = torch.float64, seed: int = 0
) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.nn.functional.normalize(
        torch.randn(n + m, 5, generator=generator, dtype=torch.float64), dim=1
    )
    labels = hierarchy(torch.randint(0, 8, (n + m,), generator=generator))
    vectors = vectors.to(dtype)
    return (vectors, labels) if m == 0 else (vectors[:n], labels[:n], vectors[n:], labels[n:])


@pytest.mark.parametrize("loss_type", RANK_LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_gradcheck(loss_type: type, reduction: str) -> None:
    width = {"tau": 0.1} if loss_type.__name__.startswith("Smooth") else {"step": SupStep(tau=0.1)}
    loss = loss_type(**width, reduction=reduction)
    embeddings, labels = toy(9)
    assert torch.autograd.gradcheck(
        lambda e: loss(e, labels), embeddings.requires_grad_(), eps=1e-7, atol=1e-5
    )
    queries, labels, refs, ref_labels = toy(4, 6, seed=1)
    both = (queries.requires_grad_(), refs.requires_grad_())
    assert torch.autograd.gradcheck(lambda q, r: loss(q, labels, r, ref_labels), both, eps=1e-7, atol=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        SupAP(step=Sigmoid(tau=0.1)),
        SupAP(step=SupStep(delta=None, offset=1.0)),
        SupAP(step=SupStep(offset=None)),
        SupHAP(level_weights=(0.2, 0.3, 0.5)),
        SupHAP(step=SupStep(tau=0.1), hrank_step=LeakyStep()),
        Calibration(),
        Cluster(8, 5),
        Cluster(8, 5, centers=2),
    ],
)
def test_gradcheck_of_variants(loss: torch.nn.Module) -> None:
    embeddings, labels = toy()
    assert torch.autograd.gradcheck(
        lambda e: loss.double()(e, labels), embeddings.requires_grad_(), eps=1e-7, atol=1e-5
    )


@pytest.mark.parametrize("loss_type", RANK_LOSSES)
def test_chunks_do_not_change_the_result(loss_type: type, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, labels, refs, ref_labels = toy(30, 40)

    def result() -> tuple[torch.Tensor, ...]:
        both = queries.clone().requires_grad_(), refs.clone().requires_grad_()
        loss = loss_type()(both[0], labels, both[1], ref_labels)
        own = loss_type()(both[0], labels)
        return loss, own, *torch.autograd.grad(loss + own, both)

    whole = result()
    monkeypatch.setattr(pairwise, "CHUNK_ELEMENTS", {"cpu": 90})  # splits a query's positives too
    monkeypatch.setattr("cairnhub.training.losses.autograd.BLOCK_ELEMENTS", {"cpu": 200})
    for one, other in zip(whole, result(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("loss", [SupHAP(), SmoothAP(), Calibration(), Cluster(8, 5)])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype, loss: torch.nn.Module) -> None:
    embeddings, labels = toy(dtype=dtype)
    embeddings.requires_grad_()
    value = loss(embeddings, labels)
    assert value.dtype == torch.float32
    assert value.item() == loss(embeddings.float(), labels).item()
    value.backward()
    assert embeddings.grad is not None
    assert embeddings.grad.dtype == dtype
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(embeddings, labels).item() == value.item()


def test_queries_without_positives_are_counted_and_left_out() -> None:
    queries, _, refs, _ = toy(3, 4)
    loss = SupAP(reduction="none")
    values = loss(queries, torch.tensor([0, 1, 2]), refs, torch.tensor([0, 0, 1, 5]))
    assert loss.n_left_out == 1
    assert values[2] == 0
    mean = SupAP()(queries, torch.tensor([0, 1, 2]), refs, torch.tensor([0, 0, 1, 5]))
    assert mean.item() == pytest.approx(values[:2].mean().item())
    queries.requires_grad_()
    nothing = SupAP()(queries, torch.tensor([7, 8, 9]), refs, torch.tensor([0, 0, 1, 5]))
    nothing.backward()
    assert nothing.item() == 0
    assert queries.grad is not None
    assert not queries.grad.any()


def test_ties_count_as_documented() -> None:
    """One tied negative pushes by 1/2, one tied positive by 1."""
    embeddings = torch.tensor([[1.0, 0.0], [0.5, 0.0], [0.5, 0.0]])
    query, label = embeddings[:1], torch.tensor([0])
    assert SupAP()(query, label, embeddings[1:], torch.tensor([0, 1])).item() == pytest.approx(1 - 1 / 1.5)
    assert SupAP()(query, label, embeddings[1:], torch.tensor([0, 0])).item() == pytest.approx(0.0)


def test_order_of_the_batch_does_not_matter() -> None:
    embeddings, labels = toy(20)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(SupHAP()(embeddings, labels), SupHAP()(embeddings[order], labels[order]))


def test_recipes_are_weighted_sums() -> None:
    embeddings, labels = toy()
    for recipe, weights in (
        (ROADMAP(), (0.9, 0.1)),
        (HAPPIER(8, 5), (0.9, 0.1)),
        (HAPPIER_F(8, 5), (0.5, 0.5)),
    ):
        parts = recipe.double().parts(embeddings, labels)
        expected = sum(w * value for w, value in zip(weights, parts.values(), strict=True))
        torch.testing.assert_close(recipe(embeddings, labels), expected)
    assert {name for name, _ in HAPPIER(8, 5).named_parameters()} == {"losses.1.weight"}


E4, L4 = torch.eye(4), torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])


@pytest.mark.parametrize(
    ("names", "call"),
    [
        ("embeddings", lambda: SupAP()(torch.full((4, 2), torch.nan), L4)),
        ("embeddings", lambda: SupAP()(torch.tensor([[1.0], [torch.inf], [0.0], [0.0]]), L4)),
        ("embeddings", lambda: SupAP()(torch.ones(4, 2, dtype=torch.long), L4)),
        ("embeddings is empty", lambda: SupHAP()(torch.ones(0, 2), L4[:0])),
        ("labels", lambda: SupHAP()(E4, L4.float())),
        ("labels", lambda: SupHAP()(E4, L4[:3])),
        ("labels", lambda: SupHAP()(E4, L4[None])),
        ("labels must be 0 or above, got -1", lambda: SupHAP()(E4, L4 - 1)),
        ("labels must be 0 or above, got -1", lambda: Cluster(3, 4)(E4, L4 - 1)),
        ("strict hierarchy", lambda: SupHAP()(E4, L4.flip(1))),
        ("level", lambda: SupAP(level=2)(E4, L4)),
        ("level", lambda: SupAP(level=-1)(E4, L4)),
        ("ref_labels", lambda: SupAP()(E4, L4, E4)),
        ("ref_embeddings", lambda: SupAP()(E4, L4, E4[:, :2], L4)),
        ("ref_labels", lambda: SupAP()(E4, L4, E4, L4[:, :1])),
        ("tau", lambda: SmoothAP(tau=0.0)),
        ("rho", lambda: SupStep(rho=-1.0)),
        ("delta", lambda: SupStep(delta=-1.0)),
        ("offset", lambda: SupStep(delta=None, offset=None)),
        ("step must be a SupStep or a Sigmoid, .* got 0.01", lambda: SupAP(step=0.01)),
        ("at_k", lambda: SupRecall(at_k=())),
        ("temperature", lambda: SupRecall(temperature=-1.0)),
        ("alpha", lambda: SupHAP(alpha=-1.0)),
        ("level_weights", lambda: SupHAP(level_weights=(1.0, 1.0, 1.0))(E4, L4)),
        ("reduction", lambda: SupHAP(reduction="average")),
        ("labels of level 0", lambda: Cluster(2, 4)(E4, L4)),
        ("columns", lambda: Cluster(3, 5)(E4, L4)),
        ("positive_margin", lambda: Calibration(positive_margin=2.0)),
        ("weights", lambda: combine((float("nan"), SupAP()))),
        ("losses", lambda: combine()),
    ],
)
def test_mistakes_name_the_argument(names: str, call) -> None:
    with pytest.raises(CairnError, match=names):
        call()


def test_calibration_takes_no_pair_of_an_item_with_itself() -> None:
    embeddings, labels = toy()
    fine = labels[:, 0].numpy()
    cosine = (embeddings @ embeddings.T).numpy()
    same = (fine[:, None] == fine[None]) & ~np.eye(len(fine), dtype=bool)
    near, far = np.maximum(0.9 - cosine[same], 0), np.maximum(cosine[fine[:, None] != fine[None]] - 0.6, 0)
    expected = sum(x.sum() / max((x > 0).sum(), 1) for x in (near, far))
    assert Calibration()(embeddings, labels).item() == pytest.approx(expected)


def test_the_page_about_losses_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "losses.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, {})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("loss_type", RANK_LOSSES)
def test_cuda_equals_cpu(loss_type: type) -> None:
    embeddings, labels = toy(64)
    results = []
    for device in ("cpu", "cuda"):
        x = embeddings.detach().to(device).requires_grad_()
        value = loss_type()(x, labels)
        value.backward()
        results.append((value.detach().cpu(), x.grad.cpu()))
    torch.testing.assert_close(results[0], results[1])
