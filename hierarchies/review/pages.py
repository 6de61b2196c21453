"""Groups as pages: many things that one act may settle are asked about together, as members of their group."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from cairnhub.core.text import label_key
from cairnhub.hierarchies.review.apply import PENDING_BELOW
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.resolution import Slot
from cairnhub.hierarchies.review.state import BoolArray, ReviewState

_SURE = 0.95  # of the parent of a group that a person made
_FEWEST = 2  # groups that are asked about together


def settles(state: ReviewState, decision: Decision) -> list[Slot]:
    """Things, by level and label, that need not be asked about after a decision."""
    if decision.act == "split" and decision.level in state.levels[1:]:
        return [
            (below, member) for below in state.resolution.below(decision.level) for member in decision.members
        ]
    if decision.act in ("accept", "move", "assign"):
        return [(decision.level, thing) for thing in decision.things]
    return []


def settled(state: ReviewState) -> frozenset[Slot]:
    """What need not be asked about any more."""
    decisions = state.resolution.standing
    return frozenset((level, label_key(name)) for each in decisions for level, name in settles(state, each))


def open_items(state: ReviewState, done: frozenset[Slot]) -> BoolArray:
    """Which items are left to ask about.

    Args:
        state: where everything stands.
        done: what is settled.
    """
    row_of = state.layout.row_of
    found = np.ones(len(state.layout.items), bool)
    found[[row_of[slot] for slot in done if slot in row_of]] = False
    return found


def open_groups(state: ReviewState, level: str, done: frozenset[Slot]) -> BoolArray:
    """Of which groups of a level it is left to ask whether they stand rightly in theirs; of the coarsest, none."""
    groups = state.groups_of(level)
    if level == state.levels[-1]:
        return np.zeros(len(groups.names), bool)
    found = np.array([(level, label_key(name)) not in done for name in groups.names], bool)
    found[[groups.code_of_key[key] for at, key in state.resolution.decided if at == level]] = False
    return found & ~np.isnan(weights(state, level))


def asked_together(state: ReviewState, done: frozenset[Slot]) -> Mapping[str, BoolArray]:
    """Groups, by level, that are asked about as members of theirs, two at least; none of the coarsest.

    The machine is sure of their place, and nothing in them is left to ask about as their member.
    """
    layout, first = state.layout, state.groups[0]
    is_member = layout.in_pages & open_items(state, done)
    n_members = np.bincount(state.of_item[is_member], minlength=len(first.names))
    found = {}
    for groups, above in pairwise(state.groups):
        sure = parent_confidences(state, groups.level) >= PENDING_BELOW
        member = open_groups(state, groups.level, done) & sure & (n_members == 0)
        n_members = np.bincount(groups.parents[member], minlength=len(above.names))
        n_members[n_members < _FEWEST] = 0
        found[groups.level] = member & (n_members[groups.parents] > 0)
    return found | {state.levels[-1]: np.zeros(len(state.groups[-1].names), bool)}


def members_of(state: ReviewState, level: str, code: int) -> tuple[str, ...]:
    """What is asked about as members of a group, the surest first."""
    if level == state.levels[1]:
        return _labels_in(state, code)
    groups = state.groups_of(state.resolution.below(level)[0])
    inside = np.flatnonzero(asked_together(state, settled(state))[groups.level] & (groups.parents == code))
    sure, weight = parent_confidences(state, groups.level), weights(state, groups.level)
    ordered = sorted(inside.tolist(), key=lambda each: (-sure[each], -weight[each], groups.names[each]))
    return tuple(groups.names[each] for each in ordered)


def _labels_in(state: ReviewState, code: int) -> tuple[str, ...]:
    resolution, rows = state.resolution, state.items_in(code)
    items = [state.layout.items[row] for row in rows[state.layout.in_pages[rows]].tolist()]
    left = [item for item in items if (item.level, item.key) not in resolution.decided]
    left.sort(key=lambda i: (-resolution.confidence((i.level, i.key), i.confidence), -i.weight, i.label))
    return tuple(item.label for item in left)


def parent_confidences(state: ReviewState, level: str) -> npt.NDArray[np.float64]:
    """How sure the machine is of the parent of each group of a level, 0..1; of those that people made it is."""
    proposed = {label_key(group.name): group.confidence for group in state.layout.proposal.of_level(level)}
    return np.array([proposed.get(label_key(name), _SURE) for name in state.groups_of(level).names])


def weights(state: ReviewState, level: str) -> npt.NDArray[np.float64]:
    """Weight of the items in each group of a level; NaN where there are none."""
    places = state.of_item
    for groups in state.groups[: state.levels.index(level) - 1]:
        places = groups.parents[places]
    n_groups = len(state.groups_of(level).names)
    n_items = np.bincount(places, minlength=n_groups)
    return np.where(n_items > 0, np.bincount(places, state.layout.weights, n_groups), np.nan)
