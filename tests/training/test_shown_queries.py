"""Which queries the report shows, and what is found for them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.evaluation import ProtocolMetrics, evaluate
from cairnhub.training.metrics.keys import H_AP, ByMetric, MetricKey
from cairnhub.training.nearest import Side, instructive_queries, nearest, shown_queries

NAMES = [("oak & co", "tree"), ("pine", "tree"), ("<rose>", "flower")]


@pytest.fixture(scope="module")
def side() -> Side:
    """Twelve points around three directions, two species of one genus among them."""
    generator = torch.Generator().manual_seed(0)
    fine = np.arange(12) % 3
    centres = torch.eye(4)[:3] + torch.tensor([[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0]])
    points = centres[torch.from_numpy(fine)] + 0.2 * torch.randn(12, 4, generator=generator)
    tree = plants()
    codes = np.array([tree.codes[tree.leaves.index(NAMES[label][0])] for label in fine])
    images = [Image.new("RGB", (30, 20), (20 * i, 0, 0)) for i in range(12)]
    embedded = EmbeddedSplit(torch.nn.functional.normalize(points, dim=1), codes)
    return Side(SimpleNamespace(picture=images.__getitem__), embedded)


def plants() -> LabelTree:
    return LabelTree.from_table(pd.DataFrame(NAMES, columns=["species", "genus"]), ["species", "genus"])


def test_the_nearest_come_first_and_ties_by_index():
    gallery = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.6, 0.8]])
    scores, items = nearest(torch.tensor([[1.0, 0.0]]), gallery, 3)
    assert items.tolist() == [[1, 2, 3]]
    assert scores[0].tolist() == pytest.approx([1, 1, 0.6])
    assert nearest(gallery[1:2], gallery, 9, self_index=[1])[1].tolist() == [[2, 3, 0]]


def test_queries_are_chosen_by_their_metrics():
    h_ap = np.array([0.5, np.nan, 0.1, 0.9, 0.6, 0.4])
    ap = np.array([0.5, np.nan, 0.8, 0.9, 0.6, 0.4])
    per_query = ByMetric({H_AP: h_ap, MetricKey("ap", "a"): ap})
    measured = ProtocolMetrics(ByMetric(), ByMetric(), per_query, ("a",))
    chosen = {name.split()[0]: rows.tolist() for name, rows in instructive_queries(measured, 1).items()}
    assert chosen == {"Worst": [2], "Median": [0], "Best": [3], "H-AP": [2]}


def test_pictures_come_with_what_they_share(side):
    tree = plants()
    measured = evaluate(side.embedded, None, tree.levels)
    shown = shown_queries(tree, measured, side, None, n_queries=2, k=3)
    assert len(shown) == 4 * 2
    pictures = [picture for row in shown for picture in (row.query, *row.results)]
    assert len(pictures) == 8 * (1 + 3)
    assert all(picture.src.startswith("data:image/jpeg;base64,") for picture in pictures)
    assert "oak & co < tree" in {picture.caption for picture in pictures}
    assert {picture.grade for picture in pictures} >= {"query", "near", "none"}


def test_a_separate_gallery_is_searched_whole(side):
    tree = plants()
    measured = evaluate(side.embedded, side.embedded, tree.levels)
    shown = shown_queries(tree, measured, side, side, n_queries=1, k=12)
    assert [len(row.results) for row in shown] == [12] * 4


def test_images_that_may_not_be_shown_are_named_only(side):
    tree = plants()
    measured = evaluate(side.embedded, None, tree.levels)
    found = shown_queries(tree, measured, side, None, n_queries=1, k=2, image_side_px=0)
    assert len(found) == 4
    for row in found:
        assert [row.query.grade, row.query.src, *(picture.src for picture in row.results)] == [
            "query",
            "",
            "",
            "",
        ]
        for picture in row.results:
            n_same = sum(
                a == b
                for a, b in zip(picture.caption.split(" < "), row.query.caption.split(" < "), strict=True)
            )
            assert (picture.grade, picture.note.split(", ")[1]) == [
                ("none", "shares nothing"), ("far", "same genus"), ("near", "same species")][n_same]  # fmt: skip
