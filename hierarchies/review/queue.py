"""What to look at first: items ranked by how many images hang on them and how much the machine doubts."""

from bisect import bisect
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import overload

import numpy as np
import numpy.typing as npt

from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.tree_rules import IntArray
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.pages import (
    asked_together,
    open_groups,
    open_items,
    parent_confidences,
    settled,
    weights,
)
from cairnhub.hierarchies.review.question import Question, ask
from cairnhub.hierarchies.review.resolution import Slot
from cairnhub.hierarchies.review.state import BoolArray, Layout, ReviewItem, ReviewState

_FLAGGED = 1e-6  # what a member counts that a person is unsure of: its page comes last


@dataclass(frozen=True)
class Queue(Sequence[ReviewItem]):
    """Undecided items and groups in the order to ask about them; no longer than what is looked at takes.

    Attributes:
        layout: whose items.
        groups: those that are asked about.
        order: rows of `layout.items`, and beyond these of `groups`.
        unsure: what people flagged.
    """

    layout: Layout
    groups: tuple[ReviewItem, ...]
    order: IntArray
    unsure: Collection[Slot]

    @overload
    def __getitem__(self, place: int) -> ReviewItem: ...

    @overload
    def __getitem__(self, place: slice) -> list[ReviewItem]: ...

    def __getitem__(self, place: int | slice) -> ReviewItem | list[ReviewItem]:
        if isinstance(place, slice):
            return [self._item(row) for row in self.order[place].tolist()]
        return self._item(int(self.order[place]))

    def __len__(self) -> int:
        return len(self.order)

    @cached_property
    def confidences(self) -> npt.NDArray[np.float64]:
        """Of the machine, 0..1."""
        of_groups = [group.confidence for group in self.groups]
        return np.concatenate((self.layout.confidences, of_groups))[self.order]

    @property
    def doubt(self) -> float:
        """Images x doubt of all of it."""
        of_groups = [group.rank for group in self.groups]
        return -float(np.concatenate((self.layout.ranks, of_groups))[self.order].sum())

    @property
    def flagged(self) -> BoolArray:
        """What of it a person is unsure of."""
        return np.isin(self.order, self._rows(self.unsure))

    def without(self, slots: Collection[Slot]) -> "Queue":
        """What is left of it without some."""
        return replace(self, order=self.order[~np.isin(self.order, self._rows(slots))])

    def _item(self, row: int) -> ReviewItem:
        n_items = len(self.layout.items)
        return self.layout.items[row] if row < n_items else self.groups[row - n_items]

    def _rows(self, slots: Collection[Slot]) -> list[int]:
        n_items, row_of = len(self.layout.items), self.layout.row_of
        rows = [row_of[slot] for slot in slots if slot in row_of]
        return rows + [n_items + i for i, each in enumerate(self.groups) if (each.level, each.key) in slots]


def queue(proposal: TreeProposal, decisions: Iterable[Decision]) -> list[Question]:
    """Undecided types, labels without a type and groups, most weight in doubt first.

    Args:
        proposal: what the machine proposes.
        decisions: made so far; what they settle is not asked again.
    """
    state = Layout.of(proposal).state(decisions)
    return [ask(state, item.level, item.label) for item in waiting(state)]


def waiting(state: ReviewState) -> Queue:
    """Undecided items and groups in the order to ask about them: where an act is expected to put most right.

    Labels that likeness placed are asked about group by group, and so are groups of whose place the machine is sure,
    for one act may settle many of them. What words and photographs disagree about comes before all else, what a person
    is unsure of after it.
    """
    layout, unsure = state.layout, state.resolution.unsure
    done = settled(state)
    asked = open_items(state, done)
    groups, disputed = _groups(state, asked, done), _disputed(state, asked)
    apart = [layout.row_of[slot] for slot in disputed.keys() | unsure.keys() if slot in layout.row_of]
    apart = [row for row in apart if asked[row] and not layout.in_pages[row]]
    asked[apart] = False
    ranked = layout.ranked_rows[(asked & ~layout.in_pages)[layout.ranked_rows]]

    def turn(item: ReviewItem) -> tuple[bool, float, ReviewItem]:
        slot = item.level, item.key
        return slot in unsure, -disputed.get(slot, 0.0), item

    def place(turn: tuple[bool, float, ReviewItem]) -> int:
        if turn[0] or turn[1]:
            return len(ranked) if turn[0] else 0
        return bisect(ranked, turn[2], key=layout.items.__getitem__)

    found = [(turn(layout.items[row]), row) for row in apart]
    found += [(turn(group), row) for row, group in enumerate(groups, start=len(layout.items))]
    found.sort()
    order = np.insert(ranked, [place(turn) for turn, _ in found], [row for _, row in found])
    return Queue(layout, groups, order, unsure)


def _groups(state: ReviewState, asked: BoolArray, done: frozenset[Slot]) -> tuple[ReviewItem, ...]:
    """Groups whose members or whose own places are to be decided."""
    unsure, together = state.resolution.unsure, asked_together(state, done)
    of_pages = _doubts_of_labels(state, asked & state.layout.in_pages)
    has_page, found = of_pages > 0, []
    for groups, above in zip(state.groups, (*state.groups[1:], None), strict=True):
        level, keys = groups.level, list(map(label_key, groups.names))
        confidences, weight = parent_confidences(state, level), np.nan_to_num(weights(state, level))
        doubts = weight * (1 - confidences)
        alone = open_groups(state, level, done) & ~together[level]
        ranks = -of_pages - np.where(alone, doubts, 0)
        found += [
            ReviewItem(
                float(ranks[i]), level, groups.names[i], keys[i], float(weight[i]), float(confidences[i]), -1
            )
            for i in np.flatnonzero(alone | has_page).tolist()
        ]
        if above:
            doubts[[(level, key) in unsure for key in keys]] *= _FLAGGED
            members = np.flatnonzero(together[level])
            inside, n_above = groups.parents[members], len(above.names)
            of_pages = np.bincount(inside, doubts[members], n_above).astype(np.float64)
            has_page = np.bincount(inside, minlength=n_above) > 0
    return tuple(found)


def _disputed(state: ReviewState, asked: BoolArray) -> Mapping[Slot, float]:
    """Images of what words and photographs disagree about, under what is asked: a group, or the item itself."""
    layout, first, found = state.layout, state.groups[0], defaultdict[Slot, float](float)
    for item in sorted(layout.items[row] for row in layout.disputed if asked[row]):
        group = first.names[int(state.of_item[item.row])]
        slot = (first.level, label_key(group)) if layout.in_pages[item.row] else (item.level, item.key)
        found[slot] += item.weight
    return found


def _doubts_of_labels(state: ReviewState, members: BoolArray) -> npt.NDArray[np.float64]:
    """How many images an act on each group of the first level is expected to put right.

    A group that nobody has named yet wants a name for all of its members; one that has been named, as far as its
    members are in doubt.
    """
    layout, resolution, n_groups = state.layout, state.resolution, len(state.groups[0].names)
    decided = np.zeros(n_groups, bool)
    for level, key in resolution.decided:
        if level == state.levels[0]:
            decided[state.of_label[layout.label_of[key]]] = True
    confidences = layout.confidences.copy()
    for slot, trust in resolution.trust.items():
        confidences[layout.row_of[slot]] = trust.confidence
    doubts = np.where(decided[state.of_item], 1 - confidences, 1.0)
    doubts[[layout.row_of[slot] for slot in resolution.unsure if slot in layout.row_of]] *= _FLAGGED
    rows = layout.ranked_rows[members[layout.ranked_rows]]
    found = np.bincount(state.of_item[rows], layout.weights[rows] * doubts[rows], n_groups)
    return found.astype(np.float64)
