"""What the page asks of the past: the history, and decisions that must be settled."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict

import numpy as np

from cairnhub.core.text import label_key
from cairnhub.hierarchies.review.app.requests import Empty, Past
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.outcomes import Outcome
from cairnhub.hierarchies.review.question import labels_of
from cairnhub.hierarchies.review.resolution import Slot
from cairnhub.hierarchies.review.sentences import matching
from cairnhub.hierarchies.review.session import Session

Json = dict[str, object]
_PAGE = 50
_N_PHOTOS = 6  # labels whose photographs stand for a side


class PastApi:
    """The history of a session's file.

    Args:
        session: whose.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def told(self, decision: Decision) -> Json:
        """A decision as the page shows it."""
        standing = {decision.id for decision in self._session.state.resolution.standing}
        return {"id": decision.id, **asdict(decision), "standing": decision.id in standing}

    def history(self, request: Past) -> Json:
        """Decisions that say something, the last first."""
        found = matching(self._session.decisions, request.text, request.author)
        standing = {decision.id for decision in self._session.state.resolution.standing}
        if request.standing:
            found = [decision for decision in found if decision.id in standing]
        by_id = {decision.id: decision for decision in self._session.decisions}
        shown = found[request.offset : request.offset + _PAGE]
        items = [
            {
                "id": decision.id,
                **asdict(decision),
                "standing": decision.id in standing,
                "undone": asdict(by_id[decision.of]) if decision.of in by_id else None,
            }
            for decision in shown
        ]
        return {"total": len(found), "items": items}

    def to_settle(self, request: Empty) -> Json:
        """Decisions that contradict each other, by what they are about, and those that match nothing any more."""
        sides = defaultdict[tuple[Slot, ...], list[Outcome]](list)
        for outcome in self._session.conflicts():
            sides[self._clash(outcome.decision)].append(outcome)
        return {
            "conflicts": [
                {
                    "rows": self._rows(slots),
                    "sides": [self._side(outcome) for outcome in outcomes],
                }
                for slots, outcomes in sides.items()
            ],
            "stale": [self._side(outcome) for outcome in self._session.stale()],
        }

    def _clash(self, decision: Decision) -> tuple[Slot, ...]:
        """What a decision is about that another one is about too, or else all of it."""
        mine = self._slots(decision)
        others = {
            slot
            for outcome in self._session.conflicts()
            if outcome.decision.id != decision.id
            for slot in self._slots(outcome.decision)
        }
        return tuple(slot for slot in mine if slot in others) or mine

    def _slots(self, decision: Decision) -> tuple[Slot, ...]:
        return tuple((decision.level, label_key(thing)) for thing in decision.things)

    def _side(self, outcome: Outcome) -> Json:
        """A decision with photographs of what it is about and of the group that it names."""
        state, decision = self._session.state, outcome.decision
        about = self._rows(self._slots(decision))
        group_level = decision.level
        if decision.level in (*state.resolution.item_levels, *state.levels[:-1]) and decision.act not in (
            "rename",
            "merge",
            "split",
        ):
            group_level = state.resolution.above(decision.level)
        there = self._rows([(group_level, label_key(decision.to))])
        return {
            **self.told(decision),
            "why": outcome.why,
            "rows": about,
            "there": [row for row in there if row not in about],
        }

    def _rows(self, slots: Iterable[Slot]) -> list[int]:
        """Labels of a few things, most images first."""
        state, found = self._session.state, []
        for level, key in slots:
            if level in state.levels[1:]:
                groups = state.groups_of(level)
                found += (
                    labels_of(state, level, groups.names[groups.code_of[key]])
                    if key in groups.code_of
                    else []
                )
            elif (level, key) in state.layout.row_of or (
                level == state.levels[0] and key in state.layout.label_of
            ):
                found += labels_of(state, level, key)
        rows = np.array(found, np.int64)
        order = np.argsort(-state.layout.images[rows], kind="stable")
        return [int(row) for row in rows[order][:_N_PHOTOS]]
