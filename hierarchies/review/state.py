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
from cairnhub.hierarchies.review.decisions import Decision, Level
from cairnhub.hierarchies.review.resolution import Resolution, Slot, resolve


class ReviewItem(NamedTuple):
    """What can be asked about: a type or a landmark without a type, which have places of their own, or a category.

    Attributes:
        rank: minus weight times doubt: the least comes first.
        level: `type`, `landmark` or `category`.
        label: its text.
        key: normalised text.
        weight: images (or landmarks) that hang on it.
        confidence: of the machine, 0..1.
        row: its place in `Layout.items`; -1 for a category.
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
    """Items and leaves of a proposal, side by side.

    Attributes:
        proposal: what is laid out.
        items: types, then landmarks without a type, in the proposal's order.
        leaves: leaves of the tree: landmarks, or the types where there are none.
        item_of: per leaf, the row of the item whose place it takes.
        images: per leaf.
    """

    proposal: Proposal
    items: tuple[ReviewItem, ...]
    leaves: tuple[str, ...]
    item_of: IntArray
    images: IntArray

    @classmethod
    def of(cls, proposal: Proposal) -> "Layout":
        """Lay a proposal out; linear in its landmarks."""
        items: list[ReviewItem] = []

        def add(level: Level, label: str, weight: float, confidence: float) -> int:
            rank = -weight * (1 - confidence)
            items.append(ReviewItem(rank, level, label, label_key(label), weight, confidence, len(items)))
            return len(items) - 1

        row_of = {}
        for entry in proposal.types:
            row = add("type", entry.text, entry.weight, entry.confidence)
            row_of.update(dict.fromkeys(entry.spellings, row))
        if not proposal.landmarks:
            images = [round(entry.weight) for entry in proposal.types]
            leaves, rows = tuple(entry.text for entry in proposal.types), list(range(len(items)))
        else:
            images = [landmark.n_images for landmark in proposal.landmarks]
            leaves = tuple(landmark.name for landmark in proposal.landmarks)
            rows = [
                add("landmark", landmark.name, float(landmark.n_images), landmark.confidence)
                if landmark.type is None
                else row_of[landmark.type]
                for landmark in proposal.landmarks
            ]
        return cls(proposal, tuple(items), leaves, np.array(rows, np.int64), np.array(images, np.int64))

    @cached_property
    def ranked(self) -> list[ReviewItem]:
        """Items by weight times doubt, most first."""
        return sorted(self.items)

    @cached_property
    def row_of(self) -> dict[Slot, int]:
        """Row of each item by level and key."""
        return {(item.level, item.key): item.row for item in self.items}

    @cached_property
    def leaf_of(self) -> dict[str, int]:
        """Row of each leaf by its key."""
        return {label_key(name): row for row, name in enumerate(self.leaves)}

    @cached_property
    def weights(self) -> npt.NDArray[np.float64]:
        """Weight per item."""
        return np.array([item.weight for item in self.items], np.float64)

    @cached_property
    def _slots(self) -> list[Slot]:
        return [(item.level, item.key) for item in self.items]

    def state(self, decisions: Iterable[Decision]) -> "ReviewState":
        """Where everything stands after some decisions."""
        resolution = resolve(self.proposal, decisions)
        ends = {key: resolution.final(key) for key in resolution.name_of}
        keys = tuple(dict.fromkeys(ends.values()))
        code = {key: i for i, key in enumerate(keys)}
        code_of = {key: code[end] for key, end in ends.items()}
        homes = (code_of[resolution.home_of[slot]] for slot in self._slots)
        of_item = np.fromiter(homes, np.int64, len(self.items))
        of_leaf = of_item[self.item_of] if len(self.items) else np.zeros(0, np.int64)
        for level, key in resolution.decided:
            if level == "landmark":
                of_leaf[self.leaf_of[key]] = code_of[resolution.home_of[level, key]]
        names = tuple(resolution.name_of[key] for key in keys)
        kinds = tuple(resolution.kind_of[key] for key in keys)
        return ReviewState(self, resolution, names, kinds, of_item, of_leaf)


@dataclass(frozen=True)
class ReviewState:
    """Where items and leaves stand; categories go by their place in `names`.

    Attributes:
        layout: the items and leaves.
        resolution: the resolution behind it.
        names: per category.
        kinds: per category.
        of_item: category per item.
        of_leaf: category per leaf.
    """

    layout: Layout
    resolution: Resolution
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    of_item: IntArray
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

    def items_in(self, category: int) -> IntArray:
        """Rows of the items in a category."""
        return np.flatnonzero(self.of_item == category)

    def strays_in(self, category: int) -> IntArray:
        """Leaves in a category that their type is not in: a person put them there."""
        away = self.of_item[self.layout.item_of] != self.of_leaf
        return np.flatnonzero((self.of_leaf == category) & away)
