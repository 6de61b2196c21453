"""Metrics as text: the usual ones of every level, on one screen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cairnhub.training.metrics.keys import H_AP, H_AP_PUBLISHED, MetricKey

_N_CUT_OFFS = 3
_OVERALL = (
    ("H-AP", H_AP),
    ("H-AP as published", H_AP_PUBLISHED),
    ("NDCG", MetricKey("ndcg")),
    ("ASI", MetricKey("asi")),
)
_TITLES = {"ap": "AP", "map_at_r": "mAP@R", "map_at": "mAP@{k}", "r_at": "R@{k}"}


def as_table(values: Mapping[MetricKey, float], n_left_out: Mapping[str | None, int]) -> str:
    """A line for what is measured over all levels, then one per level, in per cent.

    Args:
        values: metrics, from 0 to 1.
        n_left_out: queries without positives, by level; None stands for lists of right answers.

    Example:
        >>> from cairnhub.training.metrics.keys import MetricKey
        >>> print(as_table({MetricKey("ap"): 0.5, MetricKey("r_at", k=1): 0.75}, {None: 2}))
                 AP   R@1  left out
        lists  50.0  75.0         2
        other metrics: .values, per query: .per_query
    """
    lines = []
    if H_AP in values:
        lines.append(
            "all levels: "
            + ", ".join(f"{title} {_per_cent(values[key])}" for title, key in _OVERALL if key in values)
        )
    columns = _columns(values, n_left_out)
    rows = [
        [
            level or "lists",
            *(_per_cent(values[MetricKey(name, level, k)]) for name, k in columns),
            f"{left_out:,}",
        ]
        for level, left_out in n_left_out.items()
    ]
    header = ["", *(_TITLES[name].format(k=k) for name, k in columns), "left out"]
    lines += aligned([header, *rows])
    return "\n".join([*lines, "other metrics: .values, per query: .per_query"])


def _columns(
    values: Mapping[MetricKey, float], levels: Mapping[str | None, int]
) -> list[tuple[str, int | None]]:
    """Names and cut-offs that every level has: the first few cut-offs."""
    level = next(iter(levels))
    ks = sorted({key.k for key in values if key.k is not None})[:_N_CUT_OFFS]
    wanted = [("ap", None), ("map_at_r", None), *(("r_at", k) for k in ks), *(("map_at", k) for k in ks[-1:])]
    return [(name, k) for name, k in wanted if MetricKey(name, level, k) in values]


def _per_cent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]
