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
from cairnhub.hierarchies.proposal.proposal import Proposal
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.resolution import Outcome, Resolution, Slot, resolve

PENDING_BELOW = 0.8  # confidence below which an undecided item waits for a person


@dataclass(frozen=True)
class PendingItem:
    """Something that the machine doubts and nobody decided."""

    level: str
    label: str
    category: str
    confidence: float
    weight: float


@dataclass(frozen=True)
class DecisionReport:
    """What became of each decision, and what waits.

    Attributes:
        origins: per category, what no rename changes: its name in the proposal, or the key of one that a decision made.
    """

    applied: tuple[Outcome, ...]
    no_op: tuple[Outcome, ...]
    stale: tuple[Outcome, ...]
    conflicting: tuple[Outcome, ...]
    pending: tuple[PendingItem, ...]
    origins: Mapping[str, str]

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


def apply_decisions(proposal: Proposal, decisions: Iterable[Decision]) -> tuple[LabelTree, DecisionReport]:
    """Apply decisions to a proposal.

    Args:
        proposal: what the machine proposes.
        decisions: in any order; equal ones count once.

    Returns:
        The tree, with levels `landmark`, `category`, `kind` (`type`, `category`, `kind` for a proposal
        without landmarks), and the report. Call `report.check()` where conflicts must stop the work.
    """
    resolution = resolve(proposal, decisions)
    ordered = {
        how: tuple(sorted(outcomes, key=lambda outcome: (outcome.decision.date, outcome.decision.id)))
        for how, outcomes in resolution.outcomes.items()
    }
    report = DecisionReport(pending=_pending(resolution), origins=resolution.categories(), **ordered)
    return _tree(resolution), report


def _tree(resolution: Resolution) -> LabelTree:
    """The tree of all leaves, with what is known of each."""
    proposal, rows = resolution.proposal, []
    info: dict[Node, NodeInfo] = {}
    leaf_level = "landmark" if proposal.landmarks else "type"

    def add(leaf: str, slot: Slot, confidence: float, source: str, n_images: int | None) -> None:
        category = resolution.final(resolution.home_of[slot])
        rows.append((leaf, resolution.name_of[category], resolution.kind_of[category]))
        decided = slot in resolution.decided
        status = "reviewed" if decided else "pending" if confidence < PENDING_BELOW else "proposed"
        info[Node(leaf_level, leaf)] = NodeInfo(
            n_images, 1.0 if decided else confidence, "human" if decided else source, status
        )

    for landmark in proposal.landmarks:
        landmark_slot = ("landmark", label_key(landmark.name))
        slot = (
            landmark_slot
            if landmark_slot in resolution.home_of or landmark.type is None
            else ("type", label_key(landmark.type))
        )
        add(landmark.name, slot, landmark.confidence, landmark.source, landmark.n_images)
    if not proposal.landmarks:
        for entry in proposal.types:
            add(entry.text, ("type", label_key(entry.text)), entry.confidence, entry.source, None)
    levels = (leaf_level, "category", "kind")
    tree = LabelTree.from_table(pd.DataFrame(rows, columns=list(levels)), levels).with_info(info)
    present = set(tree.at_level("category"))
    return tree.in_order({"category": [name for name in resolution.categories() if name in present]})


def _pending(resolution: Resolution) -> tuple[PendingItem, ...]:
    """Undecided items below `PENDING_BELOW`, most weight in doubt first."""
    pending: list[PendingItem] = []
    items: list[tuple[str, str, float, float]] = [
        ("type", entry.text, entry.confidence, entry.weight) for entry in resolution.proposal.types
    ]
    items += [
        ("landmark", entry.name, entry.confidence, float(entry.n_images))
        for entry in resolution.proposal.landmarks
        if entry.type is None
    ]
    for level, label, confidence, weight in items:
        slot = (level, label_key(label))
        if slot not in resolution.decided and confidence < PENDING_BELOW:
            category = resolution.category_of(slot)
            pending.append(PendingItem(level, label, category, confidence, weight))
    return tuple(sorted(pending, key=lambda p: (-p.weight * (1 - p.confidence), p.level, p.label)))
