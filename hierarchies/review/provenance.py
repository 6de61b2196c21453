"""Which places of the reviewed tree each decision shaped."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.proposal import Proposal
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.resolution import Resolution, Slot, resolve
from cairnhub.hierarchies.review.touches import TouchedNodes


def trace(proposal: Proposal, decisions: Iterable[Decision], tree: LabelTree) -> tuple[TouchedNodes, ...]:
    """Decisions that hold, by date, with what they touched.

    A decision on a type touches its landmarks and the category they stand in; one that is stale, conflicting
    or taken back touches nothing and is left out.

    Args:
        proposal: what was decided on.
        decisions: as for `apply_decisions`.
        tree: what `apply_decisions` made of them.
    """
    resolution = resolve(proposal, decisions)
    leaves = _leaves(resolution)
    standing = [
        outcome.decision
        for outcome in (*resolution.outcomes["applied"], *resolution.outcomes["no_op"])
        if outcome.decision.act != "undo"
    ]
    touches = []
    for decision in sorted(standing, key=lambda d: (d.date, d.id)):
        nodes = dict.fromkeys(node for node in _about(resolution, decision, leaves) if tree.has(node))
        touches.append(TouchedNodes(decision, tuple(nodes)))
    return tuple(touches)


def _leaves(resolution: Resolution) -> dict[Slot, list[Node]]:
    """The leaves that stand where they stand because of an item: a landmark itself, or its type."""
    if not resolution.proposal.landmarks:
        return {("type", label_key(e.text)): [Node("type", e.text)] for e in resolution.proposal.types}
    leaves: dict[Slot, list[Node]] = {}
    for landmark in resolution.proposal.landmarks:
        slot = ("landmark", label_key(landmark.name))
        if slot not in resolution.home_of and landmark.type is not None:
            slot = ("type", label_key(landmark.type))
        leaves.setdefault(slot, []).append(Node("landmark", landmark.name))
    return leaves


def _about(
    resolution: Resolution, decision: Decision, leaves: Mapping[Slot, Sequence[Node]]
) -> Iterator[Node]:
    slots: list[Slot] = [("type", label_key(member)) for member in decision.members]
    if decision.level == "category":
        key = label_key(decision.label)
        category = resolution.final(key if key in resolution.name_of else f"\0{key}")
        yield Node("category", resolution.name_of[category])
        if decision.act in ("accept", "move"):
            yield Node("kind", resolution.kind_of[category])
    else:
        slots.append((decision.level, label_key(decision.label)))
    for slot in slots:
        yield from leaves.get(slot, ())
        if slot in resolution.home_of:
            yield Node("category", resolution.category_of(slot))
