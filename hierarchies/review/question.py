"""What is asked about a label, a type or a group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cairnhub.core.errors import NotFound
from cairnhub.core.text import label_key, quoted
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, LabelEntry, TypeEntry
from cairnhub.hierarchies.review.decisions import seen_fingerprint
from cairnhub.hierarchies.review.pages import members_of, parent_confidences, weights
from cairnhub.hierarchies.review.state import ReviewState

_N_EXAMPLES = 5
_N_NEIGHBOURS = 3
_FEW = 9  # groups above that are all suggested, one per key


@dataclass(frozen=True)
class Question:
    """One thing to decide: does this label, type or group rightly stand in this group of the level above?

    Attributes:
        level: where it stands, or `type`.
        label: the label, type or group.
        group: the group in which it stands now.
        suggestions: other groups to put it into, likeliest first.
        confidence: 0..1 that it stands rightly.
        why: what decided.
        neighbours: similar types or labels.
        examples: labels of the type or group.
        weight: images (or labels) that hang on it.
        seen: fingerprint of what this question shows.
        members: what is asked about as members of a group, the surest first: labels that likeness placed there and
            nobody decided, or groups.
        disputes: what speaks against the group, by label, where words and photographs disagree.
    """

    level: str
    label: str
    group: str
    suggestions: tuple[str, ...]
    confidence: float
    why: str
    neighbours: tuple[str, ...]
    examples: tuple[str, ...]
    weight: float
    seen: str
    members: tuple[str, ...] = ()
    disputes: Mapping[str, str] = field(default_factory=dict)


def ask(state: ReviewState, level: str, label: str) -> Question:
    """The question about a label, a type or a group below the coarsest level, decided already or not.

    Raises:
        NotFound: there is none of that name.
    """
    key, proposal = label_key(label), state.layout.proposal
    if level in state.levels[1:]:
        groups = state.groups_of(level)
        if key in groups.code_of:
            return _of_group(state, level, groups.code_of[key])
    elif (level, key) in state.layout.row_of and level == TYPE and proposal.types:
        return _of_type(state, proposal.types[state.layout.row_of[TYPE, key]])
    elif level == state.levels[0] and key in proposal.row_of_label:
        return _of_label(state, proposal.labels[state.layout.label_of[key]])
    raise NotFound(f"there is no {level} {quoted([label])} (any more)")


def _of_type(state: ReviewState, entry: TypeEntry) -> Question:
    group = state.resolution.group_of((TYPE, label_key(entry.text)))
    near = [state.resolution.group_of((TYPE, label_key(text))) for text in entry.neighbours]
    labels = labels_of(state, TYPE, entry.text)[:_N_EXAMPLES] if state.layout.proposal.labels else []
    return Question(
        level=TYPE,
        label=entry.text,
        group=group,
        suggestions=_others(group, [entry.second, *near]),
        confidence=entry.confidence,
        why=entry.why,
        neighbours=entry.neighbours,
        examples=tuple(state.layout.labels[label] for label in labels),
        weight=entry.weight,
        seen=seen_fingerprint(entry.text, group, *entry.neighbours),
        disputes={entry.text: said} if (said := _dispute_of(state, TYPE, entry.text)) else {},
    )


def _of_label(state: ReviewState, entry: LabelEntry) -> Question:
    """About a label; one with a type is asked about only on demand."""
    first, finest = state.groups[0], state.levels[0]
    group = first.names[state.of_label[state.layout.label_of[label_key(entry.label)]]]
    of_type = ask(state, TYPE, entry.type) if entry.type is not None else None
    if of_type:
        near = [of_type.group, *of_type.suggestions]
    else:
        near = [entry.second, *(state.resolution.group_of((finest, label_key(n))) for n in entry.neighbours)]
    shown = entry.neighbours[:_N_NEIGHBOURS]
    slot = finest, label_key(entry.label)
    told = str(state.resolution.trust.get(slot, ""))
    if slot in state.resolution.followed:
        told = ", ".join(filter(None, ("decisions about its like", told)))
    return Question(
        level=finest,
        label=entry.label,
        group=group,
        suggestions=_others(group, near),
        confidence=state.resolution.confidence(slot, entry.confidence),
        why=f"its type, {of_type.label}" if of_type else told or entry.why or "its name",
        disputes={entry.label: entry.dispute} if entry.dispute else {},
        neighbours=shown,
        examples=(),
        weight=float(entry.n_images),
        seen=seen_fingerprint(entry.label, group, *shown),
    )


def _of_group(state: ReviewState, level: str, code: int) -> Question:
    """Whether a group has the right parent; on the coarsest level there is nothing to ask."""
    name, members = state.groups_of(level).names[code], members_of(state, level, code)
    above = state.resolution.above(level) if level != state.levels[-1] else ""
    parent = state.path(level, code)[0] if above else ""
    others = sorted(state.groups_of(above).names) if above else []
    return Question(
        level=level,
        label=name,
        group=parent,
        suggestions=_others(parent, others) if len(others) <= _FEW else (),
        confidence=float(parent_confidences(state, level)[code]),
        why="its members",
        neighbours=(),
        examples=state.children(level, code)[:_N_EXAMPLES],
        weight=float(np.nan_to_num(weights(state, level)[code])),
        seen=seen_fingerprint(name, parent, *members),
        members=members,
        disputes=_disputes_of(state, members) if level == state.levels[1] else {},
    )


def _disputes_of(state: ReviewState, labels: Sequence[str]) -> dict[str, str]:
    found = ((label, _dispute_of(state, state.levels[0], label)) for label in labels)
    return {label: said for label, said in found if said}


def _dispute_of(state: ReviewState, level: str, label: str) -> str:
    return state.layout.disputed.get(state.layout.row_of[level, label_key(label)], "")


def labels_of(state: ReviewState, level: str, label: str) -> list[int]:
    """Rows of the labels of a type, wherever they stand, of a group, or the one label itself; in the tree's order."""
    key, layout = label_key(label), state.layout
    if level in state.levels[1:]:
        code = state.groups_of(level).code_of[key]
        return np.flatnonzero(state.of_label_by_level[level] == code).tolist()
    if (level, key) in layout.row_of and level == TYPE and layout.proposal.types:
        return np.flatnonzero(layout.item_of == layout.row_of[TYPE, key]).tolist()
    return [layout.label_of[key]]


def _others(group: str, names: list[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(names) if name and name != group)
