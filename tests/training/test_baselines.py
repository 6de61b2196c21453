"""Baselines of the papers' tables: values by hand, and those that the published code gave."""

from __future__ import annotations

import json
import math
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cairnhub.core.errors import CairnError, NotFound
from cairnhub.training.losses import (
    ArcFace,
    BlackBoxAP,
    Cluster,
    Contrastive,
    CrossLevelSoftmax,
    FastAP,
    ProxyNCA,
    SmoothRecall,
    SoftBinAP,
    Triplet,
    combine,
)
from cairnhub.training.losses.presets import PRESETS
from cairnhub.training.losses.registry import LOSSES, read_loss

DATA = Path(__file__).parents[1] / "data"
CLASSES = torch.tensor([[0, 0], [1, 0], [2, 1], [3, 1]])


of_the_package = pytest.mark.skipif(
    find_spec("pytorch_metric_learning") is None, reason="pytorch-metric-learning is not installed"
)


def published() -> dict:
    batch = json.loads((DATA / "published_losses.json").read_text())
    return json.loads((DATA / "published_baselines.json").read_text()) | {
        name: batch[name] for name in ("embeddings", "labels")
    }


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("SmoothRecall", lambda classes: SmoothRecall()),
        ("SmoothRecall_tau05_at4", lambda classes: SmoothRecall(at_k=4, temperature=0.5, tau=0.05, level=1)),
        ("CrossLevelSoftmax", lambda classes: CrossLevelSoftmax(classes, 16)),
        ("Contrastive", lambda classes: Contrastive()),
        ("Contrastive_refs", lambda classes: Contrastive(margin=0.2, level=1)),
        ("SoftBinAP", lambda classes: SoftBinAP()),
        ("SoftBinAP_refs", lambda classes: SoftBinAP(n_bins=7, level=1)),
        pytest.param("Triplet_refs", lambda classes: Triplet(), marks=of_the_package),
        pytest.param(
            "Triplet_semihard_refs", lambda classes: Triplet(semihard=True, level=1), marks=of_the_package
        ),
        pytest.param("FastAP", lambda classes: FastAP(), marks=of_the_package),
        pytest.param("ProxyNCA", lambda classes: ProxyNCA(8, 16), marks=of_the_package),
        pytest.param("ArcFace", lambda classes: ArcFace(8, 16), marks=of_the_package),
        pytest.param("ArcFace_m3", lambda classes: ArcFace(8, 16, margin=0.3), marks=of_the_package),
    ],
)
def test_values_and_gradients_are_those_of_the_published_code(name, make):
    data = published()
    case, labels = data["cases"][name], torch.tensor(data["labels"])
    loss = make(labels.unique(dim=0)).double()
    proxies = list(loss.parameters())
    for parameter in proxies:
        values = torch.tensor(data["weight"], dtype=torch.float64)
        parameter.data = values if parameter.shape == values.shape else values.T
    embeddings = torch.tensor(data["embeddings"], dtype=torch.float64, requires_grad=True)
    refs = torch.tensor(data["refs"], dtype=torch.float64), torch.tensor(data["ref_labels"])
    value = loss(embeddings, labels, *(refs if name.endswith("_refs") else ()))
    value.backward()
    # The published SmoothRecall makes a constant in float32 also where all else is float64.
    value_tolerance, tolerance = (1e-7, 1e-7) if name.startswith("SmoothRecall") else (1e-9, 1e-8)
    assert value.item() == pytest.approx(case["value"], abs=value_tolerance)
    assert embeddings.grad.norm().item() == pytest.approx(case["grad_norm"], rel=tolerance)
    np.testing.assert_allclose(embeddings.grad[5], case["grad_row"], atol=tolerance * case["grad_norm"])
    for parameter in proxies:
        assert parameter.grad.norm().item() == pytest.approx(case["weight_grad_norm"], rel=tolerance)


def test_blackbox_ap_is_the_published_one_but_for_its_epsilon():
    """The published code adds 1e-5 to the number of positives, here 4 of each query."""
    data = published()
    case, labels = data["cases"]["BlackBoxAP"], torch.tensor(data["labels"])
    embeddings = torch.tensor(data["embeddings"], dtype=torch.float64, requires_grad=True)
    value = BlackBoxAP(margin=0.0)(embeddings, labels)
    value.backward()
    assert 1 - (1 - value.item()) * 4 / (4 + 1e-5) == pytest.approx(case["value"], abs=1e-7)
    np.testing.assert_allclose(embeddings.grad[5], case["grad_row"], atol=1e-3 * case["grad_norm"])


def test_blackbox_margin_lowers_positives_and_raises_negatives():
    embeddings = torch.nn.functional.normalize(
        torch.randn(32, 4, generator=torch.Generator().manual_seed(0)), dim=1
    )
    labels = torch.arange(32) // 4
    torch.manual_seed(0)
    assert BlackBoxAP(margin=0.5)(embeddings, labels) > BlackBoxAP(margin=0.0)(embeddings, labels)
    with pytest.raises(CairnError, match="margin must be"):
        BlackBoxAP(margin=-1.0)


def test_soft_bins_by_hand():
    """Bins at 1, 0, -1; scores of the first query: itself 1, a positive .5, a negative .5 and one at -1."""
    embeddings = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)], [0.5, -math.sqrt(0.75)], [-1.0, 0.0]])
    loss = SoftBinAP(n_bins=3)
    value = loss(embeddings[:1], torch.tensor([0]), embeddings, torch.tensor([0, 0, 1, 2]))
    # Bin 1: 1 + .5 + .5, of positives 1.5; bin 0: .5 + .5, of positives .5; bin -1: 1.
    assert value.item() == pytest.approx(1 - (1.5 / 2 * 1.5 + 2 / 3 * 0.5) / 2, abs=1e-6)
    nobody = loss(embeddings[:1], torch.tensor([7]), embeddings[1:], torch.tensor([0, 1, 2]))
    assert nobody == 0


def test_an_empty_first_bin_is_no_division_by_zero():
    embeddings = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0], [-0.9, math.sqrt(0.19)]])
    refs = embeddings[1].requires_grad_()
    value = SoftBinAP()(embeddings[0], torch.tensor([0]), refs, torch.tensor([0, 1]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(refs.grad).all()


@of_the_package
def test_triplets_by_hand():
    embeddings = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
    labels = torch.tensor([0, 0, 1, 2])
    # Anchors 0 and 1, each other's positive at .8: negatives .96, 0 and .936, .6; those above .75 break the margin.
    assert Triplet()(embeddings, labels).item() == pytest.approx((0.96 - 0.75 + 0.936 - 0.75) / 2, abs=1e-6)


@of_the_package
def test_proxies_by_hand():
    embeddings = torch.tensor([[2.0, 0.0]])  # normalised
    nca, arc = ProxyNCA(2, 2, temperature=0.5), ArcFace(2, 2, margin=0.5, scale=2.0)
    nca.loss.proxies.data = torch.tensor([[0.0, 3.0], [1.0, 0.0]])
    arc.loss.W.data = torch.tensor([[0.0, 1.0], [3.0, 0.0]])
    target = torch.tensor([0])  # at squared distance 2 and angle pi / 2; the other at 0
    assert nca(embeddings, target).item() == pytest.approx(math.log(1 + math.exp(4)), abs=1e-5)
    own = 2 * math.cos(math.pi / 2 + 0.5)
    assert arc(embeddings, target).item() == pytest.approx(math.log(1 + math.exp(2 - own)), abs=1e-5)
    with pytest.raises(CairnError, match=r"must be in 0\.\.1"):
        nca(embeddings, torch.tensor([2]))


def test_margins_and_levels_must_be_as_many():
    loss = CrossLevelSoftmax(CLASSES, 8)
    with pytest.raises(CairnError, match="one number per level"):
        loss(torch.randn(4, 8), CLASSES)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_metric_learning", None)
    with pytest.raises(NotFound, match="pytorch-metric-learning"):
        Triplet()
    recipe_loss = read_loss("Triplet")  # recipes are read without it
    with pytest.raises(NotFound, match="pytorch-metric-learning"):
        recipe_loss.make(CLASSES, 8)


def test_a_term_of_several_levels_is_the_mean_over_them():
    embeddings = torch.nn.functional.normalize(torch.randn(8, 6), dim=1)
    labels = CLASSES.repeat(2, 1)
    made = read_loss({"Cluster": {"weight": 0.5, "levels": "every"}}).make(CLASSES, 6)
    (both,) = made.losses
    assert [(part.n_classes, part.level) for part in both.losses] == [(4, 0), (2, 1)]
    by_level = sum(part(embeddings, labels) for part in both.losses)
    torch.testing.assert_close(made(embeddings, labels), 0.5 * by_level / 2)
    second = read_loss({"Cluster": {"level": 1}}).make(CLASSES, 6).losses[0]
    assert isinstance(second, Cluster)
    assert second.n_classes == 2
    one = read_loss({"Contrastive": {"levels": [1]}}).make(CLASSES, 6)
    assert one(embeddings, labels) == combine((1.0, Contrastive(level=1)))(embeddings, labels)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"SupHAP": {"levels": "every"}}, "of all levels at once"),
        ({"Cluster": {"levels": [0], "level": 1}}, "exclude each other"),
        ({"Cluster": {"levels": []}}, "one at least"),
        ({"Cluster": {"levels": [-1]}}, "0 or above"),
    ],
)
def test_wrong_levels_are_refused(terms, message):
    with pytest.raises(ValueError, match=message):
        read_loss(terms)


def test_a_level_that_the_labels_do_not_have_is_refused_when_the_loss_is_made():
    with pytest.raises(CairnError, match="labels have 2 columns"):
        read_loss({"SupAP": {"level": 2}}).make(CLASSES, 6)


def test_weights_are_those_of_the_configurations():
    """SupRank d3d0e3c, suprank/config/loss; a file without weights gives every term the same share."""
    expected = {
        "roadndcg_dyml": ("SupNDCG_Cluster", {"SupNDCG": 0.9, "Cluster": 0.1}),
        "roadndcg_05": ("SupNDCG_F", {"SupNDCG": 0.5, "Cluster": 0.5}),
        "ROADRatk_SOP": ("SupRecall_Calibration", {"SupRecall": 0.5, "Calibration": 0.5}),
        "ROADRatk_pp": ("SupRecall_Cluster", {"SupRecall": 0.5, "Cluster": 0.5}),
        "ROADMAP_SOP": ("ROADMAP", {"SupAP": 0.9, "Calibration": 0.1}),
        "ROADMAP_pp": ("ROADMAP_Cluster", {"SupAP": 0.9, "Cluster": 0.1}),
        "ROADMAP_pp_arcface_SOP": ("ROADMAP_ArcFace", {"SupAP": 0.9, "ArcFace": 0.1}),
        "HAPPIER_5": ("HAPPIER_F", {"SupHAP": 0.5, "Cluster": 0.5}),
    }
    for preset, weights in expected.values():
        assert {name: term["weight"] for name, term in PRESETS[preset].settings.items()} == weights
    terms = read_loss("SupRecall_Calibration").terms
    assert terms["SupRecall"].arguments()["at_k"] == (1, 2, 4, 8, 16)
    assert terms["Calibration"].arguments()["positive_margin"] == 0.9
    assert read_loss("HAPPIER_ArcFace").terms["ArcFace"].arguments()["margin"] == 0.3
    assert read_loss("ArcFace").terms["ArcFace"].arguments()["margin"] == 0.5


@pytest.mark.parametrize(
    "name", ["BlackBoxAP", "SoftBinAP", "Contrastive", "CrossLevelSoftmax", "SmoothRecall"]
)
def test_half_precision_is_computed_in_float32(name):
    loss: nn.Module = read_loss({name: {"margins": [0.2, 0.4]} if name == "CrossLevelSoftmax" else {}}).make(
        CLASSES, 6
    )
    embeddings = torch.nn.functional.normalize(torch.randn(8, 6), dim=1).half()
    value = loss(embeddings, CLASSES.repeat(2, 1))
    assert value.dtype == torch.float32
    assert torch.isfinite(value)


def test_every_preset_names_losses_of_the_registry():
    assert {name for preset in PRESETS.values() for name in preset.terms} == LOSSES.keys()
