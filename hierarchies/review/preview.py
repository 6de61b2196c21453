"""What an act would change, before it is saved: images and labels, group by group."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.outcomes import How, Outcome
from cairnhub.hierarchies.review.sentences import told
from cairnhub.hierarchies.review.state import ReviewState

_N_EXAMPLES = 5


@dataclass(frozen=True)
class Holding:
    """What a group holds, and the groups above it, nearest first."""

    path: tuple[str, ...]
    n_labels: int
    n_images: int


@dataclass(frozen=True)
class GroupChange:
    """A group of the first level before and after; None where it is not in the tree."""

    name: str
    before: Holding | None
    after: Holding | None


@dataclass(frozen=True)
class LevelChange:
    """How many labels and images get another group on a level."""

    level: str
    n_labels: int
    n_images: int


@dataclass(frozen=True)
class Effect:
    """What an act would do.

    Attributes:
        levels: those of groups, fine to coarse, as they are after.
        groups: of the first level, those that change, largest first.
        examples: some of the labels that get another group.
        refused: why it cannot be saved; empty if it can.
        stale: earlier decisions that would no longer match.
    """

    levels: tuple[LevelChange, ...]
    groups: tuple[GroupChange, ...]
    examples: tuple[str, ...]
    refused: str
    stale: tuple[Decision, ...]


def effect_of(decisions: Sequence[Decision], before: ReviewState, after: ReviewState) -> Effect:
    """Compare where labels stand without and with what an act decides."""
    levels, moved = [], np.zeros(len(before.of_label), dtype=bool)
    for new in after.groups:
        if new.level in before.levels:
            old = before.groups_of(new.level)
            number = {name: i for i, name in enumerate(dict.fromkeys((*old.names, *new.names)))}
            was = np.array([number[name] for name in old.names], np.int64)[
                before.of_label_by_level[new.level]
            ]
            now = np.array([number[name] for name in new.names], np.int64)[after.of_label_by_level[new.level]]
            changed = was != now
        else:
            changed = np.ones(len(moved), dtype=bool)
        moved |= changed
        n_images = int(before.layout.images[changed].sum())
        levels.append(LevelChange(new.level, int(changed.sum()), n_images))
    examples = tuple(before.layout.labels[label] for label in np.flatnonzero(moved)[:_N_EXAMPLES])
    return Effect(
        tuple(levels),
        _group_changes(before, after),
        examples,
        next(filter(None, (refusal(decision, before, after) for decision in decisions)), ""),
        tuple(o.decision for o in _new(before, after, "stale") if o.decision not in decisions),
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
    beside = [told(other) for other in others]
    return "\n".join([clashes[0].why, *beside, *(["take that back first: H lists it"] if beside else [])])


def _new(before: ReviewState, after: ReviewState, how: How) -> list[Outcome]:
    """Decisions that end so only after."""
    known = {outcome.decision.id for outcome in before.resolution.outcomes[how]}
    return [outcome for outcome in after.resolution.outcomes[how] if outcome.decision.id not in known]


def _group_changes(before: ReviewState, after: ReviewState) -> tuple[GroupChange, ...]:
    old, new = holdings(before), holdings(after)
    changes = [
        GroupChange(name, old.get(name), new.get(name))
        for name in old | new
        if old.get(name) != new.get(name)
    ]
    size = {name: max(held[name].n_images for held in (old, new) if name in held) for name in old | new}
    return tuple(sorted(changes, key=lambda change: (-size[change.name], change.name)))


def holdings(state: ReviewState) -> dict[str, Holding]:
    """Every group of the first level that holds a label."""
    first = state.groups[0]
    counts = zip(
        first.names, state.n_labels(first.level).tolist(), state.n_images(first.level).tolist(), strict=True
    )
    return {
        name: Holding(state.path(first.level, code), labels, images)
        for code, (name, labels, images) in enumerate(counts)
        if labels
    }
