"""A proposal laid out in arrays, so that what a decision does to 200,000 labels is known in a moment."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cairnhub.core.errors import NotFound
from cairnhub.core.text import fold, label_key
from cairnhub.hierarchies.label_tree.tree_rules import IntArray
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, TreeProposal
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.resolution import Resolution, Slot
from cairnhub.hierarchies.review.resolve import resolve

BoolArray = npt.NDArray[np.bool_]
_DISPUTED = 0.25  # share of a type's images from which their labels' disputes are the type's


class ReviewItem(NamedTuple):
    """What can be asked about: a type or a label without a type, which have places of their own, or a group.

    Attributes:
        rank: minus weight times doubt: the least comes first.
        level: where it stands, or `type`.
        label: its text.
        key: normalised text.
        weight: images (or labels) that hang on it.
        confidence: of the machine, 0..1.
        row: its place in `Layout.items`; -1 for a group.
    """

    rank: float
    level: str
    label: str
    key: str
    weight: float
    confidence: float
    row: int


@dataclass(frozen=True)
class Layout:
    """Items and labels of a proposal, side by side.

    Attributes:
        proposal: what is laid out.
        items: types, then labels without a type, in the proposal's order.
        labels: the leaves of the tree; the types where there are none.
        item_of: per label, the row of the item whose place it takes.
        images: per label.
    """

    proposal: TreeProposal
    items: tuple[ReviewItem, ...]
    labels: tuple[str, ...]
    item_of: IntArray
    images: IntArray

    @classmethod
    def of(cls, proposal: TreeProposal) -> "Layout":
        """Lay a proposal out; linear in its labels."""
        items: list[ReviewItem] = []
        finest = proposal.levels[0]

        def add(level: str, label: str, key: str, weight: float, confidence: float) -> int:
            rank = -weight * (1 - confidence)
            items.append(ReviewItem(rank, level, label, key, weight, confidence, len(items)))
            return len(items) - 1

        row_of = {}
        for entry in proposal.types:
            row = add(TYPE, entry.text, label_key(entry.text), entry.weight, entry.confidence)
            row_of.update(dict.fromkeys(entry.spellings, row))
        if not proposal.labels:
            images = [round(entry.weight) for entry in proposal.types]
            labels, rows = tuple(entry.text for entry in proposal.types), list(range(len(items)))
        else:
            images = [entry.n_images for entry in proposal.labels]
            labels = tuple(entry.label for entry in proposal.labels)
            rows = [
                add(finest, entry.label, key, float(entry.n_images), entry.confidence)
                if entry.type is None
                else row_of[entry.type]
                for key, entry in zip(proposal.label_keys, proposal.labels, strict=True)
            ]
        return cls(proposal, tuple(items), labels, np.array(rows, np.int64), np.array(images, np.int64))

    @cached_property
    def ranked(self) -> list[ReviewItem]:
        """Items by weight times doubt, most first."""
        return sorted(self.items)

    @cached_property
    def ranked_rows(self) -> IntArray:
        """Their rows."""
        return np.array([item.row for item in self.ranked], np.int64)

    @cached_property
    def in_pages(self) -> BoolArray:
        """Which items are asked about as members of their groups: labels that likeness placed."""
        found = np.zeros(len(self.items), bool)
        if not self.proposal.types:
            found[:] = [bool(entry.likeness) for entry in self.proposal.labels]
        return found

    @cached_property
    def row_of(self) -> dict[Slot, int]:
        """Row of each item by level and key."""
        return {(item.level, item.key): item.row for item in self.items}

    @cached_property
    def label_of(self) -> Mapping[str, int]:
        """Row of each label by its key."""
        if self.proposal.labels:
            return self.proposal.row_of_label
        return {item.key: item.row for item in self.items}

    @cached_property
    def disputed(self) -> Mapping[int, str]:
        """What speaks against the place of items, by row, where words and photographs disagree.

        A type is disputed where its labels are that hold `_DISPUTED` of its images or more: all of them, so that
        photographs speak against the type, or some, so that they disagree among themselves.
        """
        found: dict[int, str] = {}
        of_type = defaultdict[int, list[int]](list)
        for label, dispute in self.label_disputes.items():
            row = int(self.item_of[label])
            if self.items[row].level == TYPE:
                of_type[row].append(label)
            else:
                found[row] = dispute
        n_labels = np.bincount(self.item_of, minlength=len(self.items))
        n_images = np.bincount(self.item_of, self.images, len(self.items))
        for row, labels in of_type.items():
            if self.images[labels].sum() >= _DISPUTED * n_images[row]:
                found[row] = _summed_up(
                    [self.proposal.labels[label].dispute for label in labels], int(n_labels[row])
                )
        return found

    @cached_property
    def label_disputes(self) -> Mapping[int, str]:
        """What speaks against the place of labels, by their rows."""
        return {row: entry.dispute for row, entry in enumerate(self.proposal.labels) if entry.dispute}

    @cached_property
    def how_disputed(self) -> IntArray:
        """Per label: 2 if it is disputed itself, 1 if only others of its type, of which it may be what texts mean."""
        found = np.isin(self.item_of, list(self.disputed)).astype(np.int64)
        found[list(self.label_disputes)] = 2
        return found

    @cached_property
    def second(self) -> tuple[tuple[str, ...], IntArray]:
        """The next best groups as the proposal calls them, `""` for none, and which of them is each label's."""
        types, labels = self.proposal.types, self.proposal.labels
        of_type = {text: entry.second for entry in types for text in entry.spellings}
        listed = [e.second if e.type is None else of_type[e.type] for e in labels] or [
            e.second for e in types
        ]
        code_of = {name: code for code, name in enumerate(dict.fromkeys(listed))}
        return tuple(code_of), np.array([code_of[name] for name in listed], np.int64)

    @cached_property
    def ranks(self) -> npt.NDArray[np.float64]:
        """Minus weight times doubt, per item."""
        return np.array([item.rank for item in self.items], np.float64)

    @cached_property
    def weights(self) -> npt.NDArray[np.float64]:
        """Weight per item."""
        return np.array([item.weight for item in self.items], np.float64)

    @cached_property
    def confidences(self) -> npt.NDArray[np.float64]:
        """What the proposal thinks of each item's place, 0..1."""
        return np.array([item.confidence for item in self.items], np.float64)

    @cached_property
    def folded(self) -> tuple[str, ...]:
        """Each label without case and accents: a second for 200,000."""
        return tuple(map(fold, self.labels))

    @cached_property
    def folded_types(self) -> tuple[str, ...]:
        """Each type so, by its row; `""` for labels with places of their own."""
        return tuple(fold(item.label) if item.level == TYPE else "" for item in self.items)

    def homes(self, place_of: Mapping[Slot, str]) -> tuple[tuple[str, ...], IntArray]:
        """Keys of the groups where items stand, and which of them is each item's.

        What was asked last is kept: decisions begin with the same places as long as no level is added or taken away.
        """
        if not self._homes or self._homes[-1][0] is not place_of:
            placed = [place_of[item.level, item.key] for item in self.items]
            code_of = {key: code for code, key in enumerate(dict.fromkeys(placed))}
            self._homes[:] = [
                (place_of, tuple(code_of), np.array([code_of[key] for key in placed], np.int64))
            ]
        return self._homes[-1][1:]

    @cached_property
    def _homes(self) -> list[tuple[Mapping[Slot, str], tuple[str, ...], IntArray]]:
        return []

    def state(self, decisions: Iterable[Decision]) -> "ReviewState":
        """Where everything stands after some decisions."""
        resolution = resolve(self.proposal, decisions)
        groups = _groups(resolution)
        first, finest = groups[0], resolution.levels[0]
        keys, home_of = self.homes(resolution.proposed_place_of)
        of_item = np.array([first.code_of_key[key] for key in keys], np.int64)[home_of]
        for slot in resolution.decided | resolution.followed:
            if slot in self.row_of:
                of_item[self.row_of[slot]] = first.code_of_key[resolution.place_of[slot]]
        of_label = of_item[self.item_of] if len(self.items) else np.zeros(0, np.int64)
        for level, key in resolution.decided:
            if level == finest and key in self.label_of:
                of_label[self.label_of[key]] = first.code_of_key[resolution.place_of[level, key]]
        return ReviewState(self, resolution, groups, of_item, of_label)


def _summed_up(disputes: Sequence[str], n_labels: int) -> str:
    """What the labels of a type say against its place."""
    said = sorted(Counter(disputes).items(), key=lambda each: (-each[1], each[0]))
    return "; ".join(f"for {n} of its {n_labels} labels {dispute}" for dispute, n in said)


@dataclass(frozen=True)
class LevelGroups:
    """The groups of one level as they end, by code.

    Attributes:
        level: its name.
        names: per group.
        parents: per group, the code of its group on the next level; empty on the coarsest.
        code_of_key: code by every key that ends there.
    """

    level: str
    names: tuple[str, ...]
    parents: IntArray
    code_of_key: Mapping[str, int]

    @cached_property
    def code_of(self) -> dict[str, int]:
        """Code by the key of the name."""
        return {label_key(name): code for code, name in enumerate(self.names)}


def _groups(resolution: Resolution) -> tuple[LevelGroups, ...]:
    """Groups of every level, fine to coarse."""
    keys: dict[str, list[str]] = {level: [] for level in resolution.levels[1:]}
    for level, key in resolution.name_of:
        keys[level].append(key)
    groups: list[LevelGroups] = []
    for level in reversed(resolution.levels[1:]):
        end_of = {key: resolution.final(level, key) for key in keys[level]}
        ends = tuple(dict.fromkeys(end_of.values()))
        code = {key: i for i, key in enumerate(ends)}
        parents = [groups[-1].code_of_key[resolution.place_of[level, key]] for key in ends] if groups else []
        names = tuple(resolution.name_of[level, key] for key in ends)
        codes = {key: code[end] for key, end in end_of.items()}
        groups.append(LevelGroups(level, names, np.array(parents, np.int64), codes))
    return tuple(reversed(groups))


@dataclass(frozen=True)
class ReviewState:
    """Where items and labels stand; groups go by their code on their level.

    Attributes:
        layout: the items and labels.
        resolution: the resolution behind it.
        groups: per level, fine to coarse.
        of_item: group on the first level per item.
        of_label: group on the first level per label.
    """

    layout: Layout
    resolution: Resolution
    groups: tuple[LevelGroups, ...]
    of_item: IntArray
    of_label: IntArray

    @property
    def levels(self) -> tuple[str, ...]:
        """Fine to coarse, that of the labels first."""
        return self.resolution.levels

    def groups_of(self, level: str) -> LevelGroups:
        """The groups of a level.

        Raises:
            NotFound: there is no such level of groups.
        """
        found = next((groups for groups in self.groups if groups.level == level), None)
        if found is None:
            raise NotFound(f"there is no level {level!r} of groups; there are {', '.join(self.levels[1:])}")
        return found

    @cached_property
    def of_label_by_level(self) -> Mapping[str, IntArray]:
        """Group per label on every level of groups."""
        places = {self.levels[1]: self.of_label}
        for fine, coarse in pairwise(self.groups):
            places[coarse.level] = fine.parents[places[fine.level]]
        return places

    def n_labels(self, level: str) -> IntArray:
        """Labels per group of a level."""
        return np.bincount(self.of_label_by_level[level], minlength=len(self.groups_of(level).names))

    def n_images(self, level: str) -> IntArray:
        """Images per group of a level."""
        n_groups = len(self.groups_of(level).names)
        sums = np.bincount(self.of_label_by_level[level], self.layout.images, minlength=n_groups)
        return sums.astype(np.int64)

    def path(self, level: str, code: int) -> tuple[str, ...]:
        """Names of the groups above a group, nearest first."""
        names, rank = [], self.levels.index(level) - 1
        for groups, above in pairwise(self.groups[rank:]):
            code = int(groups.parents[code])
            names.append(above.names[code])
        return tuple(names)

    def items_in(self, group: int) -> IntArray:
        """Rows of the items in a group of the first level."""
        return np.flatnonzero(self.of_item == group)

    def strays_in(self, group: int) -> IntArray:
        """Labels in a group of the first level that their type is not in: a person put them there."""
        away = self.of_item[self.layout.item_of] != self.of_label
        return np.flatnonzero((self.of_label == group) & away)

    def children(self, level: str, code: int) -> tuple[str, ...]:
        """What stands directly in a group: items in the first level's, groups in all others, heaviest first."""
        if level == self.levels[1]:
            rows = self.items_in(code)
            order = np.argsort(-self.layout.weights[rows], kind="stable")
            return tuple(self.layout.items[row].label for row in rows[order].tolist())
        below = self.groups_of(self.resolution.below(level)[0])
        codes = np.flatnonzero(below.parents == code)
        codes = codes[np.argsort(-self.n_images(below.level)[codes], kind="stable")]
        return tuple(below.names[child] for child in codes.tolist())
