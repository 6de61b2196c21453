"""What was measured, as tables: Markdown for people, CSV for `dvc plots`."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from cairnhub.training.evaluation import ProtocolMetrics, headlines
from cairnhub.training.metrics.curves import RECALLS
from cairnhub.training.metrics.keys import H_AP, ByMetric, MetricKey

N_BINS = 20
Results = Mapping[str, Mapping[str, ProtocolMetrics]]
"""By system and protocol."""
Curves = Mapping[str, Mapping[str, npt.NDArray[np.float64]]]
"""By protocol and level."""
Means = Mapping[str, Mapping[str, ByMetric[float]]]
"""By system and group of protocols."""
MEAN_TITLES = {"mean_ap": "mAP", "mean_asi": "ASI", "mean_map_at_r": "mAP@R"}


def h_ap_histogram(protocols: Mapping[str, ProtocolMetrics]) -> str:
    """CSV: how many queries, of all protocols, have an H-AP of at least `h_ap` and less than the next."""
    measured = [each.per_query[H_AP] for each in protocols.values() if H_AP in each.per_query]
    values = np.concatenate([np.empty(0), *measured])
    counts, edges = np.histogram(values[~np.isnan(values)], bins=N_BINS, range=(0, 1))
    return pd.DataFrame({"h_ap": edges[:-1].round(3), "n_queries": counts}).to_csv(index=False)


def values_per_level(protocols: Mapping[str, ProtocolMetrics]) -> str:
    """CSV: AP and R@1 of each level, with the interval of AP."""
    rows = []
    for name, measured in protocols.items():
        for level in measured.levels:
            ap = MetricKey("ap", level)
            if math.isnan(measured.values[ap]):
                continue
            ends, r_at_1 = measured.intervals[ap], measured.values[MetricKey("r_at", level, 1)]
            values = (measured.values[ap], ends.low, ends.high, r_at_1)
            rows.append((name, level, *(round(value, 5) for value in values)))
    columns = ["protocol", "level", "ap", "ap_low", "ap_high", "r_at_1"]
    return pd.DataFrame(rows, columns=columns).to_csv(index=False)


def precision_per_recall(curves: Curves) -> str:
    """CSV: precision at each recall, by level; where there are several protocols, the level is named after both."""
    rows = [
        {
            "level": level if len(curves) == 1 else f"{protocol}, {level}",
            "recall": recall,
            "precision": precision,
        }
        for protocol, by_level in curves.items()
        for level, precisions in by_level.items()
        for recall, precision in zip(RECALLS, precisions.round(5).tolist(), strict=True)
        if not math.isnan(precision)
    ]
    return pd.DataFrame(rows, columns=["level", "recall", "precision"]).to_csv(index=False)


def metrics_table(results: Results, tree_levels: Sequence[str]) -> str:
    """A Markdown table: one row per protocol and system; both H-APs, then AP and R@1 per level, in percent.

    After each value stands half the width of its 95 % interval.
    """
    levels = shown_levels(tree_levels, (each.levels for each in results["trained"].values()))
    keys = headlines(levels)
    titles = [
        *("H-AP", "H-AP as published"),
        *(f"{metric} {level}" for metric in ("AP", "R@1") for level in levels),
    ]
    rows = [
        [protocol, system.replace("_", " "), *(_cell(measured, key) for key in keys)]
        for system, protocols in results.items()
        for protocol, measured in protocols.items()
    ]
    return _markdown(rows, ["protocol", "system", *titles])


def shown_levels(tree_levels: Sequence[str], measured: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Levels of the tree that some protocol measures, in its order, then what others have in the place of levels."""
    named = dict.fromkeys(level for levels in measured for level in levels)
    own = [level for level in tree_levels if level in named]
    return (*own, *(level for level in named if level not in tree_levels))


def means_table(means: Means) -> str:
    """A Markdown table of groups: one row per group and system, in percent; nothing where there is no group."""
    groups = means["trained"]
    if not groups:
        return ""
    keys = sorted(
        {key for values in groups.values() for key in values if key.name in MEAN_TITLES or _is_hit(key)},
        key=lambda key: ([*MEAN_TITLES, "mean_r_at"].index(key.name), key.k or 0),
    )
    rows = [
        [group, system.replace("_", " "), *(_percent(values.get(key, math.nan)) for key in keys)]
        for system, by_group in means.items()
        for group, values in by_group.items()
    ]
    titles = [f"R@{key.k}" if _is_hit(key) else MEAN_TITLES[key.name] for key in keys]
    return "\nMeans over levels:\n\n" + _markdown(rows, ["protocols", "system", *titles])


def _is_hit(key: MetricKey) -> bool:
    return key.name == "mean_r_at"


def _percent(value: float) -> str:
    return "no match" if math.isnan(value) else f"{100 * value:.1f}"


def _markdown(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> str:
    """Rows sorted by their first cell; all but the first two cells are numbers."""
    header = "| " + " | ".join(columns) + " |"
    rule = "| --- | --- |" + " ---: |" * (len(columns) - 2)
    body = ["| " + " | ".join(row) + " |" for row in sorted(rows, key=lambda row: row[0])]
    return "\n".join([header, rule, *body]) + "\n"


def without_match(protocols: Mapping[str, ProtocolMetrics]) -> list[str]:
    """A sentence for each protocol and level at which no query has a match, so that nothing can be measured."""
    return [
        f"{name}: no query has another image of its {level} to find, so nothing is measured there"
        for name, measured in protocols.items()
        for level in measured.levels
        if math.isnan(measured.values[MetricKey("ap", level)])
    ]


def _cell(measured: ProtocolMetrics, key: MetricKey) -> str:
    """A value and its interval; nothing where the protocol does not measure it."""
    if key not in measured.values:
        return ""
    if math.isnan(measured.values[key]):
        return "no match"
    ends = measured.intervals[key]
    return f"{100 * measured.values[key]:.1f} ± {100 * (ends.high - ends.low) / 2:.1f}"
