"""Protocols as published, each with an example worked out by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.training.evaluation import group_means
from cairnhub.training.protocol_evaluation import evaluate_protocol
from cairnhub.training.protocol_kinds.graded import precision_at, ranks_without, trapezoidal_ap
from cairnhub.training.protocol_kinds.labels import label_curves
from cairnhub.training.protocol_kinds.one_per_class import draw_gallery
from cairnhub.training.protocol_kinds.points import Points
from cairnhub.training.protocol_kinds.templates import pool_templates


def at(degrees: Sequence[float], labels: Sequence[int] | Sequence[Sequence[int]], **facts) -> Points:
    """Points on the unit circle: the smaller the angle between two, the higher their score."""
    angle = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    points = torch.stack([angle.cos(), angle.sin()], 1).float()
    return Points(points, np.array(labels).reshape(len(degrees), -1), **facts)


def split(points: Points, name: str = "retrieval", **said) -> EvaluationProtocol:
    return EvaluationProtocol(name=name, query="test", gallery="test", **said)


# ---- SOP, CUB, iNaturalist, VGGFace2, all-in-one of DyML-Product: every image searches the others ----------------


def test_leave_one_out():
    """0° finds 10° (other), 20° (same), 90°: AP 1/2. 20° finds 10° (other), 0° (same): AP 1/2. The others are alone."""
    points = at([0, 10, 20, 90], [0, 1, 0, 2])
    found = evaluate_protocol(split(points, ks=(1, 2)), points, None, ("identity",))
    assert found.per_query["ap_identity"] == pytest.approx([0.5, np.nan, 0.5, np.nan], nan_ok=True)
    assert found.values["ap_identity"] == pytest.approx(0.5)
    assert (found.values["r_at_1_identity"], found.values["r_at_2_identity"]) == (0, 1)


def test_means_over_levels_and_protocols():
    """DyML reports means: of one list's levels (product), of three lists of one level each (animal, vehicle)."""
    levels = ("fine", "coarse")
    points = at([0, 10, 20, 90], [[0, 0], [1, 0], [0, 0], [2, 1]])
    product = evaluate_protocol(split(points), points, None, levels)
    parts = {
        level: evaluate_protocol(split(points, levels=(level,)), points, None, levels) for level in levels
    }
    one = group_means({"all": "overall"}, {"all": product})["overall"]
    three = group_means({"fine": "overall", "coarse": "overall"}, parts)["overall"]
    for name in ("mean_ap", "mean_asi", "mean_r_at_1"):
        assert one[name] == pytest.approx(three[name])
    fine, coarse = 0.5, 1.0  # coarse: 0, 10 and 20 degrees share it, nothing else comes between
    assert one["mean_ap"] == pytest.approx((fine + coarse) / 2)
    assert group_means({"fine": None}, parts) == {}


# ---- DyML animal and vehicle: a gallery that may hold the queries -----------------------------------------------


def a_gallery(*, holds_query: bool, by: str) -> tuple[Points, Points]:
    """The query at 0° is of class 0. Found: itself (if there), 10° of class 1, 20° of class 0."""
    picture = {"ids": (["a"], ["a", "b", "c"]), "content": (["query/a"], ["gallery/a", "b", "c"])}[by]
    query_bytes, gallery_bytes = [b"A"], [b"A" if holds_query and by == "content" else b"other", b"B", b"C"]
    query = at([0], [0], image_ids=picture[0], content=query_bytes.__getitem__)
    ids = picture[1] if holds_query else ["x", "b", "c"]
    gallery = at([0, 10, 20], [0, 1, 0], image_ids=ids, content=gallery_bytes.__getitem__)
    rows = np.arange(3) if holds_query else np.arange(1, 3)
    return query, gallery.at(rows)


@pytest.mark.parametrize("by", ["ids", "content"])
@pytest.mark.parametrize("holds_query", [True, False])
def test_a_query_is_dropped_where_the_gallery_holds_it(holds_query: bool, by: str):
    protocol = EvaluationProtocol(name="fine", query="query", gallery="gallery", drop_query=True)
    found = evaluate_protocol(protocol, *a_gallery(holds_query=holds_query, by=by), ("fine",))
    assert found.values["ap_fine"] == pytest.approx(0.5)
    assert f"of 1 queries, {int(holds_query)} lie in the gallery" in found.notes[0]
    curve = label_curves(protocol, *a_gallery(holds_query=holds_query, by=by), ("fine",))
    assert curve["fine"][-1] == pytest.approx(0.5)


def test_nothing_is_dropped_unless_the_protocol_says_so():
    """In-Shop: the first hit counts."""
    protocol = EvaluationProtocol(name="retrieval", query="query", gallery="gallery")
    found = evaluate_protocol(protocol, *a_gallery(holds_query=True, by="ids"), ("item",))
    assert found.values["ap_item"] == pytest.approx((1 + 2 / 3) / 2)
    assert found.notes == ()


def test_a_twin_of_another_class_is_not_the_query_itself():
    query = at([0], [0], image_ids=["q"], content=[b"A"].__getitem__)
    gallery = at([0, 20], [1, 0], image_ids=["g", "h"], content=[b"A", b"B"].__getitem__)
    protocol = EvaluationProtocol(name="fine", query="query", gallery="gallery", drop_query=True)
    found = evaluate_protocol(protocol, query, gallery, ("fine",))
    assert found.values["ap_fine"] == pytest.approx(0.5)
    assert "1 queries, 0 lie" in found.notes[0]


# ---- VehicleID: one random gallery image per vehicle, ten times --------------------------------------------------


def test_one_image_per_class_is_drawn():
    """Two vehicles at 0° and 90°; one of the first's images stands at 80° and is nearer to the second.

    A draw that takes the one at 80°: 0° finds 80° (right) first, and 90° and 95° find 80° (wrong) before or behind 90°.
    """
    angles, labels = [0, 80, 90, 95], [0, 0, 1, 1]
    points = at(angles, labels)
    found = evaluate_protocol(
        split(points, kind="one_per_class", n_draws=7, seed=3), points, None, ("vehicle",)
    )
    r_at_1, ap = [], []
    for draw in range(7):
        gallery = draw_gallery(points.labels[:, 0], 3, draw).tolist()
        assert [labels[row] for row in gallery] == [0, 1]
        hits = []
        for query in sorted({0, 1, 2, 3} - set(gallery)):
            order = sorted(gallery, key=lambda row: abs(angles[row] - angles[query]))
            hits.append(labels[order[0]] == labels[query])
        r_at_1.append(np.mean(hits))
        ap.append(np.mean([1.0 if hit else 0.5 for hit in hits]))
    assert len(set(r_at_1)) > 1
    assert found.values["r_at_1_vehicle"] == pytest.approx(np.mean(r_at_1))
    assert found.values["ap_vehicle"] == pytest.approx(np.mean(ap))
    assert found.values["sd_ap_vehicle"] == pytest.approx(np.std(ap, ddof=1))
    assert found.values["sd_r_at_1_vehicle"] == pytest.approx(np.std(r_at_1, ddof=1))
    assert "the mean of 7 draws" in found.notes[0]


def test_draws_differ_and_come_again():
    labels = np.repeat(np.arange(20), 6)
    drawn = [draw_gallery(labels, 0, draw).tolist() for draw in range(10)]
    assert drawn == [draw_gallery(labels, 0, draw).tolist() for draw in range(10)]
    assert len({tuple(rows) for rows in drawn}) == 10
    assert draw_gallery(labels, 1, 0).tolist() != drawn[0]
    places = np.array(drawn) % 6
    assert set(places.ravel().tolist()) == set(range(6))  # not always the first


def test_part_of_a_split_by_a_word():
    """The small list of VehicleID: its vehicles only, among queries and in the gallery."""
    texts = {"test_list": ["800 1600", "800 1600", "1600", "1600", None]}
    points = at([0, 10, 5, 15, 90], [0, 0, 1, 1, 2], texts=texts)
    small = evaluate_protocol(
        split(points, kind="one_per_class", only={"test_list": "800"}), points, None, ("vehicle",)
    )
    assert small.values["r_at_1_vehicle"] == 1.0  # alone in the list, vehicle 0 has no rival
    assert len(small.per_query["ap_vehicle"]) == 5
    assert np.isnan(small.per_query["ap_vehicle"][2:]).all()
    among_all = evaluate_protocol(split(points, only={"test_list": "1600"}), points, None, ("vehicle",))
    assert among_all.per_query["ap_vehicle"] == pytest.approx(
        [1 / 2, 1 / 3, 1 / 3, 1 / 2, np.nan], nan_ok=True
    )


# ---- IJB-C: templates --------------------------------------------------------------------------------------------


def test_templates_are_pooled():
    """s is at 10° (0° and 20°), t at 5° (0° and 10°), u at 40°: an image may be in two."""
    points = at([0, 20, 10, 40], [0, 0, 0, 1], texts={"template": ["s t", "s", "t", "u"]})
    protocol = split(points, kind="templates", template="template")
    pooled = pool_templates(protocol, points)
    angles = torch.rad2deg(torch.atan2(pooled.embeddings[:, 1], pooled.embeddings[:, 0]))
    assert angles.tolist() == pytest.approx([10, 5, 40], abs=1e-4)
    assert pooled.embeddings.norm(dim=1).tolist() == pytest.approx([1, 1, 1])
    assert pooled.labels[:, 0].tolist() == [0, 0, 1]
    found = evaluate_protocol(protocol, points, None, ("identity",))
    assert found.per_query["ap_identity"] == pytest.approx([1, 1, np.nan], nan_ok=True)


def test_a_template_of_two_people_is_named():
    points = at([0, 20], [0, 1], texts={"template": ["s", "s"]})
    with pytest.raises(BadInput, match="template 's' holds images of different labels"):
        evaluate_protocol(split(points, kind="templates", template="template"), points, None, ("identity",))


# ---- Revisited Oxford and Paris ----------------------------------------------------------------------------------


def revisited() -> tuple[Points, Points, pd.DataFrame]:
    """In the order of the list: junk, easy, negative, hard, easy, negative."""
    gallery = at([1, 2, 3, 4, 5, 6], [0] * 6, image_ids=["j", "e1", "n1", "h", "e2", "n2"])
    query = at([0, 0], [0, 0], image_ids=["q", "without hard"])
    grades = {"j": "junk", "e1": "easy", "h": "hard", "e2": "easy"}
    rows = [("q", image, grade) for image, grade in grades.items()]
    rows += [("without hard", "e2", "easy"), ("without hard", "not in the gallery", "hard")]
    return query, gallery, pd.DataFrame(rows, columns=["query_id", "image_id", "relevance"])


def test_easy_medium_and_hard():
    """Junk goes out first. Easy: e1 n1 e2 n2. Medium: e1 n1 h e2 n2. Hard: n1 h n2.

    By the trapezoidal rule a right image at rank r from 0, the j-th from 0, adds (j / r + (j + 1) / (r + 1)) / 2, with
    1 for j / r at r = 0.
    """
    query, gallery, answers = revisited()
    protocol = EvaluationProtocol(
        name="roxford", query="query", gallery="gallery", kind="graded", ks=(1, 5, 10)
    )
    found = evaluate_protocol(protocol, query, gallery, ("landmark",), answers)
    easy = ((1 + 1) / 2 + (1 / 2 + 2 / 3) / 2) / 2
    medium = ((1 + 1) / 2 + (1 / 2 + 2 / 3) / 2 + (2 / 3 + 3 / 4) / 2) / 3
    hard = (0 / 1 + 1 / 2) / 2
    assert found.levels == ("easy", "medium", "hard")
    per_query = {setting: found.per_query[f"ap_{setting}"] for setting in found.levels}
    assert [values[0] for values in per_query.values()] == pytest.approx([easy, medium, hard])
    alone = (0 / 4 + 1 / 5) / 2  # e2 is fifth: nothing is junk for the other query
    assert per_query["easy"][1] == pytest.approx(alone)
    assert np.isnan(per_query["hard"][1])
    assert found.values["ap_easy"] == pytest.approx((easy + alone) / 2)
    assert found.values["ap_hard"] == pytest.approx(hard)  # a query without such images does not count
    precisions = [found.per_query[f"p_at_{k}_medium"][0] for k in (1, 5, 10)]
    assert precisions == pytest.approx(
        [1, 3 / 4, 3 / 4]
    )  # at the last right image, the fourth, where that is earlier
    assert found.values["r_at_1_hard"] == 0


@pytest.mark.parametrize(
    ("ranks", "n", "expected"),
    [([0], 1, 1.0), ([0, 1, 2], 3, 1.0), ([1], 1, 0.25), ([0], 2, 0.5), ([], 0, math.nan)],
)
def test_trapezoidal_ap(ranks: list[int], n: int, expected: float):
    assert trapezoidal_ap(np.array(ranks, dtype=np.int64), n) == pytest.approx(expected, nan_ok=True)


def test_junk_moves_what_stands_behind_it():
    found = ranks_without(np.array([7, 0, 3]), np.array([5, 1, 2]))
    assert found.tolist() == [0, 1, 4]
    assert precision_at(found, 1) == 1
    assert precision_at(found, 3) == pytest.approx(2 / 3)
    assert precision_at(found, 100) == pytest.approx(3 / 5)


# ---- what is declared wrongly ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"kind": "templates"}, "template"),
        ({"template": "t"}, "template"),
        ({"kind": "one_per_class", "gallery": "other"}, "name one split as both"),
        ({"drop_query": True}, "drop_query"),
        ({"crop": "box"}, "crop"),
        ({"kind": "graded", "gallery": "other", "levels": ("a",)}, "goes by lists"),
        ({"ks": (0,)}, "greater than or equal to 1"),
        ({"scales": (0.0,)}, "greater than 0"),
    ],
)
def test_what_does_not_go_together_is_refused(said: dict[str, object], problem: str):
    with pytest.raises(ValidationError, match=problem):
        EvaluationProtocol.model_validate({"name": "p", "query": "test", "gallery": "test"} | said)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"only": {"lists": "800"}}, "needs a column of text 'lists'"),
        ({"only": {"list": "800"}}, "no image of its query has"),
        ({"kind": "templates", "template": "template"}, "needs a column of text 'template'"),
        ({"kind": "one_per_class"}, "no vehicle has two images"),
        ({"kind": "graded"}, "must be a split of their own"),
    ],
)
def test_what_is_missing_is_named(said: dict[str, object], problem: str):
    points = at([0, 10], [0, 1], texts={"list": ["1600", "2400"]})
    with pytest.raises(BadInput, match=problem):
        evaluate_protocol(split(points, **said), points, None, ("vehicle",))


def test_lists_without_grades_are_refused():
    query, gallery, answers = revisited()
    protocol = EvaluationProtocol(name="roxford", query="query", gallery="gallery", kind="graded")
    for wrong in (None, answers.drop(columns="relevance")):
        with pytest.raises(BadInput, match="must give `relevance`"):
            evaluate_protocol(protocol, query, gallery, ("landmark",), wrong)
    with pytest.raises(BadInput, match="'medium', not easy, hard or junk"):
        evaluate_protocol(protocol, query, gallery, ("landmark",), answers.assign(relevance="medium"))


def test_only_what_is_used_is_written():
    plain = EvaluationProtocol(name="p", query="a", gallery="b", ks=(1, 10, 100))
    assert plain.model_dump(mode="json") == {"name": "p", "query": "a", "gallery": "b", "levels": []}
    drawn = EvaluationProtocol(name="p", query="a", gallery="a", kind="one_per_class", only={"list": "800"})
    written = drawn.model_dump(mode="json")
    assert written == plain.model_dump(mode="json") | {
        "gallery": "a",
        "kind": "one_per_class",
        "only": {"list": "800"},
    }
    assert EvaluationProtocol.model_validate_json(drawn.model_dump_json()) == drawn
    assert drawn.remark == "one image per class, drawn 10 times; list 800"
