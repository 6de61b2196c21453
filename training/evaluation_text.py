"""An evaluation as text: the usual metrics with intervals, the weakest nodes, the commonest confusions; one screen."""

import math

import pandas as pd

from cairnhub.training.evaluation import ProtocolMetrics
from cairnhub.training.metrics.keys import H_AP, H_AP_PUBLISHED, MetricKey
from cairnhub.training.metrics.metric_table import aligned

N_SHOWN = 5
MAX_NAME = 34  # characters


def evaluation_text(
    sizes: str, metrics: ProtocolMetrics, nodes: pd.DataFrame, confusions: pd.DataFrame
) -> str:
    """At most 24 lines for seven levels.

    Args:
        sizes: the first line.
        metrics: with intervals.
        nodes: as `node_table` makes them.
        confusions: as `confusion_table` makes them.
    """
    lines = [sizes, "in per cent, ± half the width of the 95 % interval over queries"]
    overall = {"H-AP": H_AP, "H-AP as published": H_AP_PUBLISHED}
    shown = [f"{title} {_cell(metrics, key)}" for title, key in overall.items() if key in metrics.values]
    lines += [", ".join(shown)] if shown else []
    rows = [[_short(level), *(_cell(metrics, key) for key in _keys(level))] for level in metrics.levels]
    lines += aligned([["", "AP", "R@1"], *rows])
    finest = metrics.levels[0]
    weakest = nodes[nodes["level"] == finest].head(N_SHOWN)
    if len(weakest):
        cells = [
            [_short(node), f"{100 * ap:.1f}", f"{100 * hit:.1f}", f"{n:,}"]
            for node, n, ap, hit in weakest[["node", "n_queries", "ap", "r_at_1"]].itertuples(index=False)
        ]
        lines += aligned([[f"weakest {finest}", "AP", "R@1", "queries"], *cells])
    common = confusions.sort_values("n_queries", ascending=False, kind="stable").head(N_SHOWN)
    if len(common):
        cells = [
            [f"{level}: {_short(node)} -> {_short(found)}", f"{n:,}", f"{100 * share:.0f} %"]
            for level, node, found, n, share in common.itertuples(index=False)
        ]
        lines += aligned([["sibling found first", "queries", "of its own"], *cells])
    return "\n".join([*lines, *metrics.notes])


def _keys(level: str) -> tuple[MetricKey, MetricKey]:
    return MetricKey("ap", level), MetricKey("r_at", level, 1)


def _cell(metrics: ProtocolMetrics, key: MetricKey) -> str:
    value = metrics.values[key]
    if math.isnan(value):
        return "no match"
    ends = metrics.intervals[key]
    return f"{100 * value:.1f} ± {100 * (ends.high - ends.low) / 2:.1f}"


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 3]}..."
