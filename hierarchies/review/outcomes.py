"""How each decision ends: applied, no-op, stale or conflicting."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from cairnhub.hierarchies.review.decisions import Decision

How = Literal["applied", "no_op", "stale", "conflicting"]
_WORST_LAST: tuple[How, ...] = ("no_op", "applied", "stale", "conflicting")


@dataclass(frozen=True)
class Outcome:
    """A decision and why it ended as it did."""

    decision: Decision
    why: str = ""


class Outcomes(Mapping[How, list[Outcome]]):
    """One ending per decision: of an act on several things, that of the one that fared worst."""

    def __init__(self) -> None:
        self._ended: dict[str, tuple[How, Outcome]] = {}

    def note(self, how: How, decision: Decision, why: str = "") -> None:
        """Record how a decision ended, for one of the things it is about."""
        before = self._ended.get(decision.id)
        if before is None or _WORST_LAST.index(how) > _WORST_LAST.index(before[0]):
            self._ended[decision.id] = how, Outcome(decision, why)

    def note_each(self, how: How, decisions: Iterable[Decision], why: str = "") -> None:
        """Record one ending of several decisions."""
        for decision in decisions:
            self.note(how, decision, why)

    def __getitem__(self, how: How) -> list[Outcome]:
        return [outcome for ended, outcome in self._ended.values() if ended == how]

    def __iter__(self) -> Iterator[How]:
        return iter(_WORST_LAST)

    def __len__(self) -> int:
        return len(_WORST_LAST)
