"""What a decision would change, before it is saved: images and labels, category by category."""

from dataclasses import dataclass

import numpy as np

from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.resolution import Outcome
from cairnhub.hierarchies.review.state import ReviewState

_N_EXAMPLES = 5


@dataclass(frozen=True)
class Holding:
    """What a category holds: its kind, landmarks (or types) and images."""

    kind: str
    n_leaves: int
    n_images: int


@dataclass(frozen=True)
class CategoryChange:
    """A category before and after; None where it is not in the tree."""

    name: str
    before: Holding | None
    after: Holding | None


@dataclass(frozen=True)
class LevelChange:
    """How many landmarks and images get another label on a level."""

    level: str
    n_leaves: int
    n_images: int


@dataclass(frozen=True)
class Effect:
    """What a decision would do.

    Attributes:
        levels: `category` and `kind`.
        categories: those that change, largest first.
        examples: some of the landmarks that get another label.
        refused: why it cannot be saved; empty if it can.
        stale: earlier decisions that would no longer match.
    """

    levels: tuple[LevelChange, ...]
    categories: tuple[CategoryChange, ...]
    examples: tuple[str, ...]
    refused: str
    stale: tuple[Decision, ...]


def effect_of(decision: Decision, before: ReviewState, after: ReviewState) -> Effect:
    """Compare where items stand without and with a decision."""
    levels, moved = [], np.zeros(len(before.of_leaf), dtype=bool)
    for level, old, new in (
        ("category", before.names, after.names),
        ("kind", before.kinds, after.kinds),
    ):
        number = {name: i for i, name in enumerate(dict.fromkeys((*old, *new)))}
        was = np.array([number[name] for name in old], np.int64)[before.of_leaf]
        now = np.array([number[name] for name in new], np.int64)[after.of_leaf]
        changed = was != now
        moved |= changed
        n_images = int(before.layout.images[changed].sum())
        levels.append(LevelChange(level, int(changed.sum()), n_images))
    examples = tuple(before.layout.leaves[leaf] for leaf in np.flatnonzero(moved)[:_N_EXAMPLES])
    return Effect(
        tuple(levels),
        _category_changes(before, after),
        examples,
        refusal(decision, before, after),
        tuple(outcome.decision for outcome in _new(before, after, "stale") if outcome.decision != decision),
    )


def refusal(decision: Decision, before: ReviewState, after: ReviewState) -> str:
    """Why a decision must not be written: it fits nothing, or makes decisions conflict."""
    for outcome in after.resolution.outcomes["stale"]:
        if outcome.decision.id == decision.id:
            return outcome.why
    clashes = _new(before, after, "conflicting")
    if not clashes:
        return ""
    others = [other.decision for other in clashes if other.decision.id != decision.id]
    beside = [f"{other.author or 'somebody'}: {other.to_line()}" for other in others]
    return "\n".join([clashes[0].why, *beside, *(["take that back first"] if beside else [])])


def _new(before: ReviewState, after: ReviewState, how: str) -> list[Outcome]:
    """Decisions that end so only after."""
    known = {outcome.decision.id for outcome in before.resolution.outcomes[how]}
    return [outcome for outcome in after.resolution.outcomes[how] if outcome.decision.id not in known]


def _category_changes(before: ReviewState, after: ReviewState) -> tuple[CategoryChange, ...]:
    old, new = holdings(before), holdings(after)
    changes = [
        CategoryChange(name, old.get(name), new.get(name))
        for name in old | new
        if old.get(name) != new.get(name)
    ]
    size = {name: max(held[name].n_images for held in (old, new) if name in held) for name in old | new}
    return tuple(sorted(changes, key=lambda change: (-size[change.name], change.name)))


def holdings(state: ReviewState) -> dict[str, Holding]:
    """Every category that holds a landmark."""
    counts = zip(state.names, state.kinds, state.n_leaves.tolist(), state.n_images.tolist(), strict=True)
    return {name: Holding(kind, leaves, images) for name, kind, leaves, images in counts if leaves}
