"""What pages are made of: found items, nodes, places on a plane, sheets of pictures; the same again, every time."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from cairnhub.core.packed import packed
from cairnhub.datasets_hub.picture_sheets import PER_SHEET, picture_sheets, side_of
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.training.evaluation import ProtocolMetrics
from cairnhub.training.metrics.bootstrap import bootstrap_intervals
from cairnhub.training.metrics.keys import H_AP, ByMetric, MetricKey
from cairnhub.training.model_results import best_items, interval_of_mean, node_results
from cairnhub.training.page_data import Sheets
from cairnhub.training.projection import project
from cairnhub.training.retrieval_page import render_retrieval_page
from tests.odd_images import encoded
from tests.training.toy_results import toy_results


def test_best_items_leave_the_image_itself_out_and_ties_go_by_place():
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    gallery = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.6, 0.8]])
    items, scores = best_items(images, gallery, 3, np.array([0, 1, -1]))
    assert items.tolist() == [[2, 3, 1], [3, 0, 2], [0, 2, 3]]
    assert scores[0].tolist() == pytest.approx([1.0, 0.6, 0.0])
    alone, _ = best_items(images[:1], gallery[:1], 3, np.array([0]))
    assert alone.tolist() == [[-1]]


def test_nodes_have_means_of_their_queries():
    labels = np.array([[0, 0], [0, 0], [1, 0], [2, 1]])
    ap = {"fine": [0.5, 1.0, 0.25, np.nan], "coarse": [1.0, 1.0, 0.5, 0.0]}
    per_query = {H_AP: np.array([0.5, 0.7, 0.1, 0.2])}
    for level, values in ap.items():
        per_query[MetricKey("ap", level)] = np.array(values)
        per_query[MetricKey("r_at", level, 1)] = np.array(values).round()
    measured = ProtocolMetrics(ByMetric({}), ByMetric({}), ByMetric(per_query), ("fine", "coarse"))
    confused = pd.DataFrame(
        [("fine", "a", "b", 2, 0.5)], columns=["level", "node", "found", "n_queries", "share"]
    )
    names = (("a", "b", "c"), ("x", "y"))
    found = node_results("m", measured, labels, names, ("fine", "coarse"), confused)
    assert set(found.nodes) == {
        Node("fine", "a"),
        Node("fine", "b"),
        Node("coarse", "x"),
        Node("coarse", "y"),
    }
    of_a = found.nodes["fine", "a"]
    assert of_a.n_queries == 2
    assert of_a.measures["AP fine"].value == 0.75
    assert (of_a.measures["AP fine"].low, of_a.measures["AP fine"].high) == (0.5, 1.0)
    assert of_a.measures["H-AP"].value == pytest.approx(0.6)
    assert [(one.node.name, one.found, one.n_queries) for one in found.confusions] == [("a", "b", 2)]


def test_the_interval_of_a_mean_is_that_of_the_bootstrap():
    values = np.random.default_rng(1).random(300)
    ours, other = interval_of_mean(values), bootstrap_intervals({"x": values})["x"]
    assert ours.low == pytest.approx(other.low, abs=0.005)
    assert ours.high == pytest.approx(other.high, abs=0.005)


def clusters(n_each: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    middles = np.eye(3, 8)
    return np.concatenate([middle + 0.05 * rng.normal(size=(n_each, 8)) for middle in middles]).astype(
        np.float32
    )


def test_like_lies_near_like_and_the_same_vectors_give_the_same_places(monkeypatch: pytest.MonkeyPatch):
    vectors, label = clusters(16), np.repeat(np.arange(3), 16)
    places = project(vectors)
    assert places.dtype == np.float32
    assert places.min() == 0
    assert places.max() == 1
    distance = np.linalg.norm(places[:, None] - places[None], axis=2) + 9 * np.eye(48)
    assert (label[distance.argmin(1)] == label).all()
    assert (project(vectors[::3]) == project(vectors[::3])).all()
    monkeypatch.setattr("cairnhub.training.projection.N_LANDMARKS", 30)
    many = project(vectors)
    distance = np.linalg.norm(many[:, None] - many[None], axis=2) + 9 * np.eye(48)
    assert (label[distance.argmin(1)] == label).all()


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_few_vectors_have_places_too(n: int):
    places = project(np.eye(8, dtype=np.float32)[:n])
    assert places.shape == (n, 2)
    assert np.isfinite(places).all()


def test_sheets_hold_pictures_in_their_order():
    shades = [(value, 0, 0) for value in range(0, 250, 2)]
    pictures = [encoded(Image.new("RGB", (30, 20), shade), "PNG") for shade in shades]
    pictures[3] = b"broken"
    sheets = [Image.open(io.BytesIO(sheet)) for sheet in picture_sheets(pictures, 16)]
    assert [sheet.size for sheet in sheets] == [(160, 160), (160, 48)]
    assert PER_SHEET == 100
    assert abs(sheets[1].getpixel((8, 24))[0] - shades[110][0]) < 12
    assert sheets[0].getpixel((3 * 16 + 8, 8)) == pytest.approx((136, 136, 136), abs=6)
    assert side_of(800) > side_of(5_000) > side_of(19_000) > side_of(50_000) >= 40


def test_numbers_are_packed_as_the_script_reads_them():
    assert base64.b64decode(packed([[1, 2], [258, 4]], "u2")) == bytes([1, 0, 2, 0, 2, 1, 4, 0])


def test_a_page_is_the_same_again():
    results, tree = toy_results(["a", "b", "</script><script>alert(1)</script>"])
    page = render_retrieval_page(results, tree, Sheets(why_none="none"))
    assert page == render_retrieval_page(results, tree, Sheets(why_none="none"))
    assert "<script>alert" not in page
    assert "H-AP over 4 queries: trained 55.0, untrained 10.0" in page
