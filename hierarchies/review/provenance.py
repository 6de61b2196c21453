"""Which places of the reviewed tree each decision shaped."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, TreeProposal
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.resolution import Resolution, Slot
from cairnhub.hierarchies.review.resolve import resolve
from cairnhub.hierarchies.review.touches import TouchedNodes


def trace(proposal: TreeProposal, decisions: Iterable[Decision], tree: LabelTree) -> tuple[TouchedNodes, ...]:
    """Decisions that hold, by date, with what they touched.

    A decision on a type touches its labels and the group they stand in; one that is stale, conflicting or taken back
    touches nothing and is left out.

    Args:
        proposal: what was decided on.
        decisions: as for `apply_decisions`.
        tree: what `apply_decisions` made of them.
    """
    resolution = resolve(proposal, decisions)
    labels = _labels(resolution)
    standing = [
        outcome.decision
        for outcome in (*resolution.outcomes["applied"], *resolution.outcomes["no_op"])
        if outcome.decision.act != "undo"
    ]
    touches = []
    for decision in sorted(standing, key=lambda d: (d.date, d.id)):
        nodes = dict.fromkeys(node for node in _about(resolution, decision, labels) if tree.has(node))
        touches.append(TouchedNodes(decision, tuple(nodes)))
    return tuple(touches)


def _labels(resolution: Resolution) -> dict[Slot, list[Node]]:
    """The labels that stand where they stand because of an item: a label itself, or its type."""
    finest = resolution.levels[0]
    if not resolution.proposal.labels:
        return {(TYPE, label_key(e.text)): [Node(finest, e.text)] for e in resolution.proposal.types}
    labels: dict[Slot, list[Node]] = {}
    for entry in resolution.proposal.labels:
        labels.setdefault(resolution.slot_of(entry), []).append(Node(finest, entry.label))
    return labels


def _about(
    resolution: Resolution, decision: Decision, labels: Mapping[Slot, Sequence[Node]]
) -> Iterator[Node]:
    """The labels and groups that a decision is about, and where they stand."""
    levels: tuple[str, ...] = (decision.level,)
    things = decision.things
    if decision.act in ("rename", "merge", "split"):
        slot = resolution.slot(decision.level, decision.label)
        yield Node(decision.level, resolution.name_of[slot])
        levels, things = resolution.below(decision.level), decision.members
    for slot in (resolution.slot(level, thing) for thing in things if thing for level in levels):
        if slot in resolution.name_of:
            yield Node(slot[0], resolution.name_of[slot])
        yield from labels.get(slot, ())
        if slot in resolution.place_of:
            yield Node(resolution.above(slot[0]), resolution.group_of(slot))
