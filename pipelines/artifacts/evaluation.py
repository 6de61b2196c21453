"""What a model and its baselines were measured to be, by system and protocol; a few numbers of it as a headline."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cairnhub.core.parse import FORBID, read_json
from cairnhub.pipelines.artifacts.results import write_result
from cairnhub.training.metrics.keys import (
    H_AP,
    H_AP_PUBLISHED,
    ByMetric,
    Interval,
    MetricKey,
    from_json,
    to_json,
)

N_DIGITS = 5
Metrics = tuple[ByMetric[float], ByMetric[Interval]]
"""Values, and the intervals of some of them."""
ByProtocol = Mapping[str, Metrics]


@dataclass(frozen=True)
class SystemMetrics:
    """Of one system, as JSON has it (`training.metrics.keys.to_json`).

    Attributes:
        protocols: by the protocol's name.
        benchmark: by the benchmark's own answers, of all queries and of parts of them; empty where it has none.
        means: over levels and protocols, by the group of protocols; empty where there is none.
    """

    __pydantic_config__ = FORBID

    protocols: dict[str, dict[str, Any]]
    benchmark: dict[str, dict[str, Any]]
    means: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """The metrics of every system: `trained`, its baselines, and `off_the_shelf` where there are pretrained weights."""

    systems: dict[str, SystemMetrics]

    @classmethod
    def of(
        cls,
        protocols: Mapping[str, ByProtocol],
        benchmark: Mapping[str, Mapping[str, ByMetric[float]]],
        means: Mapping[str, Mapping[str, ByMetric[float]]] = MappingProxyType({}),
    ) -> "Evaluation":
        """From what was measured, by system; means by system and group."""
        return cls(
            {
                system: SystemMetrics(
                    {name: _rounded(to_json(*metrics)) for name, metrics in measured.items()},
                    _plain(benchmark.get(system, {})),
                    _plain(means.get(system, {})),
                )
                for system, measured in protocols.items()
            }
        )

    def protocols(self, system: str) -> dict[str, Metrics]:
        """What one system reached, by protocol."""
        return {name: from_json(nested) for name, nested in self.systems[system].protocols.items()}

    def save(self, path: Path) -> None:
        """Write all of it."""
        write_result(path, {system: asdict(metrics) for system, metrics in sorted(self.systems.items())})

    @classmethod
    def load(cls, path: Path) -> "Evaluation":
        """Read what `save` wrote."""
        return cls(read_json(path, dict[str, SystemMetrics]))

    def save_headline(self, path: Path, finest: Mapping[str, str]) -> None:
        """Write what `dvc metrics` shows: both H-APs of every system, and R@1 of the trained one.

        Args:
            path: where to.
            finest: by protocol, the finest level that it measures.
        """
        headline: dict[str, dict[str, float]] = {name: {} for name in finest}
        for system in self.systems:
            for name, (values, _) in self.protocols(system).items():
                headline[name] |= {
                    f"{key}_{system}": values[key] for key in (H_AP, H_AP_PUBLISHED) if key in values
                }
        for name, (values, _) in self.protocols("trained").items():
            key = MetricKey("r_at", finest[name], 1)
            headline[name] |= {"r_at_1_trained": values[key]} if key in values else {}
        write_result(path, headline)


def _plain(by_name: Mapping[str, ByMetric[float]]) -> dict[str, dict[str, Any]]:
    return {name: _rounded(to_json(values, {})) for name, values in by_name.items()}


def _rounded(nested: dict[str, Any]) -> dict[str, Any]:
    rounded: dict[str, Any] = json.loads(
        json.dumps(nested, sort_keys=True), parse_float=lambda number: round(float(number), N_DIGITS)
    )
    return rounded
