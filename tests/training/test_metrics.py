"""Metrics against a plain oracle, the published values, and the cases that published code gets wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cairnhub.core.errors import CairnError
from cairnhub.training.metrics import full_ranking as ranking
from cairnhub.training.metrics import ground_truth_metrics, retrieval_metrics
from cairnhub.training.metrics.curves import RECALLS, precision_recall
from tests.training import oracle

EXCERPT = Path(__file__).parents[1] / "data" / "published_metrics.npz"
KS = (1, 2, 4, 8, 10)
PUBLISHED = {"H-AP_multi": "h_ap", "NDCG_multi": "ndcg", "ASI_multi": "asi"} | {
    f"{theirs}_level{level}": f"{ours}_level{level}"
    for level in range(3)
    for theirs, ours in (
        [("AP", "ap"), ("mAP@R", "map_at_r"), ("P@1", "p_at_1")] + [(f"R@{k}", f"r_at_{k}") for k in KS]
    )
}
PER_QUERY = {"H-AP": "h_ap", "NDCG": "ndcg", "ASI": "asi", "NDCG@10": "ndcg_at_10"} | {
    f"{theirs}_level{level}": f"{ours}_level{level}"
    for level in range(3)
    for theirs, ours in (
        [("AP", "ap"), ("mAP@R", "map_at_r"), ("ASI_binary", "asi")]
        + [(f"P@{k}", f"p_at_{k}") for k in KS]
        + [(f"R@{k}", f"r_at_{k}") for k in KS]
        + [(f"trueR@{k}", f"recall_at_{k}") for k in KS]
        + [(f"mAP@{k}", f"map_at_{k}") for k in KS]
    )
}


@st.composite
def searches(draw: st.DrawFn) -> tuple[torch.Tensor, ...]:
    n, m = draw(st.integers(1, 8)), draw(st.integers(2, 25))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    fine = torch.randint(0, draw(st.integers(1, 9)), (n + m,), generator=generator)
    vectors = torch.randn(n + m, 3, generator=generator)
    if draw(st.booleans()):
        vectors = vectors.round()  # many ties, and -0.0 beside 0.0
    labels = torch.stack([fine, fine // 2, fine // 4], 1)
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    return vectors[:n].to(dtype), labels[:n], vectors[n:].to(dtype), labels[n:]


@settings(max_examples=60, deadline=None)
@given(searches(), st.booleans())
def test_every_metric_equals_the_oracle(search: tuple[torch.Tensor, ...], against_itself: bool) -> None:
    query, labels, gallery, gallery_labels = search
    if against_itself:
        query, labels = gallery, gallery_labels
        result = retrieval_metrics(query, labels, ks=(1, 3))
    else:
        result = retrieval_metrics(query, labels, gallery, gallery_labels, ks=(1, 3))
    scores = (query @ gallery.T).numpy()
    depth = oracle.depths(labels.numpy(), gallery_labels.numpy())
    for q in range(len(query)):
        others = np.arange(len(gallery)) != q if against_itself else np.full(len(gallery), True)
        expected = oracle.metrics(scores[q][others], depth[q][others], 3, ks=(1, 3))
        order = sorted(range(others.sum()), key=lambda j: (-scores[q][others][j], j))
        ranked = [int(depth[q][others][j]) for j in order]
        expected["h_ap_published"] = oracle.h_ap_published(ranked, 3, against_itself)
        for name, values in result.per_query.items():
            assert values[q] == pytest.approx(expected.get(str(name), np.nan), abs=1e-9, nan_ok=True), name
    for level in range(3):
        mean = np.mean([v for v in result.per_query[f"ap_level{level}"] if not np.isnan(v)] or [np.nan])
        assert result.values[f"ap_level{level}"] == pytest.approx(mean, nan_ok=True)


def published() -> tuple[torch.Tensor, torch.Tensor, dict[str, float], dict[str, np.ndarray]]:
    data = np.load(EXCERPT)
    embeddings, labels = torch.tensor(data["embeddings"]), torch.tensor(data["labels"])
    return embeddings, labels, json.loads(str(data["values"])), data


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_published_values(dtype: torch.dtype) -> None:
    embeddings, labels, values, per_query = published()
    result = retrieval_metrics(embeddings.to(dtype), labels, ks=KS, definition="paper")
    for theirs, ours in PUBLISHED.items():
        assert result.values[ours] == pytest.approx(values[f"bs64_{theirs}"], abs=1e-6), ours
    for name in ("h_ap", "ndcg", "asi"):
        np.testing.assert_allclose(result.per_query[name], per_query[name], atol=2e-6)
    for depth in (1, 2, 3):
        ours = result.values[f"exclusive_ap_level{3 - depth}"]
        assert ours == pytest.approx(values[f"mean_APexclude#{depth}"], abs=1e-6)


def test_published_values_of_a_separate_gallery() -> None:
    """The published code loses the last item of the gallery."""
    embeddings, labels, values, _ = published()
    query = torch.arange(0, 200, 5)
    gallery = torch.tensor([i for i in range(200) if i % 5])
    args = embeddings[query], labels[query], embeddings[gallery], labels[gallery]
    paper = retrieval_metrics(*args, ks=KS, definition="paper")
    exact = retrieval_metrics(*args, ks=KS)
    for theirs, ours in PUBLISHED.items():
        assert paper.values[ours] == pytest.approx(values[f"qg_{theirs}"], abs=1e-6), ours
    assert exact.values["ap_level1"] != pytest.approx(values["qg_AP_level1"], abs=1e-4)


@pytest.mark.parametrize("against_itself", [True, False])
def test_the_published_h_ap_stands_beside_the_exact_one(against_itself: bool) -> None:
    """One ranking gives both: what `definition="paper"` gives, and what it does not."""
    embeddings, labels, values, _ = published()
    query, others = torch.arange(0, 200, 5), torch.tensor([i for i in range(200) if i % 5])
    both = (embeddings[query], labels[query], embeddings[others], labels[others])
    args = (embeddings, labels) if against_itself else both
    found, paper = retrieval_metrics(*args), retrieval_metrics(*args, definition="paper")
    expected = paper.per_query["h_ap"]
    np.testing.assert_allclose(found.per_query["h_ap_published"], expected, atol=1e-12)
    theirs = values["bs64_H-AP_multi" if against_itself else "qg_H-AP_multi"]
    assert found.values["h_ap_published"] == pytest.approx(theirs, abs=1e-6)
    if against_itself:  # a separate gallery only loses its last item
        assert found.values["h_ap_published"] != pytest.approx(found.values["h_ap"], abs=1e-3)
    assert "h_ap_published" not in map(str, paper.values)


def test_the_published_h_ap_by_hand() -> None:
    """Two of the species and one of the genus, found in the order genus, species, stranger.

    With the query counted, n(species) = 2 and n(genus) = 1, so both relevances are 1 / 2: each item counts for both
    levels, H-rank is 1 and 2, over ranks 1 and 2, over relevances of 1: 2. Without it they are 1 and 1 / 2:
    (1 / 2 + 3 / 2 / 2) / (3 / 2) = 5 / 6.
    """
    labels = torch.tensor([[0, 0], [1, 0], [0, 0], [2, 1]])
    points = torch.tensor([[1.0, 0.0], [0.96, 0.28], [0.8, 0.6], [0.0, 1.0]])
    found = retrieval_metrics(points, labels)
    assert found.per_query["h_ap"][0] == pytest.approx(5 / 6)
    assert found.per_query["h_ap_published"][0] == pytest.approx(2.0)


def test_queries_without_positives_count_as_the_published_code_has_them() -> None:
    """Zero where it has zero; left out where it has NaN."""
    points = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), dim=1)
    paper = retrieval_metrics(points, torch.tensor([0, 0, 1]), ks=(1,), definition="paper")
    for name in ("ap", "map_at_r", "map_at_1", "p_at_1", "r_at_1"):
        assert paper.values[f"{name}_level0"] == pytest.approx(2 / 3), name
    for name in ("h_ap", "ndcg", "asi", "asi_level0", "recall_at_1_level0"):
        assert paper.values[name] == pytest.approx(1), name


@pytest.mark.shared
def test_published_values_of_every_query(shared_dir: Path) -> None:
    data = np.load(shared_dir / "reference/goldens/suprank_metrics_n200.npz")
    embeddings, labels = torch.tensor(data["embeddings"]), torch.tensor(data["labels"])
    paper = retrieval_metrics(embeddings, labels, ks=KS, definition="paper")
    exact = retrieval_metrics(embeddings, labels, ks=KS)
    for theirs, ours in PER_QUERY.items():
        np.testing.assert_allclose(paper.per_query[ours], data[f"pq_{theirs}"], atol=2e-6, err_msg=ours)
        if theirs not in ("H-AP", "NDCG@10"):  # the two where the published code is not exact here
            np.testing.assert_allclose(exact.per_query[ours], data[f"pq_{theirs}"], atol=2e-6, err_msg=ours)


@pytest.mark.shared
def test_values_of_pytorch_metric_learning(shared_dir: Path) -> None:
    data = np.load(shared_dir / "reference/goldens/pml_metrics_n200.npz")
    result = retrieval_metrics(torch.tensor(data["embeddings"]), torch.tensor(data["labels"]), ks=(1,))
    for level in range(3):
        pairs = {"mean_average_precision": "ap", "mean_average_precision_at_r": "map_at_r"}
        pairs |= {"mean_reciprocal_rank": "mrr", "precision_at_1": "p_at_1", "r_precision": "r_precision"}
        for theirs, ours in pairs.items():
            value = data[f"{theirs}_level{level}_kNone"].item()
            assert result.values[f"{ours}_level{level}"] == pytest.approx(value, abs=1e-7)


def test_a_perfect_list_scores_one_where_two_levels_have_equal_relevance() -> None:
    """The published code gives 1.5 and more here: it matches depths by equal relevance."""
    labels = torch.tensor([[0, 0], [0, 0], [1, 0], [1, 0], [2, 1]])  # n(2) = 2 n(1): 1 / 2 = (1/2) / 1
    query, own = torch.tensor([[1.0]]), torch.tensor([[0, 0]])
    gallery, gallery_labels = torch.tensor([[0.9], [0.8], [0.7], [0.1]]), labels[[0, 1, 2, 4]]
    exact = retrieval_metrics(query, own, gallery, gallery_labels)
    assert exact.values["h_ap"] == pytest.approx(1.0)
    paper = retrieval_metrics(
        query, own, torch.cat([gallery, gallery[-1:]]), labels[[0, 1, 2, 4, 4]], definition="paper"
    )
    assert paper.values["h_ap"] > 1.2


def test_the_query_is_excluded_by_index() -> None:
    """A duplicate before the query takes its place in a list that drops the first column."""
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    result = retrieval_metrics(vectors, torch.tensor([0, 1, 1]), ks=(1,))
    assert result.per_query["p_at_1_level0"][1] == 0  # its duplicate has another label
    inside = retrieval_metrics(
        vectors[1:2],
        torch.tensor([1]),
        vectors,
        torch.tensor([0, 1, 1]),
        ks=(1,),
        exclude_self=torch.tensor([1]),
    )
    assert inside.per_query["p_at_1_level0"][0] == 0
    assert inside.per_query["ap_level0"][0] == pytest.approx(0.5)


def test_ties_go_to_the_lower_gallery_index() -> None:
    gallery = torch.ones(4, 1)
    result = retrieval_metrics(
        torch.ones(1, 1), torch.tensor([7]), gallery, torch.tensor([1, 7, 1, 7]), ks=(1,)
    )
    assert result.values["ap_level0"] == pytest.approx((1 / 2 + 2 / 4) / 2)


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, labels, _, _ = published()
    whole = retrieval_metrics(embeddings, labels)
    monkeypatch.setattr(ranking, "SORT_ELEMENTS", {"cpu": 450})
    monkeypatch.setattr(ranking, "SCORE_ELEMENTS", {"cpu": 1000})
    for name, values in retrieval_metrics(embeddings, labels).per_query.items():
        np.testing.assert_allclose(values, whole.per_query[name], rtol=1e-12)


def test_level_names_means_and_queries_left_out() -> None:
    labels = torch.tensor([[0, 0], [1, 0], [2, 1], [2, 1]])
    result = retrieval_metrics(torch.eye(4), labels, levels=("species", "genus"), ks=(1,))
    assert result.n_left_out == {"species": 2, "genus": 0}
    assert np.isnan(result.per_query["ap_species"][:2]).all()
    mean = (result.values["ap_species"] + result.values["ap_genus"]) / 2
    assert result.values["mean_ap"] == pytest.approx(mean)


def test_ground_truth_lists_as_gldv2_scores_them() -> None:
    query, gallery = torch.tensor([[1.0], [1.0], [1.0]]), torch.tensor([[0.9], [0.8], [0.7], [0.6]])
    result = ground_truth_metrics(query, gallery, [[0, 2], [3], []], ks=(2, 100))
    np.testing.assert_allclose(result.per_query["map_at_2"], [1 / 2, 0, np.nan])
    np.testing.assert_allclose(result.per_query["map_at_100"], [(1 + 2 / 3) / 2, 1 / 4, np.nan])
    assert result.values["map_at_100"] == pytest.approx((5 / 6 + 1 / 4) / 2)
    assert result.n_left_out == {None: 1}


E4, L4 = torch.eye(4), torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])


@pytest.mark.parametrize(
    ("names", "call"),
    [
        ("query", lambda: retrieval_metrics(E4 * torch.nan, L4)),
        ("query is empty", lambda: retrieval_metrics(E4[:0], L4[:0])),
        ("query_labels", lambda: retrieval_metrics(E4, L4[:2])),
        ("gallery_labels", lambda: retrieval_metrics(E4, L4, E4)),
        ("gallery", lambda: retrieval_metrics(E4, L4, E4[:, :3], L4)),
        ("strict hierarchy", lambda: retrieval_metrics(E4, L4.flip(1))),
        ("levels", lambda: retrieval_metrics(E4, L4, levels=("a",))),
        ("ks", lambda: retrieval_metrics(E4, L4, ks=(0,))),
        ("ks", lambda: retrieval_metrics(E4, L4, ks=10)),
        ("ks", lambda: ground_truth_metrics(E4, E4, [[0]] * 4, ks=(1.5,))),
        ("gallery_labels must be 0 or above", lambda: retrieval_metrics(E4, L4, E4, L4 - 1)),
        ("exclude_self", lambda: retrieval_metrics(E4, L4, exclude_self=torch.ones(4, dtype=torch.bool))),
        ("alpha", lambda: retrieval_metrics(E4, L4, alpha=-1.0)),
        ("definition", lambda: retrieval_metrics(E4, L4, definition="mine")),
        ("exclude_self", lambda: retrieval_metrics(E4, L4, E4[:2], L4[:2], exclude_self=True)),
        ("exclude_self", lambda: retrieval_metrics(E4, L4, exclude_self=torch.tensor([0, 1, 2, 4]))),
        ("relevant", lambda: ground_truth_metrics(E4, E4, [[0], [1], [2]])),
        ("relevant", lambda: ground_truth_metrics(E4, E4, [[0], [1], [2], [4]])),
    ],
)
def test_mistakes_name_the_argument(names: str, call) -> None:
    with pytest.raises(CairnError, match=names):
        call()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu() -> None:
    embeddings, labels, _, _ = published()
    exact = (embeddings * 64).round() / 64  # dot products without rounding: the same ranking on any device
    results = [retrieval_metrics(exact.to(device), labels.to(device)) for device in ("cpu", "cuda")]
    for name, values in results[0].per_query.items():
        np.testing.assert_allclose(results[1].per_query[name], values, rtol=1e-9, err_msg=name)


def test_precision_over_recall_is_the_highest_at_that_recall_or_more() -> None:
    generator = torch.Generator().manual_seed(3)
    vectors = torch.nn.functional.normalize(torch.randn(30, 4, generator=generator), dim=1)
    fine = torch.randint(0, 9, (30,), generator=generator)
    labels = torch.stack([fine, fine // 3], 1)
    found = precision_recall(vectors, labels, levels=("fine", "coarse"))
    for column, level in enumerate(("fine", "coarse")):
        curves = []
        for query in range(30):
            order = (vectors @ vectors[query]).argsort(descending=True, stable=True)
            hits = (labels[order, column] == labels[query, column])[order != query].numpy()
            if not hits.any():
                continue
            precision = hits.cumsum() / np.arange(1, 30)
            recall = hits.cumsum() / hits.sum()
            curves.append([precision[recall >= wanted - 1e-12].max() for wanted in RECALLS])
        assert found[level] == pytest.approx(np.mean(curves, axis=0))


def test_a_recall_that_is_a_whole_number_of_positives_is_met_there() -> None:
    scores = torch.cat(
        [torch.linspace(1, 0.9, 55), torch.linspace(0.5, 0.1, 45), torch.linspace(0.8, 0.6, 145)]
    )
    vectors = torch.stack([scores, (1 - scores**2).sqrt()], 1)
    labels = torch.tensor([0] * 100 + [1] * 145)[:, None]
    query, label = torch.tensor([[1.0, 0.0]]), torch.tensor([[0]])
    found = precision_recall(query, label, vectors, labels, levels=("fine",), recalls=(0.55, 0.56))["fine"]
    assert found == pytest.approx([1.0, 100 / 245])  # 0.55 x 100 is a little more than 55


def test_levels_may_have_any_names() -> None:
    labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])
    plain = retrieval_metrics(torch.eye(4), labels, levels=("fine", "coarse"), ks=(1, 2)).values
    for levels in (("type", "vehicle_type"), ("1", "2")):
        found = retrieval_metrics(torch.eye(4), labels, levels=levels, ks=(1, 2)).values
        assert list(found.values()) == list(plain.values())
        assert {key for key in found if key.level is None} == {key for key in plain if key.level is None}


def test_more_levels_than_a_key_holds_are_refused() -> None:
    labels = torch.zeros(4, ranking.MAX_LEVELS + 1, dtype=torch.long)
    assert retrieval_metrics(torch.eye(4), labels[:, 1:]).values["h_ap"] == 1
    with pytest.raises(CairnError, match="labels have 16 levels; metrics are made for 15 at most"):
        retrieval_metrics(torch.eye(4), labels)
