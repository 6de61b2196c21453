"""What a metric is called inside the program, in words, and in JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class MetricKey:
    """One metric of one level at one cut-off.

    Attributes:
        name: such as `h_ap`; of a metric with a cut-off it ends in `_at`, such as `map_at`; of a mean over levels it
            begins with `mean_`, such as `mean_ap`.
        level: name of a level; None over all levels.
        k: the cut-off, if the metric has one.

    Example:
        >>> from cairnhub.training.metrics.keys import MetricKey
        >>> str(MetricKey("ap", "species")), str(MetricKey("r_at", "genus", 10)), str(MetricKey("h_ap"))
        ('ap_species', 'r_at_10_genus', 'h_ap')
    """

    name: str
    level: str | None = None
    k: int | None = None

    def __str__(self) -> str:
        parts = (self.name, self.k, self.level)
        return "_".join(str(part) for part in parts if part is not None)


H_AP = MetricKey("h_ap")
H_AP_PUBLISHED = MetricKey("h_ap_published")
"""As the papers' code computes it: what a table of theirs is to be compared with."""


class ByMetric(dict[MetricKey, Value]):
    """Values by metric; words such as `ap_species` or `r_at_10_genus` find one too, where they mean one only."""

    def __getitem__(self, key: MetricKey | str) -> Value:
        if isinstance(key, MetricKey):
            return super().__getitem__(key)
        meant = [known for known in self if str(known) == key]
        if len(meant) == 1:
            return super().__getitem__(meant[0])
        if meant:
            raise KeyError(f"{key!r} may be any of {meant}: ask by one of these keys")
        raise KeyError(f"no metric {key!r}; there are: {', '.join(map(str, self))}")


@dataclass(frozen=True)
class Interval:
    """Low and high end."""

    low: float
    high: float


def to_json(values: Mapping[MetricKey, float], intervals: Mapping[MetricKey, Interval]) -> dict[str, Any]:
    """Metrics as JSON: those over all levels under `overall`, the others under `levels` and the level's name.

    No level's name can be taken for anything else, for nothing but level names stands beside it. A metric with cut-offs
    holds one value for each; a value with an interval is `{"value": .., "low": .., "high": ..}`. What is defined for no
    query is left out: JSON has no NaN.

    Example:
        >>> from cairnhub.training.metrics.keys import Interval, MetricKey, to_json
        >>> to_json({MetricKey("ap", "mean"): 0.5, MetricKey("r_at", "mean", 1): 0.7}, {})
        {'overall': {}, 'levels': {'mean': {'ap': 0.5, 'r_at': {'1': 0.7}}}}
    """
    nested: dict[str, Any] = {"overall": {}, "levels": {}}
    for key, value in values.items():
        if math.isnan(value):
            continue
        ends = intervals.get(key)
        leaf = {"value": value, "low": ends.low, "high": ends.high} if ends else value
        of_level = nested["overall"] if key.level is None else nested["levels"].setdefault(key.level, {})
        if key.k is None:
            of_level[key.name] = leaf
        else:
            of_level.setdefault(key.name, {})[str(key.k)] = leaf
    return nested


def from_json(nested: Mapping[str, Any]) -> tuple[ByMetric[float], ByMetric[Interval]]:
    """Values and intervals again, from what `to_json` made."""
    values, intervals = ByMetric[float](), ByMetric[Interval]()
    for key, leaf in _leaves(nested):
        if isinstance(leaf, Mapping):
            values[key], intervals[key] = leaf["value"], Interval(leaf["low"], leaf["high"])
        else:
            values[key] = leaf
    return values, intervals


def _leaves(nested: Mapping[str, Any]) -> Iterator[tuple[MetricKey, Any]]:
    for level, metrics in ((None, nested["overall"]), *nested["levels"].items()):
        for name, found in metrics.items():
            if name.endswith("_at"):
                yield from ((MetricKey(name, level, int(k)), leaf) for k, leaf in found.items())
            else:
                yield MetricKey(name, level), found
