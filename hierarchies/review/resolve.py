"""Decisions onto a proposal: levels, then groups from the coarsest level down, then labels, then what these teach."""

from collections.abc import Iterable, Mapping, Sequence

from cairnhub.core.text import label_key
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, TreeProposal
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.group_decisions import create_groups, join_groups
from cairnhub.hierarchies.review.levels import Levels, change_levels
from cairnhub.hierarchies.review.outcomes import Outcomes
from cairnhub.hierarchies.review.resolution import Resolution, Slot
from cairnhub.hierarchies.review.spreading import spread

JOINS = ("rename", "merge")
PLACINGS = ("move", "assign", "accept")


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
    _flag(resolution, [d for d in standing if d.act == "unsure"])
    spread(resolution)
    _leave(resolution)
    return resolution


def _start(proposal: TreeProposal, levels: Levels, outcomes: Outcomes) -> Resolution:
    return Resolution(
        proposal,
        levels.names,
        levels.name_of,
        dict(levels.place_of),
        levels.place_of,
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
                    resolution.culled.add(resolution.final(first, target))
            if gone:
                resolution.outcomes.note("stale", decision, f"there is no {decision.level} {', '.join(gone)}")
            else:
                resolution.outcomes.note("applied", decision)


def _flag(resolution: Resolution, decisions: Sequence[Decision]) -> None:
    """What people cannot tell; nothing moves, and a decision of anybody settles it."""
    for decision in decisions:
        slots = {resolution.slot(decision.level, thing): thing for thing in decision.things}
        gone = [
            thing
            for slot, thing in slots.items()
            if slot not in resolution.name_of and not resolution.is_item(slot)
        ]
        open_ = [slot for slot in slots if slots[slot] not in gone and slot not in resolution.decided]
        for slot in open_:
            resolution.unsure[slot] = (*resolution.unsure.get(slot, ()), decision.reason)
        if gone:
            why = f"there is no {decision.level} {', '.join(gone)}"
            resolution.outcomes.note("stale", decision, why)
        elif open_:
            resolution.outcomes.note("applied", decision)
        else:
            resolution.outcomes.note("no_op", decision, "it has been decided")


def _leave(resolution: Resolution) -> None:
    """What still stands where it does not belong goes to its second best group, or is reported."""
    proposal, first = resolution.proposal, resolution.levels[1]
    if not resolution.barred:
        return
    entries = {(TYPE, label_key(entry.text)): entry.second for entry in proposal.types}
    for slot, barred in resolution.barred.items():
        row = proposal.row_of_label.get(slot[1]) if slot[0] == resolution.levels[0] else None
        entry = None if row is None else proposal.labels[row]
        home = resolution.home(resolution.slot_of(entry) if entry else slot)
        if slot in resolution.decided or home not in barred:
            continue
        is_told = entry and (entry.type is not None or entry.source == "known")
        second = "" if is_told else entry.second if entry else entries[slot]
        key = resolution.final(first, resolution.meant(first, second))
        if second and (first, key) in resolution.name_of and key not in barred:
            resolution.place_of[slot] = key
            resolution.followed.add(slot)
        else:
            why = "nothing tells where else it belongs, so it stays: move it to a group"
            resolution.outcomes.note_each("stale", barred[home], why)


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
        if decision.label and decision.members and level == resolution.levels[1]:
            resolution.culled.add(resolution.slot(level, decision.label)[1])
    for decision in group:
        if decision.act == "accept":
            resolution.outcomes.note("applied", decision, "" if already else "kept against the new proposal")
        elif already and decision.act != "split":
            resolution.outcomes.note("no_op", decision, "it is there already")
        else:
            resolution.outcomes.note("applied", decision)
