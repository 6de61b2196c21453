"""Levels that people add to a proposal or take away, before anything else is decided."""

from collections.abc import Sequence
from dataclasses import dataclass

from cairnhub.core.text import label_key
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, TreeProposal
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.outcomes import Outcomes


@dataclass
class Levels:
    """A proposal's groups by level and key, with the levels that people want.

    Attributes:
        names: fine to coarse.
        name_of: display name per group.
        place_of: key of the group above, per group below the coarsest level, per type, and per label that has a place
            of its own; the proposal's own dictionary where no level changes.
    """

    names: tuple[str, ...]
    name_of: dict[tuple[str, str], str]
    place_of: dict[tuple[str, str], str]


def change_levels(proposal: TreeProposal, decisions: Sequence[Decision], outcomes: Outcomes) -> Levels:
    """Add levels, then take some away.

    A new level has a group for each of the level below, of the same name: merging and naming them is what it is for.
    """
    names = {(group.level, label_key(group.name)): group.name for group in proposal.groups}
    if not decisions:
        return Levels(proposal.levels, names, proposal.places)
    levels = Levels(proposal.levels, names, dict(proposal.places))
    _add(levels, proposal, [d for d in decisions if d.act == "add_level"], outcomes)
    removed: set[str] = set()
    for decision in decisions:
        if decision.act == "remove_level" and decision.level in removed:
            outcomes.note("no_op", decision, "another decision does the same")
        elif decision.act == "remove_level" and _remove(levels, decision, outcomes):
            removed.add(decision.level)
    return levels


def _add(levels: Levels, proposal: TreeProposal, decisions: list[Decision], outcomes: Outcomes) -> None:
    """A level may stand above one that another decision adds: go on until none fits."""
    left, known = decisions, {*levels.names, *(decision.to for decision in decisions)}
    while ready := [d for d in left if d.level in levels.names]:
        left = [decision for decision in left if decision not in ready]
        for decision in ready:
            same = [d for d in decisions if label_key(d.to) == label_key(decision.to)]
            rivals = [
                d
                for d in decisions
                if d.level == decision.level and label_key(d.to) != label_key(decision.to)
            ]
            if rivals or len({d.level for d in same if d.level in known}) > 1:
                outcomes.note(
                    "conflicting", decision, f"levels are added differently above {decision.level!r}"
                )
            elif decision.to in levels.names:
                outcomes.note("no_op", decision, f"there is a level {decision.to!r} already")
            elif label_key(decision.to) in {label_key(name) for name in (*levels.names, TYPE)}:
                outcomes.note("stale", decision, f"{decision.to!r} is too like the name of another level")
            else:
                _insert(levels, proposal, decision.level, decision.to)
                outcomes.note("applied", decision)
    outcomes.note_each("stale", left, "there is no level of that name to stand above")


def _insert(levels: Levels, proposal: TreeProposal, below: str, name: str) -> None:
    shown = {slot: text for slot, text in levels.name_of.items() if slot[0] == below}
    if below == levels.names[0]:
        shown = {(TYPE, label_key(entry.text)): entry.text for entry in proposal.types}
        shown |= {(below, label_key(e.label)): e.label for e in proposal.labels if e.group is not None}
    for slot, text in shown.items():
        key = slot[1]
        levels.name_of[name, key] = text
        if slot in levels.place_of:
            levels.place_of[name, key] = levels.place_of[slot]
        levels.place_of[slot] = key
    place = levels.names.index(below) + 1
    levels.names = (*levels.names[:place], name, *levels.names[place:])


def _remove(levels: Levels, decision: Decision, outcomes: Outcomes) -> bool:
    gone = decision.level
    if gone not in levels.names[1:] or len(levels.names) == 2:
        why = (
            f"there is no level {gone!r} of groups to take away"
            if len(levels.names) > 2
            else "one level must stay"
        )
        outcomes.note("stale", decision, why)
        return False
    place = levels.names.index(gone)
    below = {levels.names[place - 1], *((TYPE,) if place == 1 else ())}
    for slot, parent in list(levels.place_of.items()):
        if slot[0] in below:
            above = levels.place_of.get((gone, parent))
            if above is None:  # it was the coarsest
                del levels.place_of[slot]
            else:
                levels.place_of[slot] = above
    for slot in [slot for slot in levels.name_of if slot[0] == gone]:
        del levels.name_of[slot]
        levels.place_of.pop(slot, None)
    levels.names = tuple(name for name in levels.names if name != gone)
    outcomes.note("applied", decision)
    return True
