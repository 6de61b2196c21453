"""What the check of a published dataset found, with enough of card and numbers for the project's report."""

from dataclasses import asdict, dataclass
from pathlib import Path

from cairnhub.core.parse import FORBID, read_json
from cairnhub.datasets_hub.check_report import Finding
from cairnhub.pipelines.artifacts.results import write_result


@dataclass(frozen=True)
class SplitCounts:
    """Of a split: what the source lists, and what became of it."""

    listed: int
    published: int
    quarantined: int
    excluded: int


@dataclass(frozen=True)
class CheckedDataset:
    """Of the dataset's card and numbers."""

    title: str
    licence: str
    redistributable: bool
    annotation_origin: str
    n_names: dict[str, int]
    quarantine: dict[str, int]
    size_bytes: int
    fingerprint: str
    tree_fingerprint: str


@dataclass(frozen=True)
class CheckReport:
    """The outcome of a check.

    Attributes:
        dataset: its name.
        ok: whether the contract holds.
        n_images: images seen.
        violations: what breaks the contract.
        warnings: what a user should know.
        counts: by split.
        published: what was checked.
    """

    __pydantic_config__ = FORBID

    dataset: str
    ok: bool
    n_images: int
    violations: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    counts: dict[str, SplitCounts]
    published: CheckedDataset

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        write_result(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "CheckReport":
        """Read it."""
        return read_json(path, cls)
