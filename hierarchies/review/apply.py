"""Decisions onto a proposal: pure, whatever their order, with an account of each.

A decision is *applied*, or *no-op* (nothing was left to change), *stale* (what it names is no longer there)
or *conflicting* (another one says otherwise about the same item; neither is applied). What nobody decided
and the machine doubts is *pending*.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from cairnhub.core.errors import BadInput
from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, TreeProposal
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.outcomes import Outcome
from cairnhub.hierarchies.review.resolution import Resolution, Slot
from cairnhub.hierarchies.review.resolve import resolve

PENDING_BELOW = 0.8  # confidence below which an undecided item waits for a person


@dataclass(frozen=True)
class PendingItem:
    """Something that the machine doubts and nobody decided."""

    level: str
    label: str
    group: str
    confidence: float
    weight: float


@dataclass(frozen=True)
class DecisionReport:
    """What became of each decision, and what waits.

    Attributes:
        origins: per level and group, what no rename changes: its name in the proposal, or the key of a new one.
    """

    applied: tuple[Outcome, ...]
    no_op: tuple[Outcome, ...]
    stale: tuple[Outcome, ...]
    conflicting: tuple[Outcome, ...]
    pending: tuple[PendingItem, ...]
    origins: Mapping[str, Mapping[str, str]]

    def counts(self) -> dict[str, int]:
        """How many of each, for a table or a metrics file."""
        return {
            name: len(getattr(self, name)) for name in ("applied", "no_op", "stale", "conflicting", "pending")
        }

    def check(self) -> None:
        """Raise `CairnError` if decisions conflict, naming them."""
        if self.conflicting:
            lines = [f"  {o.decision.id} {o.decision.to_line()}: {o.why}" for o in self.conflicting]
            raise BadInput("decisions conflict; undo all but one of each:\n" + "\n".join(lines))


def apply_decisions(
    proposal: TreeProposal, decisions: Iterable[Decision]
) -> tuple[LabelTree, DecisionReport]:
    """Apply decisions to a proposal.

    Args:
        proposal: what the machine proposes.
        decisions: in any order; equal ones count once.

    Returns:
        The tree, with the levels of the proposal and of the decisions, and the report. Call `report.check()` where
        conflicts must stop the work.
    """
    resolution = resolve(proposal, decisions)
    ordered = {
        how: tuple(sorted(outcomes, key=lambda outcome: (outcome.decision.date, outcome.decision.id)))
        for how, outcomes in resolution.outcomes.items()
    }
    report = DecisionReport(pending=_pending(resolution), origins=resolution.origins(), **ordered)
    return _tree(resolution), report


def _tree(resolution: Resolution) -> LabelTree:
    """The tree of all labels, with what is known of each."""
    proposal, levels = resolution.proposal, resolution.levels
    chain_of: dict[str, tuple[str, ...]] = {}
    rows: list[tuple[str, ...]] = []
    info: dict[Node, NodeInfo] = {}

    def add(label: str, slot: Slot, confidence: float, source: str, n_images: int | None) -> None:
        home = resolution.final(levels[1], resolution.place_of[slot])
        if home not in chain_of:
            chain_of[home] = _chain(resolution, home)
        rows.append((label, *chain_of[home]))
        decided = slot in resolution.decided
        confidence = resolution.confidence(slot, confidence)
        source = "decisions" if slot in resolution.followed else source
        status = "reviewed" if decided else "pending" if confidence < PENDING_BELOW else "proposed"
        info[Node(levels[0], label)] = NodeInfo(
            n_images, 1.0 if decided else confidence, "human" if decided else source, status
        )

    for entry in proposal.labels:
        slot = resolution.slot_of(entry)
        add(entry.label, slot, entry.confidence, entry.source, entry.n_images)
    if not proposal.labels:
        for type_ in proposal.types:
            add(type_.text, (TYPE, label_key(type_.text)), type_.confidence, type_.source, None)
    tree = LabelTree.from_table(pd.DataFrame(rows, columns=list(levels)), levels).with_info(info)
    origins = resolution.origins()
    present = {level: set(tree.at_level(level)) for level in levels[1:]}
    return tree.in_order({level: [n for n in origins[level] if n in present[level]] for level in levels[1:]})


def _chain(resolution: Resolution, home: str) -> tuple[str, ...]:
    """Names of a group on the first level and of those above it."""
    names, key = [], home
    for level in resolution.levels[1:]:
        names.append(resolution.name_of[level, key])
        if level != resolution.levels[-1]:
            key = resolution.final(resolution.above(level), resolution.place_of[level, key])
    return tuple(names)


def _pending(resolution: Resolution) -> tuple[PendingItem, ...]:
    """Undecided items below `PENDING_BELOW`, and those that a person is unsure of, most weight in doubt first."""
    pending: list[PendingItem] = []
    finest = resolution.levels[0]
    items: list[tuple[str, str, float, float, Slot]] = [
        (TYPE, entry.text, entry.confidence, entry.weight, (TYPE, label_key(entry.text)))
        for entry in resolution.proposal.types
    ]
    items += [
        (finest, entry.label, entry.confidence, float(entry.n_images), resolution.slot_of(entry))
        for entry in resolution.proposal.labels
        if entry.type is None or (finest, label_key(entry.label)) in resolution.unsure
    ]
    for level, label, confidence, weight, placed_by in items:
        slot = (level, label_key(label))
        confidence = resolution.confidence(slot, confidence)
        waits = confidence < PENDING_BELOW or slot in resolution.unsure
        if slot not in resolution.decided and waits:
            pending.append(PendingItem(level, label, resolution.group_of(placed_by), confidence, weight))
    return tuple(sorted(pending, key=lambda p: (-p.weight * (1 - p.confidence), p.level, p.label)))
