"""A proposal laid out in arrays, so that what a decision does to 200,000 landmarks is known in a moment."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.tree_rules import IntArray
from cairnhub.hierarchies.proposal.proposal import Proposal
from cairnhub.hierarchies.review.apply import Resolution, Slot, resolve
from cairnhub.hierarchies.review.decisions import Decision, Level


class ReviewItem(NamedTuple):
    """What can be asked about: a type or a landmark without a type, which have places of their own, or a category.

    Attributes:
        rank: minus weight times doubt: the least comes first.
        level: `type`, `landmark` or `category`.
        label: its text.
        key: normalised text.
        weight: images (or landmarks) that hang on it.
        confidence: of the machine, 0..1.
        row: its place in `Layout.things`; -1 for a category.
    """

    rank: float
    level: Level
    label: str
    key: str
    weight: float
    confidence: float
    row: int


@dataclass(frozen=True)
class Layout:
    """Things and leaves of a proposal, side by side.

    Attributes:
        proposal: what is laid out.
        things: types, then landmarks without a type, in the proposal's order.
        leaves: leaves of the tree: landmarks, or the types where there are none.
        thing_of: per leaf, the row of the thing whose place it takes.
        images: per leaf.
    """

    proposal: Proposal
    things: tuple[ReviewItem, ...]
    leaves: tuple[str, ...]
    thing_of: IntArray
    images: IntArray

    @classmethod
    def of(cls, proposal: Proposal) -> "Layout":
        """Lay a proposal out; linear in its landmarks."""
        things: list[ReviewItem] = []

        def add(level: Level, label: str, weight: float, confidence: float) -> int:
            rank = -weight * (1 - confidence)
            things.append(ReviewItem(rank, level, label, label_key(label), weight, confidence, len(things)))
            return len(things) - 1

        row_of = {}
        for entry in proposal.types:
            row = add("type", entry.text, entry.weight, entry.confidence)
            row_of.update(dict.fromkeys(entry.spellings, row))
        if not proposal.landmarks:
            images = [round(entry.weight) for entry in proposal.types]
            leaves, rows = tuple(entry.text for entry in proposal.types), list(range(len(things)))
        else:
            images = [landmark.n_images for landmark in proposal.landmarks]
            leaves = tuple(landmark.name for landmark in proposal.landmarks)
            rows = [
                add("landmark", landmark.name, float(landmark.n_images), landmark.confidence)
                if landmark.type is None
                else row_of[landmark.type]
                for landmark in proposal.landmarks
            ]
        return cls(proposal, tuple(things), leaves, np.array(rows, np.int64), np.array(images, np.int64))

    @cached_property
    def ranked(self) -> list[ReviewItem]:
        """Things by weight times doubt, most first."""
        return sorted(self.things)

    @cached_property
    def row_of(self) -> dict[Slot, int]:
        """Row of each thing by level and key."""
        return {(thing.level, thing.key): thing.row for thing in self.things}

    @cached_property
    def leaf_of(self) -> dict[str, int]:
        """Row of each leaf by its key."""
        return {label_key(name): row for row, name in enumerate(self.leaves)}

    @cached_property
    def weights(self) -> npt.NDArray[np.float64]:
        """Weight per thing."""
        return np.array([thing.weight for thing in self.things], np.float64)

    @cached_property
    def _slots(self) -> list[Slot]:
        return [(thing.level, thing.key) for thing in self.things]

    def places(self, decisions: Iterable[Decision]) -> "ReviewState":
        """Where everything stands after some decisions."""
        work = resolve(self.proposal, decisions)
        ends = {key: work.final(key) for key in work.name_of}
        keys = tuple(dict.fromkeys(ends.values()))
        code = {key: i for i, key in enumerate(keys)}
        code_of = {key: code[end] for key, end in ends.items()}
        homes = (code_of[work.home_of[slot]] for slot in self._slots)
        of_thing = np.fromiter(homes, np.int64, len(self.things))
        of_leaf = of_thing[self.thing_of] if len(self.things) else np.zeros(0, np.int64)
        for level, key in work.decided:
            if level == "landmark":
                of_leaf[self.leaf_of[key]] = code_of[work.home_of[level, key]]
        names = tuple(work.name_of[key] for key in keys)
        kinds = tuple(work.kind_of[key] for key in keys)
        return ReviewState(self, work, names, kinds, of_thing, of_leaf)


@dataclass(frozen=True)
class ReviewState:
    """Where things and leaves stand; categories go by their place in `names`.

    Attributes:
        layout: the things and leaves.
        work: the resolution behind it.
        names: per category.
        kinds: per category.
        of_thing: category per thing.
        of_leaf: category per leaf.
    """

    layout: Layout
    work: Resolution
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    of_thing: IntArray
    of_leaf: IntArray

    @cached_property
    def code_of(self) -> dict[str, int]:
        """Category by the key of its name."""
        return {label_key(name): code for code, name in enumerate(self.names)}

    @cached_property
    def n_leaves(self) -> IntArray:
        """Leaves per category."""
        return np.bincount(self.of_leaf, minlength=len(self.names))

    @cached_property
    def n_images(self) -> IntArray:
        """Images per category."""
        sums = np.bincount(self.of_leaf, self.layout.images, minlength=len(self.names))
        return sums.astype(np.int64)

    def things_in(self, category: int) -> IntArray:
        """Rows of the things in a category."""
        return np.flatnonzero(self.of_thing == category)

    def strays_in(self, category: int) -> IntArray:
        """Leaves in a category that their type is not in: a person put them there."""
        away = self.of_thing[self.layout.thing_of] != self.of_leaf
        return np.flatnonzero((self.of_leaf == category) & away)
