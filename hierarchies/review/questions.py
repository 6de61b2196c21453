"""What is asked about a label, a type or a group, and what an answer settles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cairnhub.core.errors import NotFound
from cairnhub.core.text import label_key, quoted
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, LabelEntry, TypeEntry
from cairnhub.hierarchies.review.decisions import Decision, seen_fingerprint
from cairnhub.hierarchies.review.state import ReviewState

_N_EXAMPLES = 5
_N_NEIGHBOURS = 3
_FEW = 9  # groups above that are all suggested, one per key
_SURE = 0.95  # of the parent of a group that a person made


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
        members: labels of a group that likeness placed there and nobody decided, the surest first.
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


def settles(state: ReviewState, decision: Decision) -> list[tuple[str, str]]:
    """Things, by level and label, that need not be asked about after a decision."""
    if decision.act == "split" and decision.level in state.levels[1:]:
        return [
            (below, member) for below in state.resolution.below(decision.level) for member in decision.members
        ]
    if decision.act in ("accept", "move", "assign"):
        return [(decision.level, thing) for thing in decision.things]
    return []


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
    name, members = state.groups_of(level).names[code], _undecided_members(state, level, code)
    above = state.resolution.above(level) if level != state.levels[-1] else ""
    parent = state.path(level, code)[0] if above else ""
    others = sorted(state.groups_of(above).names) if above else []
    return Question(
        level=level,
        label=name,
        group=parent,
        suggestions=_others(parent, others) if len(others) <= _FEW else (),
        confidence=parent_confidences(state, level)[code],
        why="its members",
        neighbours=(),
        examples=state.children(level, code)[:_N_EXAMPLES],
        weight=weights_of(state, level)[code] or 0.0,
        seen=seen_fingerprint(name, parent, *members),
        members=members,
        disputes=_disputes_of(state, members),
    )


def _undecided_members(state: ReviewState, level: str, code: int) -> tuple[str, ...]:
    if level != state.levels[1]:
        return ()
    resolution, rows = state.resolution, state.items_in(code)
    items = [state.layout.items[row] for row in rows[state.layout.in_pages[rows]].tolist()]
    left = [item for item in items if (item.level, item.key) not in resolution.decided]
    left.sort(key=lambda i: (-resolution.confidence((i.level, i.key), i.confidence), -i.weight, i.label))
    return tuple(item.label for item in left)


def _disputes_of(state: ReviewState, members: Sequence[str]) -> dict[str, str]:
    found = ((label, _dispute_of(state, state.levels[0], label)) for label in members)
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


def parent_confidences(state: ReviewState, level: str) -> list[float]:
    """How sure the machine is of the parent of each group of a level; of those that people made it is."""
    proposed = {label_key(group.name): group.confidence for group in state.layout.proposal.of_level(level)}
    return [proposed.get(label_key(name), _SURE) for name in state.groups_of(level).names]


def weights_of(state: ReviewState, level: str) -> list[float | None]:
    """Weight of the items in each group of a level; None where there are none."""
    places = state.of_item
    for groups in state.groups[: state.levels.index(level) - 1]:
        places = groups.parents[places]
    n_groups = len(state.groups_of(level).names)
    n_items = np.bincount(places, minlength=n_groups).tolist()
    sums = np.bincount(places, state.layout.weights, minlength=n_groups).tolist()
    return [total if n else None for total, n in zip(sums, n_items, strict=True)]


def _others(group: str, names: list[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(names) if name and name != group)
