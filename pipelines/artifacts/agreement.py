"""How far a proposal agrees with labels that others published, by level and weighting: `category by images`."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from cairnhub.core.parse import read_json
from cairnhub.hierarchies.agreement import Agreement
from cairnhub.pipelines.artifacts.results import write_result

N_DIGITS = 4
BY_IMAGES = " by images"


def write_agreement(path: Path, agreement: Mapping[str, Agreement]) -> None:
    """Write the agreements as JSON, in the digits that say something."""
    rounded = {
        name: {key: round(value, N_DIGITS) for key, value in asdict(measures).items()}
        for name, measures in agreement.items()
    }
    write_result(path, rounded)


def write_headline(path: Path, agreement: Mapping[str, Agreement]) -> None:
    """Write what `dvc metrics` shows: V-measure and ARI of each level, weighted by images."""
    by_level = {
        name.removesuffix(BY_IMAGES): measures
        for name, measures in agreement.items()
        if name.endswith(BY_IMAGES)
    }
    write_result(
        path,
        {
            level: {"v_measure": round(measures.v_measure, N_DIGITS), "ari": round(measures.ari, N_DIGITS)}
            for level, measures in by_level.items()
        },
    )


def read_agreement(path: Path) -> dict[str, Agreement]:
    """Read what `write_agreement` wrote."""
    return read_json(path, dict[str, Agreement])
