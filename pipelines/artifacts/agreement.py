"""How far a proposal agrees with labels that others published, by level and weighting: `category by images`."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from cairnhub.core.parse import read_json
from cairnhub.hierarchies.agreement import Agreement
from cairnhub.pipelines.artifacts.results import write_result

N_DIGITS = 4


def write_agreement(path: Path, agreement: Mapping[str, Agreement]) -> None:
    """Write the agreements as JSON, in the digits that say something."""
    rounded = {
        name: {key: round(value, N_DIGITS) for key, value in asdict(found).items()}
        for name, found in agreement.items()
    }
    write_result(path, rounded)


def read_agreement(path: Path) -> dict[str, Agreement]:
    """Read what `write_agreement` wrote."""
    return read_json(path, dict[str, Agreement])
