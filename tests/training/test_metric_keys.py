"""Metrics are told apart whatever levels are called."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.evaluation import evaluate, headlines
from cairnhub.training.metrics.keys import ByMetric, Interval, MetricKey, from_json, to_json
from cairnhub.training.metrics.retrieval import retrieval_metrics

HOSTILE = ["mean", "mean_ap", "low", "high", "value", "size", "size_low", "overall", "levels", "1", "10", "r_at_1",
           "ap", "asi", "h_ap", "at", "1_a", "_", ".", "a.b", "None", "", " ", "ä", "a\"b"]  # fmt: skip
names = st.sampled_from(HOSTILE) | st.text(max_size=4)
N = 12


@settings(max_examples=40, deadline=None)
@given(st.lists(names, min_size=3, max_size=3, unique=True))
def test_no_level_name_hides_a_metric(levels):
    generator = torch.Generator().manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(N, 3, generator=generator), dim=1)
    fine = np.arange(N) // 2
    labels = np.column_stack([fine, fine // 2, fine // 4])
    plain = evaluate(EmbeddedSplit(points, labels), None, ("a", "b", "c"))
    named = evaluate(EmbeddedSplit(points, labels), None, levels)
    renamed = dict(zip((None, "a", "b", "c"), (None, *levels), strict=True))
    assert named.values == {
        MetricKey(key.name, renamed[key.level], key.k): value for key, value in plain.values.items()
    }
    assert list(named.intervals.values()) == list(plain.intervals.values())
    written = json.loads(json.dumps(to_json(named.values, named.intervals)))
    assert from_json(written) == (named.values, named.intervals)


@given(
    st.dictionaries(
        st.builds(MetricKey, st.sampled_from(["ap", "mean_ap", "asi", "h_ap"]), names | st.none())
        | st.builds(
            MetricKey, st.sampled_from(["r_at", "mean_r_at"]), names | st.none(), st.integers(1, 1000)
        ),
        st.tuples(st.floats(0, 1), st.none() | st.builds(Interval, st.floats(0, 1), st.floats(0, 1))),
    )
)
def test_json_gives_back_what_it_was_given(found):
    values = ByMetric({key: value for key, (value, _) in found.items()})
    intervals = ByMetric({key: ends for key, (_, ends) in found.items() if ends})
    assert from_json(json.loads(json.dumps(to_json(values, intervals)))) == (values, intervals)


def test_what_no_query_defines_is_left_out():
    key = MetricKey("ap", "a")
    nan = Interval(float("nan"), float("nan"))
    assert to_json({key: float("nan")}, {key: nan}) == {"overall": {}, "levels": {}}


def test_words_find_a_metric_unless_they_may_mean_two():
    labels = torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])
    values = retrieval_metrics(torch.eye(4), labels, levels=("a", "10_a"), ks=(1, 10)).values
    assert values["r_at_1_a"] == values[MetricKey("r_at", "a", 1)]
    assert values["mean_ap"] == values[MetricKey("mean_ap")]
    with pytest.raises(KeyError, match="no metric 'ap_b'; there are: h_ap, ndcg"):
        values["ap_b"]
    twice = ByMetric({MetricKey("r_at", "1_a", 1): 0.1, MetricKey("r_at", "a_1", 1): 0.2} | {
        MetricKey("r_at", "a", 11): 0.3, MetricKey("r_at_11", "a"): 0.4})  # fmt: skip
    with pytest.raises(KeyError, match="may be any of"):
        twice["r_at_11_a"]


def test_headlines_are_measured_with_intervals():
    assert [str(key) for key in headlines(("x", "y"))] == [
        "h_ap",
        "h_ap_published",
        "ap_x",
        "ap_y",
        "r_at_1_x",
        "r_at_1_y",
    ]
