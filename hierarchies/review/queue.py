"""What to look at first: items ranked by how many images hang on them and how much the machine doubts."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cairnhub.core.errors import NotFound
from cairnhub.core.text import label_key, quoted
from cairnhub.hierarchies.proposal.kinds import HUMAN_MADE, NATURAL
from cairnhub.hierarchies.proposal.proposal import LandmarkEntry, Proposal, TypeEntry
from cairnhub.hierarchies.review.decisions import Decision, Level, seen_fingerprint
from cairnhub.hierarchies.review.state import Layout, ReviewItem, ReviewState

_N_EXAMPLES = 5
_SURE = 0.95  # of the kind of a category that a person named


@dataclass(frozen=True)
class Question:
    """One item to decide: is this label rightly in this category (or this category in this kind)?

    Attributes:
        level: `type`, `landmark` or `category`.
        label: the type, landmark or category.
        category: where it stands now: a category, or for a category its kind.
        suggestions: other places to put it, likeliest first.
        confidence: 0..1 that it stands rightly.
        why: what decided.
        neighbours: similar types.
        examples: landmarks of the type or category.
        weight: images (or landmarks) that hang on it.
        seen: fingerprint of what this question shows.
    """

    level: Level
    label: str
    category: str
    suggestions: tuple[str, ...]
    confidence: float
    why: str
    neighbours: tuple[str, ...]
    examples: tuple[str, ...]
    weight: float
    seen: str


def queue(proposal: Proposal, decisions: Iterable[Decision]) -> list[Question]:
    """Undecided types, landmarks without a type and categories' kinds, most weight in doubt first.

    Args:
        proposal: what the machine proposes.
        decisions: made so far; what they settle is not asked again.
    """
    state = Layout.of(proposal).state(decisions)
    return [ask(state, item.level, item.label) for item in waiting(state)]


def waiting(state: ReviewState) -> list[ReviewItem]:
    """Undecided items and categories in the order to ask about them."""
    settled = {
        (level, label_key(label))
        for decision in state.resolution.standing
        for level, label in settles(decision)
    }
    undecided = [item for item in state.layout.ranked if (item.level, item.key) not in settled]
    sure = {label_key(entry.name): entry.confidence for entry in state.layout.proposal.categories}
    for name, weight in zip(state.names, _weights(state), strict=True):
        key = label_key(name)
        if weight is not None and ("category", key) not in settled:
            confidence = sure.get(key, _SURE)
            undecided.append(
                ReviewItem(-weight * (1 - confidence), "category", name, key, weight, confidence, -1)
            )
    return sorted(undecided)


def ask(state: ReviewState, level: str, label: str) -> Question:
    """The question about a type, a landmark or a category, decided already or not.

    Raises:
        CairnError: there is none of that name.
    """
    key, proposal = label_key(label), state.layout.proposal
    if level == "category" and key in state.code_of:
        return _of_category(state, state.code_of[key])
    if level == "type" and ("type", key) in state.layout.row_of:
        return _of_type(state, proposal.types[state.layout.row_of["type", key]])
    if level == "landmark" and proposal.landmarks and key in state.layout.leaf_of:
        return _of_landmark(state, proposal.landmarks[state.layout.leaf_of[key]])
    raise NotFound(f"there is no {level} {quoted([label])} (any more)")


def settles(decision: Decision) -> list[tuple[str, str]]:
    """Items, by level and label, that need not be asked about after a decision."""
    if decision.act == "split":
        return [("type", member) for member in decision.members]
    return [] if decision.act in ("rename", "merge") else [(decision.level, decision.label)]


def _of_type(state: ReviewState, entry: TypeEntry) -> Question:
    category = state.resolution.category_of(("type", label_key(entry.text)))
    near = [state.resolution.category_of(("type", label_key(text))) for text in entry.neighbours]
    leaves = landmarks_of(state, "type", entry.text)[:_N_EXAMPLES] if state.layout.proposal.landmarks else []
    return Question(
        level="type",
        label=entry.text,
        category=category,
        suggestions=_others(category, [entry.second, *near]),
        confidence=entry.confidence,
        why=entry.why,
        neighbours=entry.neighbours,
        examples=tuple(state.layout.leaves[leaf] for leaf in leaves),
        weight=entry.weight,
        seen=seen_fingerprint(entry.text, category, *entry.neighbours),
    )


def _of_landmark(state: ReviewState, entry: LandmarkEntry) -> Question:
    """About a landmark; one with a type is asked about only on demand."""
    category = state.names[state.of_leaf[state.layout.leaf_of[label_key(entry.name)]]]
    of_type = ask(state, "type", entry.type) if entry.type is not None else None
    near = [of_type.category, *of_type.suggestions] if of_type else [entry.second]
    return Question(
        level="landmark",
        label=entry.name,
        category=category,
        suggestions=_others(category, near),
        confidence=entry.confidence,
        why=f"its type, {of_type.label}" if of_type else "its name",
        neighbours=(),
        examples=(),
        weight=float(entry.n_images),
        seen=seen_fingerprint(entry.name, category),
    )


def _of_category(state: ReviewState, code: int) -> Question:
    """Whether a category has the right kind."""
    name, kind = state.names[code], state.kinds[code]
    sure = {label_key(entry.name): entry.confidence for entry in state.layout.proposal.categories}
    members = state.items_in(code)[:_N_EXAMPLES]
    return Question(
        level="category",
        label=name,
        category=kind,
        suggestions=_others(kind, [NATURAL, HUMAN_MADE]),
        confidence=sure.get(label_key(name), _SURE),
        why="its members",
        neighbours=(),
        examples=tuple(state.layout.items[row].label for row in members),
        weight=_weights(state)[code] or 0.0,
        seen=seen_fingerprint(name, kind),
    )


def landmarks_of(state: ReviewState, level: str, label: str) -> list[int]:
    """Leaves of a type, wherever they stand, of a category, or the one landmark itself; in the tree's order."""
    key, layout = label_key(label), state.layout
    if level == "landmark":
        return [layout.leaf_of[key]]
    if level == "type":
        return np.flatnonzero(layout.item_of == layout.row_of["type", key]).tolist()
    return np.flatnonzero(state.of_leaf == state.code_of[key]).tolist()


def _weights(state: ReviewState) -> list[float | None]:
    """Weight of the items in each category; None where there are none."""
    n_items = np.bincount(state.of_item, minlength=len(state.names)).tolist()
    sums = np.bincount(state.of_item, state.layout.weights, minlength=len(state.names)).tolist()
    return [total if n else None for total, n in zip(sums, n_items, strict=True)]


def _others(category: str, names: list[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(names) if name and name != category)
