"""What a whole dataset must count, as `registries/<edition>.counts.yaml` says."""

from collections.abc import Mapping
from pathlib import Path

from cairnhub.core.errors import BrokenData, CairnError
from cairnhub.core.parse import parse_yaml, read_text, typed
from cairnhub.pipelines.sources.registry import REGISTRIES

Counts = Mapping[str, int]


def expected_counts(edition: str, scale: str, folder: Path = REGISTRIES) -> dict[str, dict[str, int]]:
    """Split -> `listed`, `images` or a level -> how many; empty where nothing is registered.

    Raises:
        CairnError: the file is not of this form.
    """
    path = folder / f"{edition}.counts.yaml"
    if not path.is_file():
        return {}
    content = parse_yaml(read_text(path), str(path))
    try:
        registered = typed(dict[str, dict[str, dict[str, int]]], content, str(path))
    except CairnError as error:
        raise error.within(f"{path}: not scale -> split -> counts") from error
    return registered.get(scale, {})


def check_counts(dataset: str, expected: Mapping[str, Counts], counted: Mapping[str, Counts]) -> None:
    """Compare what is registered with what was counted; what only one of them knows is not compared.

    Raises:
        CairnError: names the dataset and, one a line, each split, what was expected and what was found.
    """
    differences = []
    for split, counts in expected.items():
        split_counts = counted.get(split, dict.fromkeys(counts, 0))
        differences += [
            f"split {split}: expected {count:,} {what}, found {split_counts[what]:,}"
            for what, count in counts.items()
            if split_counts.get(what, count) != count
        ]
    if differences:
        raise BrokenData(
            f"{dataset}: not the whole dataset as it was published:\n"
            + "\n".join(f"- {line}" for line in differences)
            + f"\nFetch it again, from another mirror if need be; if a part is meant, say so under "
            f"sources.{dataset}.subset in params.yaml; if the authors published a new version, correct "
            f"its .counts.yaml in {REGISTRIES}"
        )
