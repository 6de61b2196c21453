"""Decisions onto a proposal: pure, whatever their order, with an account of each.

A decision is *applied*, or *no-op* (nothing was left to change), *stale* (what it names is no longer there)
or *conflicting* (another one says otherwise about the same thing; neither is applied). What nobody decided
and the machine doubts is *pending*.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from cairnhub.core.errors import BadInput
from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.kinds import HUMAN_MADE, NATURAL
from cairnhub.hierarchies.proposal.proposal import Proposal
from cairnhub.hierarchies.review.decisions import Decision

PENDING_BELOW = 0.8  # confidence below which an undecided thing waits for a person
Slot = tuple[str, str]


@dataclass(frozen=True)
class Outcome:
    """A decision and why it ended as it did."""

    decision: Decision
    why: str = ""


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
    """What became of each decision, and what waits."""

    applied: tuple[Outcome, ...]
    no_op: tuple[Outcome, ...]
    stale: tuple[Outcome, ...]
    conflicting: tuple[Outcome, ...]
    pending: tuple[PendingItem, ...]

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


@dataclass
class Resolution:
    """Where each thing stands once decisions are applied; things and categories go by their keys.

    Attributes:
        proposal: what the decisions are about.
        name_of: display name per category.
        kind_of: kind per category.
        kinds: spelling of each kind that there is.
        home_of: category per thing, before renames and merges.
        goes_to: the category that a renamed or merged one became.
        decided: things that a person has placed.
        live: distinct decisions that no standing undo takes back.
        outcomes: decisions by how they ended.
    """

    proposal: Proposal
    name_of: dict[str, str]
    kind_of: dict[str, str]
    kinds: dict[str, str]
    home_of: dict[Slot, str]
    goes_to: dict[str, str] = field(default_factory=dict)
    decided: set[Slot] = field(default_factory=set)
    live: Sequence[Decision] = ()
    outcomes: dict[str, list[Outcome]] = field(
        default_factory=lambda: {name: [] for name in ("applied", "no_op", "stale", "conflicting")}
    )

    def note(self, how: str, decision: Decision, why: str = "") -> None:
        """Record how a decision ended."""
        self.outcomes[how].append(Outcome(decision, why))

    def category_of(self, slot: Slot) -> str:
        """Name of the category in which a (level, key) stands."""
        return self.name_of[self.final(self.home_of[slot])]

    def final(self, category: str) -> str:
        """Where a category ends up after renames and merges (which hold no cycle)."""
        while category in self.goes_to:
            category = self.goes_to[category]
        return category


def apply_decisions(proposal: Proposal, decisions: Iterable[Decision]) -> tuple[LabelTree, DecisionReport]:
    """Apply decisions to a proposal.

    Args:
        proposal: what the machine proposes.
        decisions: in any order; equal ones count once.

    Returns:
        The tree, with levels `landmark`, `category`, `kind` (`type`, `category`, `kind` for a proposal
        without landmarks), and the report. Call `report.check()` where conflicts must stop the work.
    """
    work = resolve(proposal, decisions)
    ordered = {
        how: tuple(sorted(found, key=lambda outcome: (outcome.decision.date, outcome.decision.id)))
        for how, found in work.outcomes.items()
    }
    return _tree(work), DecisionReport(pending=_pending(work), **ordered)


def resolve(proposal: Proposal, decisions: Iterable[Decision]) -> Resolution:
    """Settle where each thing stands, without building the tree: quick even for 200,000 landmarks."""
    work = _start(proposal)
    work.live = _live(work, decisions)
    live = _create_categories(work, work.live)
    _join_categories(work, [d for d in live if d.act in ("rename", "merge")])
    _place_things(work, live)
    _set_kinds(work, [d for d in live if d.level == "category" and d.act in ("move", "accept")])
    return work


def _start(proposal: Proposal) -> Resolution:
    keys = {entry.name: label_key(entry.name) for entry in proposal.categories}
    kinds = [NATURAL, HUMAN_MADE, *(entry.kind for entry in proposal.categories)]
    return Resolution(
        proposal,
        name_of={keys[entry.name]: entry.name for entry in proposal.categories},
        kind_of={keys[entry.name]: entry.kind for entry in proposal.categories},
        kinds={label_key(kind): kind for kind in kinds},
        home_of=dict(proposal.homes),
    )


def _live(work: Resolution, decisions: Iterable[Decision]) -> list[Decision]:
    """Distinct decisions that no standing undo takes back."""
    by_id = {decision.id: decision for decision in decisions}
    undos: dict[str, list[Decision]] = {}
    for decision in by_id.values():
        if decision.act == "undo":
            undos.setdefault(decision.of, []).append(decision)

    standing: dict[str, bool] = {}

    def stands(decision: Decision) -> bool:
        """Whether no standing undo takes it back; undone undos may be a chain of any length."""
        waiting = [decision]
        while waiting:
            above = undos.get(waiting[-1].id, [])
            if unsettled := [undo for undo in above if undo.id not in standing]:
                waiting += unsettled
            else:
                done = waiting.pop()
                standing[done.id] = not any(standing[undo.id] for undo in above)
        return standing[decision.id]

    live = []
    for decision in sorted(by_id.values(), key=lambda d: d.id):
        if decision.act != "undo":
            if stands(decision):
                live.append(decision)
        elif decision.of not in by_id:
            work.note("stale", decision, f"there is no decision {decision.of}")
        elif stands(decision):
            work.note("applied", decision)
    return live


def _create_categories(work: Resolution, live: Sequence[Decision]) -> list[Decision]:
    """Splits, and moves that give a kind, make the categories they name; the decisions that are left to follow."""
    new_names = {label_key(decision.to) for decision in live if decision.act == "rename"}
    makers: dict[str, list[Decision]] = {}
    for decision in live:
        creates = decision.act == "split" or (
            decision.act in ("move", "assign") and decision.level != "category"
        )
        if creates and label_key(decision.to) not in work.name_of.keys() | new_names:
            makers.setdefault(label_key(decision.to), []).append(decision)
    refused: list[Decision] = []
    for key, found in makers.items():
        known = [d for d in found if not d.kind or label_key(d.kind) in work.kinds]
        for decision in found:
            if decision not in known:
                work.note("stale", decision, f"there is no kind {decision.kind!r}")
                refused.append(decision)
        if len(kinds := _kinds_given(work, known)) > 1:
            _each(work, "conflicting", known, f"{known[0].to!r} is made with different kinds")
            refused += known
        elif kinds:
            work.name_of[key], work.kind_of[key] = known[0].to, work.kinds[kinds.pop()]
    return [decision for decision in live if decision not in refused]


def _kinds_given(work: Resolution, makers: Sequence[Decision]) -> set[str]:
    """Keys of the kinds that decisions give a new category; where none does, those of what is split."""
    given = {label_key(decision.kind) for decision in makers if decision.kind}
    origins = [label_key(decision.label) for decision in makers if decision.act == "split"]
    return given or {label_key(work.kind_of[origin]) for origin in origins if origin in work.kind_of}


def _join_categories(work: Resolution, joins: Sequence[Decision]) -> None:
    """Renames, then merges: at most one per category, which may be named as it is or as it is renamed to."""
    left, merges = list(joins), dict[str, Decision]()
    while ready := [d for d in left if _target(work, label_key(d.label)) in work.name_of]:
        left = [decision for decision in left if decision not in ready]
        chosen = _one_each(work, ready)
        merges |= {key: decision for key, decision in chosen.items() if decision.act == "merge"}
        renames = {key: decision for key, decision in chosen.items() if decision.act == "rename"}
        _respell(work, renames)
        _refuse_taken_names(work, renames)
        _rename(work, renames)
    for decision in left:
        work.note("stale", decision, f"there is no category {decision.label!r}")
    _merge(work, merges)


def _one_each(work: Resolution, joins: Sequence[Decision]) -> dict[str, Decision]:
    """The join of each category, unless decisions differ about it."""
    by_category: dict[str, list[Decision]] = {}
    for decision in joins:
        by_category.setdefault(_target(work, label_key(decision.label)), []).append(decision)
    chosen: dict[str, Decision] = {}
    for key, found in sorted(by_category.items()):
        if len({(d.act, label_key(d.to)) for d in found}) > 1:
            _each(work, "conflicting", found, f"{found[0].label!r} is given different names or joins")
        else:
            _each(work, "no_op", found[1:], "another decision does the same")
            chosen[key] = found[0]
    return chosen


def _respell(work: Resolution, renames: dict[str, Decision]) -> None:
    """Renames that change no more than case or spaces."""
    for key, decision in list(renames.items()):
        if label_key(decision.to) == label_key(decision.label):
            changed = work.name_of[key] != decision.to
            work.name_of[key] = decision.to
            work.note("applied" if changed else "no_op", decision)
            del renames[key]


def _refuse_taken_names(work: Resolution, renames: dict[str, Decision]) -> None:
    """Refuse renames to a name that another category keeps, once had by a rename, or is also renamed to.

    A refused rename keeps its own name, which may refuse another one: repeat until none is left.
    """
    while True:
        wanted = Counter(label_key(decision.to) for decision in renames.values())
        gone = renames.keys() | work.goes_to.keys()
        refused = {
            key: decision
            for key, decision in renames.items()
            if (target := label_key(decision.to)) in work.name_of.keys() - gone
            or f"\0{target}" in work.name_of
            or wanted[target] > 1
        }
        if not refused:
            return
        for key, decision in refused.items():
            work.note(
                "conflicting", decision, f"another category has the name {decision.to!r}; merge instead"
            )
            del renames[key]


def _rename(work: Resolution, renames: dict[str, Decision]) -> None:
    """A renamed category gets a key of its own, so that names may swap."""
    for key, decision in renames.items():
        new = f"\0{label_key(decision.to)}"
        work.goes_to[key], work.name_of[new], work.kind_of[new] = new, decision.to, work.kind_of[key]
        work.note("applied", decision)


def _merge(work: Resolution, merges: dict[str, Decision]) -> None:
    for key, decision in sorted(merges.items(), key=lambda item: item[1].id):
        target = _target(work, label_key(decision.to))
        if target not in work.name_of:
            work.note("stale", decision, f"there is no category {decision.to!r} to join")
            continue
        end = work.final(target)
        if end == work.final(key):
            _each(work, "conflicting", [decision], "merges go round in a circle")
        else:
            work.goes_to[work.final(key)] = end
            work.note("applied", decision)


def _target(work: Resolution, key: str) -> str:
    """The category a decision means: one of that name in the proposal, else one that is renamed to it."""
    return f"\0{key}" if f"\0{key}" in work.name_of and key not in work.name_of else key


def _place_things(work: Resolution, live: Sequence[Decision]) -> None:
    """Moves, assigns, accepts and the members of splits put types and landmarks into categories."""
    wanted: dict[Slot, list[Decision]] = {}
    for decision in live:
        if decision.act == "split":
            if _target(work, label_key(decision.label)) not in work.name_of:
                work.note("stale", decision, f"there is no category {decision.label!r}")
            else:
                _split(work, decision, wanted)
        elif decision.level in ("type", "landmark"):
            wanted.setdefault((decision.level, label_key(decision.label)), []).append(decision)
    for slot, found in sorted(wanted.items()):
        targets = {work.final(_target(work, label_key(d.to))) for d in found}
        if slot not in work.home_of and not (
            slot[0] == "landmark" and slot[1] in work.proposal.landmark_keys
        ):
            _each(work, "stale", found, f"there is no {slot[0]} {found[0].label!r}")
        elif len(targets) > 1:
            _each(work, "conflicting", found, f"{found[0].label!r} is put into different categories")
        elif (target := targets.pop()) not in work.name_of:
            _each(work, "stale", found, f"there is no category {found[0].to!r}; give a `kind` to make it")
        else:
            _settle(work, slot, target, found)


def _split(work: Resolution, decision: Decision, wanted: dict[Slot, list[Decision]]) -> None:
    origin = work.final(_target(work, label_key(decision.label)))
    homes = {m: work.home_of.get(("type", label_key(m))) for m in decision.members}
    gone = [m for m, home in homes.items() if home is None or work.final(home) != origin]
    for member in decision.members:
        if member not in gone:
            wanted.setdefault(("type", label_key(member)), []).append(decision)
    if gone:
        work.note("stale", decision, f"no longer in {decision.label!r}: {', '.join(gone)}")


def _settle(work: Resolution, slot: Slot, target: str, found: Sequence[Decision]) -> None:
    """Put one thing into a category and note each decision about it."""
    home = work.home_of.get(slot)
    already = home is not None and work.final(home) == target
    work.home_of[slot] = target
    work.decided.add(slot)
    for decision in found:
        if decision.act == "split":
            if all(outcome.decision is not decision for done in work.outcomes.values() for outcome in done):
                work.note("applied", decision)
        elif decision.act == "accept":
            work.note("applied", decision, "" if already else "kept against the new proposal")
        else:
            work.note("no_op" if already else "applied", decision, "it is there already" if already else "")


def _set_kinds(work: Resolution, decisions: Sequence[Decision]) -> None:
    by_category: dict[str, list[Decision]] = {}
    for decision in decisions:
        by_category.setdefault(work.final(_target(work, label_key(decision.label))), []).append(decision)
    for key, found in sorted(by_category.items()):
        kinds = {label_key(decision.to) for decision in found}
        if key not in work.name_of:
            _each(work, "stale", found, f"there is no category {found[0].label!r}")
        elif len(kinds) > 1:
            _each(work, "conflicting", found, f"{found[0].label!r} is put into different kinds")
        elif not kinds <= work.kinds.keys():
            _each(work, "stale", found, f"there is no kind {found[0].to!r}")
        else:
            kind = work.kinds[kinds.pop()]
            changed = work.kind_of[key] != kind
            work.kind_of[key] = kind
            for decision in found:
                work.note("applied" if changed or decision.act == "accept" else "no_op", decision)


def _each(work: Resolution, how: str, found: Sequence[Decision], why: str) -> None:
    for decision in found:
        work.note(how, decision, why)


def _tree(work: Resolution) -> LabelTree:
    """The tree of all leaves, with what is known of each."""
    proposal, rows = work.proposal, []
    info: dict[Node, NodeInfo] = {}
    leaf_level = "landmark" if proposal.landmarks else "type"

    def add(leaf: str, slot: Slot, confidence: float, source: str, n_images: int | None) -> None:
        category = work.final(work.home_of[slot])
        rows.append((leaf, work.name_of[category], work.kind_of[category]))
        decided = slot in work.decided
        status = "reviewed" if decided else "pending" if confidence < PENDING_BELOW else "proposed"
        info[Node(leaf_level, leaf)] = NodeInfo(
            n_images, 1.0 if decided else confidence, "human" if decided else source, status
        )

    for landmark in proposal.landmarks:
        own = ("landmark", label_key(landmark.name))
        slot = own if own in work.home_of or landmark.type is None else ("type", label_key(landmark.type))
        add(landmark.name, slot, landmark.confidence, landmark.source, landmark.n_images)
    if not proposal.landmarks:
        for entry in proposal.types:
            add(entry.text, ("type", label_key(entry.text)), entry.confidence, entry.source, None)
    levels = (leaf_level, "category", "kind")
    return LabelTree.from_table(pd.DataFrame(rows, columns=list(levels)), levels).with_info(info)


def _pending(work: Resolution) -> tuple[PendingItem, ...]:
    """Undecided things below `PENDING_BELOW`, most weight in doubt first."""
    found: list[PendingItem] = []
    things: list[tuple[str, str, float, float]] = [
        ("type", entry.text, entry.confidence, entry.weight) for entry in work.proposal.types
    ]
    things += [
        ("landmark", entry.name, entry.confidence, float(entry.n_images))
        for entry in work.proposal.landmarks
        if entry.type is None
    ]
    for level, label, confidence, weight in things:
        slot = (level, label_key(label))
        if slot not in work.decided and confidence < PENDING_BELOW:
            category = work.category_of(slot)
            found.append(PendingItem(level, label, category, confidence, weight))
    return tuple(sorted(found, key=lambda p: (-p.weight * (1 - p.confidence), p.level, p.label)))
