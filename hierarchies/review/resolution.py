"""Where everything stands once decisions are applied: levels, then groups from the coarsest level down, then labels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cairnhub.core.text import label_key
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, LabelEntry, TreeProposal
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.group_decisions import create_groups, join_groups
from cairnhub.hierarchies.review.levels import Levels, change_levels
from cairnhub.hierarchies.review.outcomes import Outcomes
from cairnhub.hierarchies.review.spreading import Trust, spread

Slot = tuple[str, str]
"""A level and the key of a name on it."""
JOINS = ("rename", "merge")
PLACINGS = ("move", "assign", "accept")


@dataclass
class Resolution:
    """Where each thing stands once decisions are applied; things go by their slots.

    Attributes:
        proposal: what the decisions are about.
        levels: fine to coarse; the first is that of the labels.
        name_of: display name per group.
        place_of: key of the group above, before renames and merges, per group of all levels but the coarsest, per type,
            and per label with a place of its own.
        proposed_place_of: `place_of` before any decision about them.
        goes_to: the key that a renamed or merged group became.
        renamed_from: the key of the group that had another name before.
        decided: labels, types and groups that a person has placed.
        left: labels that a person took out of their group by themselves, which says nothing of their fellows.
        barred: keys of the groups where a label or type does not belong, and who says so.
        followed: labels that decisions about their like have moved.
        trust: how sure the place of a label is, where decisions about others tell.
        standing: distinct decisions that no standing undo takes back.
        outcomes: how each decision ended.
    """

    proposal: TreeProposal
    levels: tuple[str, ...]
    name_of: dict[Slot, str]
    place_of: dict[Slot, str]
    proposed_place_of: Mapping[Slot, str]
    goes_to: dict[Slot, str] = field(default_factory=dict)
    renamed_from: dict[Slot, str] = field(default_factory=dict)
    decided: set[Slot] = field(default_factory=set)
    left: set[Slot] = field(default_factory=set)
    barred: dict[Slot, dict[str, list[Decision]]] = field(default_factory=dict)
    followed: set[Slot] = field(default_factory=set)
    trust: dict[Slot, Trust] = field(default_factory=dict)
    standing: Sequence[Decision] = ()
    outcomes: Outcomes = field(default_factory=Outcomes)

    @property
    def item_levels(self) -> tuple[str, ...]:
        """Levels of what has a place on the first level of groups."""
        return tuple(dict.fromkeys((TYPE, self.levels[0]))) if self.proposal.types else self.levels[:1]

    def slot_of(self, entry: LabelEntry) -> Slot:
        """The slot that places a label: its own, or that of its type."""
        slot = self.levels[0], label_key(entry.label)
        return slot if slot in self.place_of or entry.type is None else (TYPE, label_key(entry.type))

    def is_item(self, slot: Slot) -> bool:
        """Whether a person may place it: a type, or any label."""
        of_label = slot[0] == self.levels[0] and slot[1] in self.proposal.label_keys
        return of_label or (slot[0] in self.item_levels and slot in self.place_of)

    def final(self, level: str, key: str) -> str:
        """Where a group ends up after renames and merges (which hold no cycle)."""
        while (level, key) in self.goes_to:
            key = self.goes_to[level, key]
        return key

    def meant(self, level: str, name: str) -> str:
        """Key of the group that a decision means: one of that name in the proposal, else one renamed to it."""
        key = label_key(name)
        renamed = f"\0{key}"
        return renamed if (level, renamed) in self.name_of and (level, key) not in self.name_of else key

    def slot(self, level: str, name: str) -> Slot:
        """The slot of what a decision calls so; that of a group as it ends."""
        if level in self.levels[1:]:
            return level, self.final(level, self.meant(level, name))
        return level, label_key(name)

    def above(self, level: str) -> str:
        """The level above one that is not the coarsest; above the types stands the first level of groups."""
        return self.levels[1] if level in self.item_levels else self.levels[self.levels.index(level) + 1]

    def below(self, level: str) -> tuple[str, ...]:
        """Where what stands directly in a group of a level comes from."""
        place = self.levels.index(level)
        return self.item_levels if place == 1 else self.levels[place - 1 : place]

    def home(self, slot: Slot) -> str | None:
        """Key of the group in which something stands, after renames and merges; None without a place."""
        place = self.place_of.get(slot)
        return None if place is None else self.final(self.above(slot[0]), place)

    def group_of(self, slot: Slot) -> str:
        """Name of the group, on the level above, in which a label, type or group stands."""
        above = self.above(slot[0])
        return self.name_of[above, self.final(above, self.place_of[slot])]

    def confidence(self, slot: Slot, proposed: float) -> float:
        """How sure a place is that nobody decided: by what decisions on others tell, else as the proposal thinks."""
        return self.trust[slot].confidence if slot in self.trust else proposed

    def origins(self) -> dict[str, dict[str, str]]:
        """Per level of groups: names as they end -> what no rename changes, the proposal's or the key of a new one.

        Those of the proposal come first, by their names in it, then new ones by name.
        """
        proposed = {(group.level, label_key(group.name)): group.name for group in self.proposal.groups}
        origins: dict[str, dict[str, str]] = {level: {} for level in self.levels[1:]}
        ends = dict.fromkeys((level, self.final(level, key)) for level, key in self.name_of)
        first = {slot: (slot[0], self._first(*slot)) for slot in ends}
        order = sorted(
            ends,
            key=lambda slot: (
                first[slot] not in proposed,
                proposed.get(first[slot], self.name_of[slot]),
            ),
        )
        for slot in order:
            origins[slot[0]][self.name_of[slot]] = proposed.get(first[slot], first[slot][1])
        return origins

    def _first(self, level: str, key: str) -> str:
        """The group before all renames."""
        while (level, key) in self.renamed_from:
            key = self.renamed_from[level, key]
        return key


def resolve(proposal: TreeProposal, decisions: Iterable[Decision]) -> Resolution:
    """Settle where everything stands, without building the tree: quick even for 200,000 labels."""
    outcomes = Outcomes()
    standing = _standing_decisions(outcomes, decisions)
    levels = change_levels(
        proposal, [d for d in standing if d.act in ("add_level", "remove_level")], outcomes
    )
    resolution = _start(proposal, levels, outcomes)
    resolution.standing = standing
    about = _by_target_level(resolution, standing)
    for level in reversed(resolution.levels[1:]):
        create_groups(resolution, level, about[level])
        join_groups(resolution, level, [d for d in standing if d.act in JOINS and d.level == level])
        if level != resolution.levels[-1]:
            _place(resolution, level, about)
    _exclude(resolution, [d for d in standing if d.act == "exclude"])
    _place(resolution, resolution.levels[0], about)
    spread(resolution)
    return resolution


def _start(proposal: TreeProposal, levels: Levels, outcomes: Outcomes) -> Resolution:
    return Resolution(
        proposal,
        levels.names,
        levels.name_of,
        levels.place_of,
        dict(levels.place_of),
        outcomes=outcomes,
    )


def _standing_decisions(outcomes: Outcomes, decisions: Iterable[Decision]) -> list[Decision]:
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
            outcomes.note("stale", decision, f"there is no decision {decision.of}")
        elif stands(decision):
            outcomes.note("applied", decision)
    return standing


def _by_target_level(resolution: Resolution, standing: Sequence[Decision]) -> dict[str, list[Decision]]:
    """Decisions that put something into a group, by the level of that group."""
    above = dict(zip(resolution.levels, resolution.levels[1:], strict=False))
    above |= dict.fromkeys(resolution.item_levels, resolution.levels[1])
    about: dict[str, list[Decision]] = {level: [] for level in resolution.levels[1:]}
    for decision in standing:
        if decision.act in PLACINGS and decision.level in above:
            about[above[decision.level]].append(decision)
        elif decision.act == "split" and decision.level in about:
            about[decision.level].append(decision)
        elif decision.act in PLACINGS or (decision.act in ("split", *JOINS) and decision.level not in about):
            resolution.outcomes.note("stale", decision, _no_level(resolution, decision))
    return about


def _no_level(resolution: Resolution, decision: Decision) -> str:
    known = dict.fromkeys((*resolution.item_levels, *resolution.levels))
    if decision.level == resolution.levels[-1]:
        return f"nothing stands above the level {decision.level!r}"
    if decision.level in resolution.levels[:1]:
        return f"{decision.act} is about groups, not about {decision.level!r}"
    return f"there is no level {decision.level!r} for it; levels are {', '.join(known)}"


# ---- places -----------------------------------------------------------------------------------------------------


def _exclude(resolution: Resolution, decisions: Sequence[Decision]) -> None:
    """What a label or a type is not."""
    first = resolution.levels[1]
    for decision in decisions:
        target = resolution.meant(first, decision.to)
        slots = [(decision.level, label_key(thing)) for thing in decision.things]
        gone = [
            thing for thing, slot in zip(decision.things, slots, strict=True) if not resolution.is_item(slot)
        ]
        if decision.level not in resolution.item_levels:
            why = f"exclude is about {' or '.join(resolution.item_levels)}, not about {decision.level!r}"
            resolution.outcomes.note("stale", decision, why)
        elif (first, target) not in resolution.name_of:
            resolution.outcomes.note("stale", decision, f"there is no {first} {decision.to!r}")
        else:
            for slot in slots:
                if resolution.is_item(slot):
                    barred = resolution.barred.setdefault(slot, {})
                    barred.setdefault(resolution.final(first, target), []).append(decision)
            if gone:
                resolution.outcomes.note("stale", decision, f"there is no {decision.level} {', '.join(gone)}")
            else:
                resolution.outcomes.note("applied", decision)


def _place(resolution: Resolution, below: str, about: Mapping[str, Sequence[Decision]]) -> None:
    """Moves, assigns, accepts and the members of splits put what is on one level into groups of the next."""
    level = resolution.above(below)
    wanted: dict[Slot, list[Decision]] = {}
    called: dict[Slot, str] = {}
    for decision in about[level]:
        placed = _split(resolution, decision) if decision.act == "split" else _things(resolution, decision)
        for slot, name in placed.items():
            wanted.setdefault(slot, []).append(decision)
            called.setdefault(slot, name)
    for slot, group in sorted(wanted.items()):
        targets = {resolution.final(level, resolution.meant(level, d.to)) for d in group}
        name = called[slot]
        if not (slot in resolution.place_of or resolution.is_item(slot)):
            resolution.outcomes.note_each("stale", group, f"there is no {slot[0]} {name!r}")
        elif len(targets) > 1:
            why = f"{name!r} is put into different groups of the level {level!r}"
            resolution.outcomes.note_each("conflicting", group, why)
        elif (level, target := targets.pop()) not in resolution.name_of:
            resolution.outcomes.note_each("stale", group, _not_there(resolution, level, group[0]))
        elif opposed := resolution.barred.get(slot, {}).pop(target, []):
            why = f"{name!r} is said to belong in {group[0].to!r}, and not to"
            resolution.outcomes.note_each("conflicting", [*group, *opposed], why)
        else:
            _settle(resolution, slot, level, target, group)


def _things(resolution: Resolution, decision: Decision) -> dict[Slot, str]:
    """What a decision is about, by slot, as it calls it."""
    return {resolution.slot(decision.level, thing): thing for thing in decision.things}


def _not_there(resolution: Resolution, level: str, decision: Decision) -> str:
    missing = f"there is no {level} {decision.to!r}"
    if decision.act == "accept":
        return missing
    return f"{missing}; " + (
        "say `new` to make it" if level == resolution.levels[-1] else "give a `kind` to make it"
    )


def _split(resolution: Resolution, decision: Decision) -> dict[Slot, str]:
    """The members of a split that are still in its group, by slot."""
    level = decision.level
    origin = resolution.slot(level, decision.label)
    if origin not in resolution.name_of:
        resolution.outcomes.note("stale", decision, f"there is no {level} {decision.label!r}")
        return {}
    here: dict[Slot, str] = {}
    gone = []
    for member in decision.members:
        slots = [resolution.slot(below, member) for below in resolution.below(level)]
        inside = [slot for slot in slots if resolution.home(slot) == origin[1]]
        here |= dict.fromkeys(inside[:1], member)
        gone += [] if inside else [member]
    if gone:
        resolution.outcomes.note("stale", decision, f"no longer in {decision.label!r}: {', '.join(gone)}")
    return here


def _settle(resolution: Resolution, slot: Slot, level: str, target: str, group: Sequence[Decision]) -> None:
    """Put one thing into a group and note each decision about it."""
    already = resolution.home(slot) == target
    resolution.place_of[slot] = target
    resolution.decided.add(slot)
    if not already and all(d.act == "split" or d.label for d in group):
        resolution.left.add(slot)
    for decision in group:
        if decision.act == "accept":
            resolution.outcomes.note("applied", decision, "" if already else "kept against the new proposal")
        elif already and decision.act != "split":
            resolution.outcomes.note("no_op", decision, "it is there already")
        else:
            resolution.outcomes.note("applied", decision)
