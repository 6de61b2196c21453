"""Anybody's embeddings: scored as the stage scores them, by node, and siblings told apart."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from cairnhub import LabelTree, evaluate_embeddings
from cairnhub.core.errors import BadInput, CairnError, NotFound
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.training.metrics import retrieval_metrics
from cairnhub.training.metrics.keys import H_AP, MetricKey, from_json
from cairnhub.training.node_metrics import first_items

LEVELS = ("species", "genus", "family")


def toy(n: int = 120, seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    """Unit vectors near the centre of their species, and labels of three levels."""
    rng = np.random.default_rng(seed)
    species = rng.integers(0, 12, n)
    vectors = rng.normal(size=(12, 8))[species] + rng.normal(size=(n, 8))
    labels = np.stack([species, species // 3, species // 6], 1)
    return torch.nn.functional.normalize(torch.from_numpy(vectors), dim=1), labels


def names(labels: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {level: [f"{level} {code:02}" for code in labels[:, rank]] for rank, level in enumerate(LEVELS)}
    )


def test_values_are_those_of_retrieval_metrics_with_intervals_around_them():
    vectors, labels = toy()
    result = evaluate_embeddings(vectors, labels, levels=LEVELS)
    assert result.values == retrieval_metrics(vectors, torch.from_numpy(labels), levels=LEVELS).values
    for key, ends in result.intervals.items():
        assert ends.low < result.values[key] < ends.high
    assert result.table.iloc[0].tolist()[:3] == ["all", "h_ap", result.values["h_ap"]]


@pytest.mark.parametrize("kind", ["numpy", "lists", "longer", "half"])
def test_any_array_of_any_length_gives_the_same(kind: str):
    vectors, labels = toy()
    given = {
        "numpy": vectors.numpy(),
        "lists": vectors.tolist(),
        "longer": vectors * torch.arange(1, len(vectors) + 1)[:, None],
        "half": vectors.half(),
    }[kind]
    expected = evaluate_embeddings(vectors, labels).values["h_ap"]
    assert evaluate_embeddings(given, labels).values["h_ap"] == pytest.approx(expected, abs=2e-3)


def test_names_indices_frames_and_leaves_of_a_tree_are_one_labelling():
    vectors, labels = toy()
    table = names(labels)
    tree = LabelTree.from_table(table, LEVELS)
    leaves = table["species"].tolist()
    codes = [tree.leaves.index(leaf) for leaf in leaves]
    results = [
        evaluate_embeddings(vectors, table),
        evaluate_embeddings(vectors, table.to_numpy(), levels=LEVELS),
        evaluate_embeddings(vectors, leaves, tree=tree),
        evaluate_embeddings(vectors, codes, tree=tree),
        evaluate_embeddings(vectors, torch.from_numpy(tree.codes[codes]), tree=tree),
    ]
    assert results[0].metrics.levels == LEVELS
    for other in results[1:]:
        assert other.to_json() == results[0].to_json()
    assert results[0].nodes["node"].str.startswith("species ").iloc[0]
    numbered = evaluate_embeddings(vectors, labels, levels=LEVELS)
    assert numbered.values == results[0].values
    assert set(numbered.nodes["node"]) >= {"0", "11"}


def test_nodes_are_means_over_their_queries():
    vectors, labels = toy()
    result = evaluate_embeddings(vectors, labels, levels=LEVELS)
    for rank, level in enumerate(LEVELS):
        of_level = result.nodes[result.nodes["level"] == level].set_index("node")
        assert of_level["n_queries"].sum() == len(vectors)
        for metric, key in {"ap": MetricKey("ap", level), "r_at_1": MetricKey("r_at", level, 1)}.items():
            mean = np.average(of_level[metric], weights=of_level["n_queries"])
            assert mean == pytest.approx(result.values[key])
            of_node = result.metrics.per_query[key][labels[:, rank] == 2] if rank < 2 else []
            if len(of_node):
                assert of_level.loc["2", metric] == pytest.approx(of_node.mean())
        assert of_level["ap"].is_monotonic_increasing


def test_confusions_are_siblings_at_the_first_place():
    vectors, labels = toy()
    result = evaluate_embeddings(vectors, labels, levels=LEVELS)
    scores = vectors.numpy() @ vectors.numpy().T
    np.fill_diagonal(scores, -np.inf)
    first = scores.argmax(axis=1)
    expected: dict[tuple[str, str, str], int] = {}
    for query, item in enumerate(first):
        for rank, level in enumerate(LEVELS):
            is_sibling = rank == 2 or labels[query, rank + 1] == labels[item, rank + 1]
            if labels[query, rank] != labels[item, rank] and is_sibling:
                key = (level, str(labels[query, rank]), str(labels[item, rank]))
                expected[key] = expected.get(key, 0) + 1
    found = result.confusions.set_index(["level", "node", "found"])
    assert found["n_queries"].to_dict() == expected
    level, node, other = next(iter(expected))
    n_of_node = int((labels[:, LEVELS.index(level)] == int(node)).sum())
    assert found.loc[(level, node, other), "share"] == expected[level, node, other] / n_of_node


def test_first_items_are_those_of_the_ranking_whatever_the_block(monkeypatch: pytest.MonkeyPatch):
    vectors = torch.randint(0, 3, (60, 4), generator=torch.Generator().manual_seed(0)).float()  # many ties
    for block in (1 << 22, 7 * 60):
        monkeypatch.setattr("cairnhub.training.node_metrics._SCORES", block)
        scores = vectors @ vectors.T
        assert first_items(vectors, vectors).tolist() == [
            int(np.flatnonzero(row == row.max())[0]) for row in scores.numpy()
        ]
        scores.fill_diagonal_(-torch.inf)
        assert first_items(vectors, None).tolist() == [
            int(np.flatnonzero(row == row.max())[0]) for row in scores.numpy()
        ]


def test_a_gallery_of_its_own_and_an_image_without_a_label():
    """A query finds an unlabelled image first, then its own species: AP 1/2; the unlabelled image asks nothing."""
    query, gallery = [[1.0, 0.0]], [[1.0, 0.1], [1.0, 0.2], [0.0, 1.0]]
    found = evaluate_embeddings(
        query, ["wren"], gallery=gallery, gallery_labels=["", "wren", "jay"], levels=["species"]
    )
    assert found.values["ap_species"] == 0.5
    assert found.confusions.empty  # what has no label is nobody's sibling
    assert (found.n_queries, found.n_gallery, found.n_dimensions) == (1, 3, 2)
    asked = evaluate_embeddings(gallery, [-1, 0, 0])
    assert asked.metrics.per_query["ap_level0"][0] != asked.metrics.per_query["ap_level0"][0]
    assert asked.nodes["n_queries"].tolist() == [2]


def test_protocols_of_ones_own():
    vectors, labels = toy()
    only = EvaluationProtocol(name="some", query="query", gallery="query", levels=("genus",), ks=(1, 5))
    result = evaluate_embeddings(vectors, labels, only, levels=LEVELS)
    assert result.metrics.levels == ("genus",)
    expected = retrieval_metrics(vectors, labels[:, 1], levels=["genus"], ks=(1, 5))
    assert result.values["r_at_5_genus"] == expected.values["r_at_5_genus"]
    drawn = EvaluationProtocol(name="drawn", query="query", gallery="query", kind="one_per_class")
    result = evaluate_embeddings(vectors, labels, drawn, levels=LEVELS)
    assert "sd_r_at_1_species" in map(str, result.values)
    assert result.confusions.empty
    assert len(result.nodes)


def test_json_holds_all_and_is_read_back():
    vectors, labels = toy()
    result = evaluate_embeddings(vectors, names(labels))
    saved = json.loads(result.to_json())
    values, intervals = from_json(saved["metrics"])
    assert values[H_AP] == result.values["h_ap"]
    assert intervals == result.intervals
    assert saved["nodes"] == result.nodes.to_dict("records")
    assert saved["confusions"] == result.confusions.to_dict("records")
    assert result.to_json() == evaluate_embeddings(vectors, names(labels)).to_json()
    alone = evaluate_embeddings(vectors[:3], [0, 1, 2])  # nobody has anything to find
    assert math.isnan(alone.values["h_ap"])
    assert "NaN" not in alone.to_json()
    assert alone.nodes.empty
    assert "no match" in str(alone)


def test_it_prints_on_one_screen():
    vectors, labels = toy(300)
    shown = str(evaluate_embeddings(vectors, names(labels)))
    lines = shown.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 110
    assert "300 queries search 300 images" in lines[0]
    assert "H-AP " in shown
    assert " ± " in shown
    assert "genus: genus 02 -> genus 03 " in shown


def bad(row: int, value: float) -> torch.Tensor:
    vectors = toy()[0]
    vectors[row] = value
    return vectors


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        ({"embeddings": bad(7, math.nan)}, BadInput, "embeddings holds NaN or infinity, first in row 7"),
        ({"embeddings": bad(9, 0)}, BadInput, "embeddings, row 9: all zeros"),
        ({"embeddings": toy()[0][:5]}, BadInput, "labels has 120 rows, but there are 5 vectors"),
        ({"embeddings": toy()[0][0]}, BadInput, r"embeddings must be .*\(n, d\)"),
        ({"labels": np.zeros((120, 2, 2), int)}, BadInput, "labels must be"),
        ({"labels": np.zeros(120)}, BadInput, "names or whole numbers, got float64"),
        ({"labels": np.array([0, "a"] * 60, object)}, BadInput, "labels, row 0: 0 is no name"),
        ({"labels": [""] * 120}, BadInput, "labels are all empty"),
        ({"labels": [-1] * 120}, BadInput, "no image has a label"),
        ({"levels": ["a"]}, BadInput, "labels have 3 columns, but levels name 1"),
        ({"levels": "a"}, BadInput, "levels must be a list"),
        ({"gallery": toy()[0]}, BadInput, "gallery and gallery_labels go together"),
        ({"gallery": toy()[0][:, :3], "gallery_labels": toy()[1]}, BadInput, "gallery has 3 columns, emb"),
        ({"gallery": toy()[0], "gallery_labels": toy()[1][:, 0]}, BadInput, r"have \[1, 3\] levels"),
        ({"protocol": "retrieval"}, BadInput, "has a name in a dataset"),
        ({"labels": np.stack([toy()[1][:, 0], np.arange(120)], 1)}, BadInput, "two parents"),
        (
            {
                "labels": ["species 03"] * 3 + ["specis 04"] * 117,
                "tree": LabelTree.from_table(names(toy()[1]), LEVELS),
            },
            NotFound,
            "labels, row 3: no species is called 'specis 04'; the tree has 'species 04'",
        ),
        (
            {"labels": [3] * 5 + [99] * 115, "tree": LabelTree.from_table(names(toy()[1]), LEVELS)},
            BadInput,
            "labels, row 5: 99 is no class index",
        ),
        (
            {"protocol": EvaluationProtocol(name="p", query="a", gallery="b")},
            BadInput,
            "'p' searches 'b': give `gallery`",
        ),
        (
            {"protocol": EvaluationProtocol(name="p", query="a", gallery="a", levels=("kind",))},
            NotFound,
            "no level 'kind'; there are 'level0'",
        ),
        (
            {"protocol": EvaluationProtocol(name="p", query="a", gallery="a", kind="graded")},
            BadInput,
            "lists",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(arguments: dict, kind: type[CairnError], said: str):
    vectors, labels = toy()
    with pytest.raises(kind, match=said) as raised:
        evaluate_embeddings(**({"embeddings": vectors, "labels": labels} | arguments))
    assert "\n" not in str(raised.value)
