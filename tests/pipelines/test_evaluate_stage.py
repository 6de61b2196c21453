"""What the evaluate stage writes."""

import io

import numpy as np
import pandas as pd
import pytest
import torch

from cairnhub.pipelines.evaluation_tables import (
    h_ap_histogram,
    metrics_table,
    precision_per_recall,
    values_per_level,
    without_match,
)
from cairnhub.pipelines.stages.evaluate import official_metrics
from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.evaluation import ProtocolMetrics, evaluate, headlines, precision_recall_curves
from cairnhub.training.metrics.keys import H_AP, ByMetric, Interval
from cairnhub.training.nearest import instructive_queries


def measured(levels: tuple[str, ...], h_ap: list[float]) -> ProtocolMetrics:
    keys = headlines(levels)
    values, intervals = dict.fromkeys(keys, 0.5), dict.fromkeys(keys, Interval(0.4, 0.62))
    return ProtocolMetrics(ByMetric(values), ByMetric(intervals), ByMetric({H_AP: np.array(h_ap)}), levels)


def test_the_table_shows_intervals_and_leaves_out_what_a_protocol_does_not_measure():
    results = {"trained": {"fine": measured(("fine",), []), "coarse": measured(("coarse",), [])}}
    header, _, coarse, fine = metrics_table(results, ("fine", "coarse")).splitlines()
    assert header.split(" | ")[2:6] == ["H-AP", "H-AP as published", "AP fine", "AP coarse"]
    assert fine.split(" | ")[2:6] == ["50.0 ± 11.0", "50.0 ± 11.0", "50.0 ± 11.0", ""]
    assert coarse.split(" | ")[2:6] == ["50.0 ± 11.0", "50.0 ± 11.0", "", "50.0 ± 11.0"]


def test_the_histogram_counts_each_query_once():
    protocols = {"one": measured(("a",), [0.0, 0.049, 1.0, np.nan]), "two": measured(("a",), [0.5])}
    frame = pd.read_csv(io.StringIO(h_ap_histogram(protocols)))
    assert frame["n_queries"].sum() == 4
    assert frame.set_index("h_ap")["n_queries"].loc[[0.0, 0.5, 0.95]].tolist() == [2, 1, 1]


def test_levels_are_listed_by_protocol():
    frame = pd.read_csv(io.StringIO(values_per_level({"all": measured(("a", "b"), [])})))
    assert frame["level"].tolist() == ["a", "b"]
    assert frame.columns.tolist() == ["protocol", "level", "ap", "ap_low", "ap_high", "r_at_1"]


def test_curves_are_named_after_their_protocol_where_there_are_several():
    curve = {"fine": np.linspace(1, 0.5, 21)}
    frame = pd.read_csv(io.StringIO(precision_per_recall({"all": curve})))
    assert frame["level"].unique().tolist() == ["fine"]
    assert frame.set_index("recall")["precision"].loc[[0.0, 1.0]].tolist() == [1, 0.5]
    both = pd.read_csv(io.StringIO(precision_per_recall({"one": curve, "two": curve})))
    assert both["level"].unique().tolist() == ["one, fine", "two, fine"]


def test_the_benchmark_is_scored_by_its_own_answers():
    rows = [("q1", "b", "Public"), ("q1", "c", "Public"), ("q2", "a", "Private"), ("q2", "gone", "Private")]
    answers = pd.DataFrame(rows, columns=["query_id", "image_id", "usage"])
    no_labels = np.zeros((3, 1), dtype=np.int64)
    queries = EmbeddedSplit(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), no_labels)
    gallery = EmbeddedSplit(torch.tensor([[1.0, 0.1], [0.9, 0.2], [0.8, 0.3]]), no_labels)
    found = official_metrics(answers, ["q1", "q2", "without answers"], ["a", "b", "c"], queries, gallery)
    q1, q2 = (1 / 2 + 2 / 3) / 2, 1 / 3
    means = {name: metrics["map_at_100"] for name, metrics in found.items()}
    assert means == pytest.approx({"all": (q1 + q2) / 2, "public": q1, "private": q2})


SIDES = {  # labels of queries and of what they search, and the levels at which some query has a match
    "none": ([[0, 0], [1, 1]], [[2, 2], [3, 3]], []),
    "coarse only": ([[0, 0], [1, 1]], [[2, 0], [3, 1], [4, 2]], ["coarse"]),
    "each alone in its split": ([[0, 0], [1, 1], [2, 2]], None, []),
    "one query": ([[0, 0], [9, 9]], [[0, 0], [3, 1]], ["fine", "coarse"]),
}


def embedded(labels: list[list[int]]) -> EmbeddedSplit:
    points = torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(0))
    return EmbeddedSplit(torch.nn.functional.normalize(points), np.array(labels))


@pytest.mark.parametrize("case", SIDES)
def test_what_no_query_can_find_is_said_and_nothing_is_nan(case: str):
    asked, searched, expected = SIDES[case]
    levels = ("fine", "coarse")
    sides = (embedded(asked), embedded(searched) if searched else None)
    found = {"retrieval": evaluate(*sides, levels)}
    curves = {"retrieval": precision_recall_curves(*sides, levels)}
    table = metrics_table({"trained": found}, levels)
    written = [table, values_per_level(found), precision_per_recall(curves), h_ap_histogram(found)]
    assert "nan" not in "".join(written)
    cells = table.splitlines()[2].strip("| ").split(" | ")[2:]
    assert [cell == "no match" for cell in cells[2:4]] == [level not in expected for level in levels]
    said = [line.partition(" of its ")[2].split()[0] for line in without_match(found)]
    assert said == [level for level in levels if level not in expected]
    assert pd.read_csv(io.StringIO(written[1]))["level"].tolist() == expected
    counted = np.flatnonzero(~np.isnan(found["retrieval"].per_query[H_AP])).tolist()
    shown = [row for rows in instructive_queries(found["retrieval"], 1).values() for row in rows.tolist()]
    assert set(shown) <= set(counted)
