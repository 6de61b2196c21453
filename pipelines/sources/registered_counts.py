"""What a whole dataset must count, as `registries/counts.yaml` says."""

from collections.abc import Mapping
from pathlib import Path

from cairnhub.core.errors import CairnError
from cairnhub.core.parse import parse_yaml, read_text, typed

COUNTS = Path(__file__).parent / "registries/counts.yaml"
Counts = Mapping[str, int]


def expected_counts(edition: str, scale: str, path: Path = COUNTS) -> dict[str, dict[str, int]]:
    """Split -> `listed`, `images` or a level -> how many; empty where nothing is registered.

    Raises:
        CairnError: the file is not of this form.
    """
    content = parse_yaml(read_text(path), str(path))
    try:
        registered = typed(dict[str, dict[str, dict[str, dict[str, int]]]], content, str(path))
    except CairnError as error:
        raise CairnError(f"{path}: not scale -> dataset -> split -> counts: {error}") from error
    return registered.get(scale, {}).get(edition, {})


def check_counts(dataset: str, expected: Mapping[str, Counts], found: Mapping[str, Counts]) -> None:
    """Compare what is registered with what was found; what only one of them knows is not compared.

    Raises:
        CairnError: names the dataset and, one a line, each split, what was expected and what was found.
    """
    differences = []
    for split, counts in expected.items():
        counted = found.get(split, dict.fromkeys(counts, 0))
        differences += [
            f"split {split}: expected {count:,} {what}, found {counted[what]:,}"
            for what, count in counts.items()
            if counted.get(what, count) != count
        ]
    if differences:
        raise CairnError(
            f"{dataset}: not the whole dataset as it was published:\n"
            + "\n".join(f"- {line}" for line in differences)
            + f"\nFetch it again, from another mirror if need be; if a part is meant, say so under "
            f"sources.{dataset}.subset in params.yaml; if the authors published a new version, correct {COUNTS}"
        )
