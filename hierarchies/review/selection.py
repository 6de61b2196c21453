"""Acts on labels that were selected on a wall: one decision per level and group that they are about."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cairnhub.core.errors import BadInput
from cairnhub.hierarchies.proposal.tree_proposal import TYPE
from cairnhub.hierarchies.review.decisions import Act, Decision, seen_fingerprint
from cairnhub.hierarchies.review.places import Places, Target
from cairnhub.hierarchies.review.resolution import Slot
from cairnhub.hierarchies.review.state import BoolArray
from cairnhub.hierarchies.review.wall import Wall

WallAct = Literal["accept", "move", "exclude", "unsure"]


@dataclass(frozen=True)
class Selection:
    """Labels that were selected.

    A type of which every label is selected is meant itself: what is said of it holds for labels to come.

    Attributes:
        wall: on which.
        rows: in the order of the wall.
    """

    wall: Wall
    rows: Sequence[int]

    def decisions(
        self,
        act: WallAct,
        author: str,
        date: str,
        to: str = "",
        parent: str = "",
        new: bool = False,
        reason: str = "",
    ) -> tuple[Decision, ...]:
        """What an act on the selected says; nothing is written yet.

        Args:
            act: they are right where they stand, go to a group, do not belong where they stand, or nobody can tell.
            author: who says so.
            date: when, ISO 8601.
            to: the group of a move.
            parent: of a group that is new.
            new: that a group on the coarsest level is to be made.
            reason: why; what a reviewer is unsure about.

        Raises:
            CairnError: nothing is selected that is undecided, or the group cannot be.
        """
        if not len(self.rows):
            raise BadInput("nothing is selected")
        things = self._things(left_alone=self.wall.decided if act in ("accept", "unsure") else None)
        if not things:
            raise BadInput("all that is selected is decided already")
        target = self._target(to, parent, new) if act == "move" else Target("")
        by_place: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        for (level, label), group in things.items():
            by_place[level, "" if act in ("move", "unsure") else group].append((label, group))
        return tuple(
            self._decision(
                act, level, target if act == "move" else Target(group), named, author, date, reason
            )
            for (level, group), named in by_place.items()
        )

    def _decision(
        self,
        act: WallAct,
        level: str,
        target: Target,
        named: Sequence[tuple[str, str]],
        author: str,
        date: str,
        reason: str,
    ) -> Decision:
        labels, groups = [label for label, _ in named], {group for _, group in named}
        leaves = self._left(named, groups) if act == "move" else ""
        alone = len(labels) == 1 and not leaves
        assigns = act == "move" and alone and level != TYPE and bool(self.wall.state.layout.proposal.types)
        written: Act = "assign" if assigns else act
        return Decision(
            act=written,
            level=level,
            label=labels[0] if alone else leaves,
            to=target.name,
            kind=target.parent,
            members=() if alone else tuple(labels),
            new=target.new,
            author=author,
            date=date,
            reason=reason.strip(),
            seen=seen_fingerprint(*sorted(groups), *labels),
        )

    def _left(self, named: Sequence[tuple[str, str]], groups: set[str]) -> str:
        """The group that some leave while others stay, so that these do not follow; `""` where it does not matter."""
        state = self.wall.state
        if state.layout.proposal.types or len(groups) != 1:
            return ""
        (group,) = groups
        here = state.of_label == state.groups[0].names.index(group)
        undecided = int((here & ~self.wall.decided).sum())
        return group if len(named) < undecided else ""

    def _target(self, to: str, parent: str, new: bool) -> Target:
        places, level = Places(self.wall.state), self.wall.state.levels[1]
        return places.target(level, to, makes=True, parent=parent or places.parent_of(level, to), new=new)

    def _things(self, left_alone: BoolArray | None) -> dict[Slot, str]:
        """What is meant, by level and name, with the group in which it stands: types, and labels by themselves."""
        wall, layout = self.wall, self.wall.state.layout
        rows = [row for row in dict.fromkeys(self.rows) if left_alone is None or not left_alone[row]]
        items = layout.item_of[rows]
        followers = np.bincount(layout.item_of[~wall.own], minlength=len(layout.items))
        selected = np.bincount(items[~wall.own[rows]], minlength=len(layout.items))
        things: dict[Slot, str] = {}
        for row, item in zip(rows, items.tolist(), strict=True):
            placed_by = layout.items[item]
            whole = not wall.own[row] and selected[item] == followers[item]
            if placed_by.level == TYPE and not whole:
                things[wall.state.levels[0], layout.labels[row]] = wall.group_of(row)
            else:
                things[placed_by.level, placed_by.label] = wall.group_of(row)
        return things
