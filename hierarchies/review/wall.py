"""A wall of labels: all that stands in a group, is of a type, or waits; filtered and in an order."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from cairnhub.core.text import fold, label_key
from cairnhub.hierarchies.label_tree.tree_rules import IntArray
from cairnhub.hierarchies.proposal.tree_proposal import TYPE
from cairnhub.hierarchies.review.apply import PENDING_BELOW
from cairnhub.hierarchies.review.pages import settles
from cairnhub.hierarchies.review.question import ask, labels_of
from cairnhub.hierarchies.review.resolution import Slot
from cairnhub.hierarchies.review.state import BoolArray, ReviewState

Show = Literal["open", "doubt", "unsure", "decided", "all"]
Order = Literal["doubt", "sure", "images", "name", "next"]
Counter = Callable[[str], int]
"""How many photographs of a label there are."""
_Kind = TypeVar("_Kind", bound=np.generic)


@dataclass(frozen=True)
class View:
    """What of a wall is shown.

    Attributes:
        level: of what the wall is about; `""` for everything.
        label: the group, the type or the one label.
        show: undecided (`open`), in doubt (below `PENDING_BELOW`, or a person is unsure), flagged, decided, or all.
        kind: only labels under this group of the coarsest level.
        text: in the label, its type or its group.
        below: only what is less sure than that, 0..1.
        photos: only labels with (`some`) or without (`none`) photographs.
        disputed: only those about which words and photographs disagree.
        reviewer: only what this person decided or flagged.
        second: only those whose next best group this is.
        order: most images in doubt first, the surest, most images, by name, or by the next best group.
    """

    level: str = ""
    label: str = ""
    show: Show = "open"
    kind: str = ""
    text: str = ""
    below: float = 1.01
    photos: Literal["", "some", "none"] = ""
    disputed: bool = False
    reviewer: str = ""
    second: str = ""
    order: Order = "doubt"


@dataclass(frozen=True)
class Tile:
    """A label on a wall.

    Attributes:
        row: in the layout.
        label: its text.
        group: where it stands on the first level.
        type: what places it, `""` for one that has a place of its own.
        second: the next best group.
        confidence: 0..1.
        n_images: of the label.
        decided: whether a person placed it or its type.
        notes: of those who are unsure of it; None where nobody is.
        dispute: what speaks for another group, where words and photographs disagree.
    """

    row: int
    label: str
    group: str
    type: str
    second: str
    confidence: float
    n_images: int
    decided: bool
    notes: tuple[str, ...] | None
    dispute: str


@dataclass(frozen=True)
class Wall:
    """The labels of a state side by side, ready to be filtered; quick for 200,000.

    Attributes:
        state: where everything stands.
    """

    state: ReviewState

    @cached_property
    def own(self) -> BoolArray:
        """Labels that a person placed by themselves."""
        layout, finest = self.state.layout, self.state.levels[0]
        own = np.zeros(len(layout.labels), bool)
        keys = (key for level, key in self.state.resolution.decided if level == finest)
        own[[layout.label_of[key] for key in keys if key in layout.label_of]] = True
        return own

    @cached_property
    def decided(self) -> BoolArray:
        """Labels that a person placed, or whose type one did."""
        layout = self.state.layout
        of_item = np.zeros(len(layout.items), bool)
        slots = self.state.resolution.decided
        of_item[[layout.row_of[slot] for slot in slots if slot in layout.row_of]] = True
        return self._per_label(of_item) | self.own

    @cached_property
    def confidence(self) -> npt.NDArray[np.float64]:
        """How sure each place is, 0..1; 1 for what is decided."""
        layout = self.state.layout
        of_item = layout.confidences.copy()
        for slot, trust in self.state.resolution.trust.items():
            of_item[layout.row_of[slot]] = trust.confidence
        return np.where(self.decided, 1.0, self._per_label(of_item))

    @cached_property
    def notes(self) -> Mapping[int, tuple[str, ...]]:
        """What people said who are unsure, by label."""
        found: dict[int, tuple[str, ...]] = {}
        for slot, notes in self.state.resolution.unsure.items():
            for row in self._rows_of(slot):
                if not self.decided[row]:
                    found[row] = (*found.get(row, ()), *notes)
        return found

    @cached_property
    def in_doubt(self) -> BoolArray:
        """Labels that wait for a person."""
        doubt: BoolArray = ~self.decided & (self.confidence < PENDING_BELOW)
        doubt[list(self.notes)] = True
        return doubt

    @cached_property
    def authors(self) -> Mapping[int, frozenset[str]]:
        """Who decided or flagged each label, by label."""
        found = defaultdict[Slot, set[str]](set)
        for decision in self.state.resolution.standing:
            things = settles(self.state, decision)
            if decision.act in ("unsure", "exclude"):
                things = [(decision.level, thing) for thing in decision.things]
            for level, thing in things:
                found[level, label_key(thing)].add(decision.author)
        by_row = defaultdict[int, set[str]](set)
        for slot, authors in found.items():
            for row in self._rows_of(slot):
                by_row[row] |= authors
        return {row: frozenset(authors) for row, authors in by_row.items()}

    @cached_property
    def seconds(self) -> tuple[str, ...]:
        """The groups that are next best for some label, as they are called now, sorted; `""` for none."""
        return tuple(sorted({self._called(name) for name in self.state.layout.second[0]}))

    @cached_property
    def second(self) -> IntArray:
        """Which of `seconds` is the next best group of each label."""
        code_of = {name: code for code, name in enumerate(self.seconds)}
        names, of_label = self.state.layout.second
        return np.array([code_of[self._called(name)] for name in names], np.int64)[of_label]

    def rows(self, view: View, n_photos: Counter | None = None) -> IntArray:
        """Rows of the labels that a view shows, in its order.

        Args:
            view: which, in which order.
            n_photos: of a label; None where there are no photographs at all.

        Raises:
            NotFound: it is about something that is not there (any more).
        """
        layout = self.state.layout
        if view.level:
            ask(self.state, view.level, view.label)
            rows = np.array(labels_of(self.state, view.level, view.label), np.int64)
        else:
            rows = np.arange(len(layout.labels))
        rows = rows[self._shown(view.show)[rows] & (self.confidence[rows] < view.below)]
        if view.kind:
            code = self.state.groups[-1].code_of.get(label_key(view.kind), -1)
            rows = rows[self.state.of_label_by_level[self.state.levels[-1]][rows] == code]
        if view.second:
            code = self.seconds.index(view.second) if view.second in self.seconds else -1
            rows = rows[self.second[rows] == code]
        for wanted, test in (
            (view.disputed, lambda row: row in layout.label_disputes),
            (view.reviewer, lambda row: view.reviewer in self.authors.get(row, ())),
            (view.text, self._says(fold(view.text)) if view.text else None),
            (view.photos, lambda row: self._has_photos(row, n_photos) == (view.photos == "some")),
        ):
            if wanted and test:
                rows = rows[np.fromiter(map(test, rows.tolist()), bool, len(rows))]
        return self._ordered(rows, view.order)

    def tile(self, row: int) -> Tile:
        """A label as the wall shows it."""
        layout = self.state.layout
        item = layout.items[int(layout.item_of[row])]
        return Tile(
            row,
            layout.labels[row],
            self.group_of(row),
            item.label if item.level == TYPE and layout.proposal.labels and not self.own[row] else "",
            self.seconds[self.second[row]],
            round(float(self.confidence[row]), 3),
            int(layout.images[row]),
            bool(self.decided[row]),
            self.notes.get(row),
            layout.label_disputes.get(row, ""),
        )

    def group_of(self, row: int) -> str:
        """Where a label stands on the first level."""
        return self.state.groups[0].names[int(self.state.of_label[row])]

    def _shown(self, show: Show) -> BoolArray:
        if show == "all":
            return np.ones(len(self.decided), bool)
        if show == "unsure":
            flagged = np.zeros(len(self.decided), bool)
            flagged[list(self.notes)] = True
            return flagged
        return {"open": ~self.decided, "doubt": self.in_doubt, "decided": self.decided}[show]

    def _says(self, text: str) -> Callable[[int], bool]:
        layout, state = self.state.layout, self.state
        groups = [text in fold(name) for name in state.groups[0].names]
        types = [text in name for name in layout.folded_types]

        def says(row: int) -> bool:
            in_names = text in layout.folded[row] or types[int(layout.item_of[row])]
            return in_names or groups[int(state.of_label[row])]

        return says

    def _has_photos(self, row: int, n_photos: Counter | None) -> bool:
        return n_photos is not None and n_photos(self.state.layout.labels[row]) > 0

    def _ordered(self, rows: IntArray, order: Order) -> IntArray:
        layout = self.state.layout
        images, sure = layout.images[rows], self.confidence[rows]
        if order == "name":
            return rows[np.argsort([layout.folded[row] for row in rows.tolist()], kind="stable")]
        if order == "next":
            return rows[np.lexsort((-images, self.second[rows]))]
        first = {"doubt": -images * (1 - sure), "sure": -sure, "images": -images}[order]
        disputed = layout.how_disputed[rows] if order == "doubt" else np.zeros(len(rows))
        return rows[np.lexsort((rows, first, -disputed))]

    def _per_label(self, of_item: npt.NDArray[_Kind]) -> npt.NDArray[_Kind]:
        item_of = self.state.layout.item_of
        return of_item[item_of] if len(of_item) else np.zeros(len(item_of), of_item.dtype)

    def _rows_of(self, slot: Slot) -> list[int]:
        """Labels that a type places, or the one label."""
        layout = self.state.layout
        if slot[0] == self.state.levels[0] and slot[1] in layout.label_of:
            return [layout.label_of[slot[1]]]
        if slot not in layout.row_of:
            return []
        return np.flatnonzero((layout.item_of == layout.row_of[slot]) & ~self.own).tolist()

    def _called(self, name: str) -> str:
        """A group of the proposal as it is called now; one that would be new as it is."""
        resolution, first = self.state.resolution, self.state.levels[1]
        slot = first, resolution.final(first, resolution.meant(first, name))
        return resolution.name_of.get(slot, name)
