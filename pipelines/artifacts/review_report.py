"""What became of the decisions on a proposal."""

from dataclasses import asdict, dataclass
from pathlib import Path

from cairnhub.core.parse import FORBID, read_json
from cairnhub.pipelines.artifacts.results import write_result


@dataclass(frozen=True)
class StaleDecision:
    """A decision that matches nothing any more, as its line, and why."""

    decision: str
    why: str


@dataclass(frozen=True)
class ReviewReport:
    """What became of the decisions on a proposal.

    Attributes:
        counts: how many were applied, are stale, ...
        pending: what waits for a person.
        stale: what no longer matches.
    """

    __pydantic_config__ = FORBID

    counts: dict[str, int]
    pending: tuple[str, ...]
    stale: tuple[StaleDecision, ...]

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        write_result(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "ReviewReport":
        """Read it; before any review it is empty."""
        return read_json(path, cls) if path.is_file() else cls({}, (), ())
