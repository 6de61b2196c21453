"""Where everything stands once decisions are applied: renames and merges of categories, then types and landmarks."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cairnhub.core.text import label_key
from cairnhub.hierarchies.proposal.kinds import HUMAN_MADE, NATURAL
from cairnhub.hierarchies.proposal.proposal import Proposal
from cairnhub.hierarchies.review.decisions import Decision

Slot = tuple[str, str]


@dataclass(frozen=True)
class Outcome:
    """A decision and why it ended as it did."""

    decision: Decision
    why: str = ""


@dataclass
class Resolution:
    """Where each item stands once decisions are applied; items and categories go by their keys.

    Attributes:
        proposal: what the decisions are about.
        name_of: display name per category.
        kind_of: kind per category.
        kinds: spelling of each kind that there is.
        home_of: category per item, before renames and merges.
        goes_to: the category that a renamed or merged one became.
        renamed_from: the category that had another name before.
        decided: items that a person has placed.
        standing: distinct decisions that no standing undo takes back.
        outcomes: decisions by how they ended.
    """

    proposal: Proposal
    name_of: dict[str, str]
    kind_of: dict[str, str]
    kinds: dict[str, str]
    home_of: dict[Slot, str]
    goes_to: dict[str, str] = field(default_factory=dict)
    renamed_from: dict[str, str] = field(default_factory=dict)
    decided: set[Slot] = field(default_factory=set)
    standing: Sequence[Decision] = ()
    outcomes: dict[str, list[Outcome]] = field(
        default_factory=lambda: {name: [] for name in ("applied", "no_op", "stale", "conflicting")}
    )

    def note(self, how: str, decision: Decision, why: str = "") -> None:
        """Record how a decision ended."""
        self.outcomes[how].append(Outcome(decision, why))

    def category_of(self, slot: Slot) -> str:
        """Name of the category in which a (level, key) stands."""
        return self.name_of[self.final(self.home_of[slot])]

    def categories(self) -> dict[str, str]:
        """Names of the categories as they end -> what no rename changes: the proposal's name, or the key of a new one.

        Those of the proposal come first, by their names in it, then new ones by name.
        """
        proposed = {label_key(entry.name): entry.name for entry in self.proposal.categories}
        ends = dict.fromkeys(self.final(key) for key in self.name_of)
        first = {key: self._first(key) for key in ends}

        def place(category: str) -> tuple[bool, str]:
            made = first[category]
            return made not in proposed, proposed.get(made, self.name_of[made])

        return {self.name_of[key]: proposed.get(first[key], first[key]) for key in sorted(ends, key=place)}

    def _first(self, category: str) -> str:
        """The category before all renames."""
        while category in self.renamed_from:
            category = self.renamed_from[category]
        return category

    def final(self, category: str) -> str:
        """Where a category ends up after renames and merges (which hold no cycle)."""
        while category in self.goes_to:
            category = self.goes_to[category]
        return category


def resolve(proposal: Proposal, decisions: Iterable[Decision]) -> Resolution:
    """Settle where each item stands, without building the tree: quick even for 200,000 landmarks."""
    resolution = _start(proposal)
    resolution.standing = _standing_decisions(resolution, decisions)
    standing = _create_categories(resolution, resolution.standing)
    _join_categories(resolution, [d for d in standing if d.act in ("rename", "merge")])
    _place_items(resolution, standing)
    _set_kinds(resolution, [d for d in standing if d.level == "category" and d.act in ("move", "accept")])
    return resolution


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


def _standing_decisions(resolution: Resolution, decisions: Iterable[Decision]) -> list[Decision]:
    """Distinct decisions that no standing undo takes back."""
    by_id = {decision.id: decision for decision in decisions}
    undos: dict[str, list[Decision]] = {}
    for decision in by_id.values():
        if decision.act == "undo":
            undos.setdefault(decision.of, []).append(decision)

    is_standing: dict[str, bool] = {}

    def stands(decision: Decision) -> bool:
        """Whether no standing undo takes it back; undone undos may be a chain of any length."""
        waiting = [decision]
        while waiting:
            above = undos.get(waiting[-1].id, [])
            if unsettled := [undo for undo in above if undo.id not in is_standing]:
                waiting += unsettled
            else:
                settled = waiting.pop()
                is_standing[settled.id] = not any(is_standing[undo.id] for undo in above)
        return is_standing[decision.id]

    standing = []
    for decision in sorted(by_id.values(), key=lambda d: d.id):
        if decision.act != "undo":
            if stands(decision):
                standing.append(decision)
        elif decision.of not in by_id:
            resolution.note("stale", decision, f"there is no decision {decision.of}")
        elif stands(decision):
            resolution.note("applied", decision)
    return standing


def _create_categories(resolution: Resolution, standing: Sequence[Decision]) -> list[Decision]:
    """Splits, and moves that give a kind, make the categories they name; the decisions that are left to follow."""
    new_names = {label_key(decision.to) for decision in standing if decision.act == "rename"}
    makers: dict[str, list[Decision]] = {}
    for decision in standing:
        creates = decision.act == "split" or (
            decision.act in ("move", "assign") and decision.level != "category"
        )
        if creates and label_key(decision.to) not in resolution.name_of.keys() | new_names:
            makers.setdefault(label_key(decision.to), []).append(decision)
    refused: list[Decision] = []
    for key, group in makers.items():
        known = [d for d in group if not d.kind or label_key(d.kind) in resolution.kinds]
        for decision in group:
            if decision not in known:
                resolution.note("stale", decision, f"there is no kind {decision.kind!r}")
                refused.append(decision)
        if len(kinds := _kinds_given(resolution, known)) > 1:
            _note_each(resolution, "conflicting", known, f"{known[0].to!r} is made with different kinds")
            refused += known
        elif kinds:
            resolution.name_of[key], resolution.kind_of[key] = known[0].to, resolution.kinds[kinds.pop()]
    return [decision for decision in standing if decision not in refused]


def _kinds_given(resolution: Resolution, makers: Sequence[Decision]) -> set[str]:
    """Keys of the kinds that decisions give a new category; where none does, those of what is split."""
    given = {label_key(decision.kind) for decision in makers if decision.kind}
    origins = [label_key(decision.label) for decision in makers if decision.act == "split"]
    return given or {
        label_key(resolution.kind_of[origin]) for origin in origins if origin in resolution.kind_of
    }


def _join_categories(resolution: Resolution, joins: Sequence[Decision]) -> None:
    """Renames, then merges: at most one per category, which may be named as it is or as it is renamed to."""
    left, merges = list(joins), dict[str, Decision]()
    while ready := [d for d in left if _target(resolution, label_key(d.label)) in resolution.name_of]:
        left = [decision for decision in left if decision not in ready]
        chosen = _one_join_each(resolution, ready)
        merges |= {key: decision for key, decision in chosen.items() if decision.act == "merge"}
        renames = {key: decision for key, decision in chosen.items() if decision.act == "rename"}
        _respell(resolution, renames)
        _refuse_taken_names(resolution, renames)
        _rename(resolution, renames)
    for decision in left:
        resolution.note("stale", decision, f"there is no category {decision.label!r}")
    _merge(resolution, merges)


def _one_join_each(resolution: Resolution, joins: Sequence[Decision]) -> dict[str, Decision]:
    """The join of each category, unless decisions differ about it."""
    by_category: dict[str, list[Decision]] = {}
    for decision in joins:
        by_category.setdefault(_target(resolution, label_key(decision.label)), []).append(decision)
    chosen: dict[str, Decision] = {}
    for key, group in sorted(by_category.items()):
        if len({(d.act, label_key(d.to)) for d in group}) > 1:
            _note_each(
                resolution, "conflicting", group, f"{group[0].label!r} is given different names or joins"
            )
        else:
            _note_each(resolution, "no_op", group[1:], "another decision does the same")
            chosen[key] = group[0]
    return chosen


def _respell(resolution: Resolution, renames: dict[str, Decision]) -> None:
    """Renames that change no more than case or spaces."""
    for key, decision in list(renames.items()):
        if label_key(decision.to) == label_key(decision.label):
            changed = resolution.name_of[key] != decision.to
            resolution.name_of[key] = decision.to
            resolution.note("applied" if changed else "no_op", decision)
            del renames[key]


def _refuse_taken_names(resolution: Resolution, renames: dict[str, Decision]) -> None:
    """Refuse renames to a name that another category keeps, once had by a rename, or is also renamed to.

    A refused rename keeps its own name, which may refuse another one: repeat until none is left.
    """
    while True:
        wanted = Counter(label_key(decision.to) for decision in renames.values())
        gone = renames.keys() | resolution.goes_to.keys()
        refused = {
            key: decision
            for key, decision in renames.items()
            if (target := label_key(decision.to)) in resolution.name_of.keys() - gone
            or f"\0{target}" in resolution.name_of
            or wanted[target] > 1
        }
        if not refused:
            return
        for key, decision in refused.items():
            resolution.note(
                "conflicting", decision, f"another category has the name {decision.to!r}; merge instead"
            )
            del renames[key]


def _rename(resolution: Resolution, renames: dict[str, Decision]) -> None:
    """A renamed category gets a key of its own, so that names may swap."""
    for key, decision in renames.items():
        new = f"\0{label_key(decision.to)}"
        resolution.goes_to[key], resolution.name_of[new], resolution.kind_of[new] = (
            new,
            decision.to,
            resolution.kind_of[key],
        )
        resolution.renamed_from[new] = key
        resolution.note("applied", decision)


def _merge(resolution: Resolution, merges: dict[str, Decision]) -> None:
    for key, decision in sorted(merges.items(), key=lambda item: item[1].id):
        target = _target(resolution, label_key(decision.to))
        if target not in resolution.name_of:
            resolution.note("stale", decision, f"there is no category {decision.to!r} to join")
            continue
        end = resolution.final(target)
        if end == resolution.final(key):
            _note_each(resolution, "conflicting", [decision], "merges go round in a circle")
        else:
            resolution.goes_to[resolution.final(key)] = end
            resolution.note("applied", decision)


def _target(resolution: Resolution, key: str) -> str:
    """The category a decision means: one of that name in the proposal, else one that is renamed to it."""
    return f"\0{key}" if f"\0{key}" in resolution.name_of and key not in resolution.name_of else key


def _place_items(resolution: Resolution, standing: Sequence[Decision]) -> None:
    """Moves, assigns, accepts and the members of splits put types and landmarks into categories."""
    wanted: dict[Slot, list[Decision]] = {}
    for decision in standing:
        if decision.act == "split":
            if _target(resolution, label_key(decision.label)) not in resolution.name_of:
                resolution.note("stale", decision, f"there is no category {decision.label!r}")
            else:
                _split(resolution, decision, wanted)
        elif decision.level in ("type", "landmark"):
            wanted.setdefault((decision.level, label_key(decision.label)), []).append(decision)
    for slot, group in sorted(wanted.items()):
        targets = {resolution.final(_target(resolution, label_key(d.to))) for d in group}
        if slot not in resolution.home_of and not (
            slot[0] == "landmark" and slot[1] in resolution.proposal.landmark_keys
        ):
            _note_each(resolution, "stale", group, f"there is no {slot[0]} {group[0].label!r}")
        elif len(targets) > 1:
            _note_each(
                resolution, "conflicting", group, f"{group[0].label!r} is put into different categories"
            )
        elif (target := targets.pop()) not in resolution.name_of:
            _note_each(
                resolution, "stale", group, f"there is no category {group[0].to!r}; give a `kind` to make it"
            )
        else:
            _settle(resolution, slot, target, group)


def _split(resolution: Resolution, decision: Decision, wanted: dict[Slot, list[Decision]]) -> None:
    origin = resolution.final(_target(resolution, label_key(decision.label)))
    homes = {m: resolution.home_of.get(("type", label_key(m))) for m in decision.members}
    gone = [m for m, home in homes.items() if home is None or resolution.final(home) != origin]
    for member in decision.members:
        if member not in gone:
            wanted.setdefault(("type", label_key(member)), []).append(decision)
    if gone:
        resolution.note("stale", decision, f"no longer in {decision.label!r}: {', '.join(gone)}")


def _settle(resolution: Resolution, slot: Slot, target: str, group: Sequence[Decision]) -> None:
    """Put one item into a category and note each decision about it."""
    home = resolution.home_of.get(slot)
    already = home is not None and resolution.final(home) == target
    resolution.home_of[slot] = target
    resolution.decided.add(slot)
    for decision in group:
        if decision.act == "split":
            if all(
                outcome.decision is not decision
                for outcomes in resolution.outcomes.values()
                for outcome in outcomes
            ):
                resolution.note("applied", decision)
        elif decision.act == "accept":
            resolution.note("applied", decision, "" if already else "kept against the new proposal")
        else:
            resolution.note(
                "no_op" if already else "applied", decision, "it is there already" if already else ""
            )


def _set_kinds(resolution: Resolution, decisions: Sequence[Decision]) -> None:
    by_category: dict[str, list[Decision]] = {}
    for decision in decisions:
        by_category.setdefault(resolution.final(_target(resolution, label_key(decision.label))), []).append(
            decision
        )
    for key, group in sorted(by_category.items()):
        kinds = {label_key(decision.to) for decision in group}
        if key not in resolution.name_of:
            _note_each(resolution, "stale", group, f"there is no category {group[0].label!r}")
        elif len(kinds) > 1:
            _note_each(resolution, "conflicting", group, f"{group[0].label!r} is put into different kinds")
        elif not kinds <= resolution.kinds.keys():
            _note_each(resolution, "stale", group, f"there is no kind {group[0].to!r}")
        else:
            kind = resolution.kinds[kinds.pop()]
            changed = resolution.kind_of[key] != kind
            resolution.kind_of[key] = kind
            for decision in group:
                resolution.note("applied" if changed or decision.act == "accept" else "no_op", decision)


def _note_each(resolution: Resolution, how: str, group: Sequence[Decision], why: str) -> None:
    for decision in group:
        resolution.note(how, decision, why)
