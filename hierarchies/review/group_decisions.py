"""What decisions make of the groups of a level: new ones, other names, two that become one."""

from collections import Counter
from collections.abc import Sequence

from cairnhub.core.text import label_key
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.resolution import Resolution


def create_groups(resolution: Resolution, level: str, about: list[Decision]) -> None:
    """Splits, and moves that say where, make the groups they name; those that cannot are taken out of `about`."""
    known = {key for at, key in resolution.name_of if at == level}
    known |= _renamed_to(resolution, level, known | {label_key(d.to) for d in about if d.act != "accept"})
    makers: dict[str, list[Decision]] = {}
    for decision in about:
        if decision.act != "accept" and label_key(decision.to) not in known:
            makers.setdefault(label_key(decision.to), []).append(decision)
    is_top = level == resolution.levels[-1]
    for key, group in makers.items():
        if is_top:
            if any(decision.new or decision.act == "split" for decision in group):
                resolution.name_of[level, key] = group[0].to
            continue
        above = resolution.above(level)
        fitting = [
            d for d in group if not d.kind or (above, resolution.meant(above, d.kind)) in resolution.name_of
        ]
        for decision in group:
            if decision not in fitting:
                resolution.outcomes.note("stale", decision, f"there is no {above} {decision.kind!r}")
                about.remove(decision)
        if len(parents := _parents_given(resolution, level, above, fitting)) > 1:
            resolution.outcomes.note_each(
                "conflicting", fitting, f"{fitting[0].to!r} is made under different {above}s"
            )
            for decision in fitting:
                about.remove(decision)
        elif parents:
            resolution.name_of[level, key] = fitting[0].to
            resolution.place_of[level, key] = parents.pop()


def _renamed_to(resolution: Resolution, level: str, known: set[str]) -> set[str]:
    """Keys that renames, one after the other, give to groups that there are or will be."""
    pairs = [
        (label_key(d.label), label_key(d.to))
        for d in resolution.standing
        if d.act == "rename" and d.level == level and label_key(d.label) != label_key(d.to)
    ]
    renamed: set[str] = set()
    while fresh := {to for name, to in pairs if name in known | renamed} - renamed:
        renamed |= fresh
    return renamed


def _parents_given(resolution: Resolution, level: str, above: str, makers: Sequence[Decision]) -> set[str]:
    """Keys of the parents that decisions give a new group; where none does, those of what is split."""
    given = {resolution.final(above, resolution.meant(above, d.kind)) for d in makers if d.kind}
    split = [(level, label_key(decision.label)) for decision in makers if decision.act == "split"]
    return given or {
        resolution.final(above, resolution.place_of[s]) for s in split if s in resolution.place_of
    }


def join_groups(resolution: Resolution, level: str, joins: Sequence[Decision]) -> None:
    """Renames, then merges: at most one per group, which may be named as it is or as it is renamed to."""
    left, merges = list(joins), dict[str, Decision]()
    while ready := [d for d in left if (level, resolution.meant(level, d.label)) in resolution.name_of]:
        left = [decision for decision in left if decision not in ready]
        chosen = _one_join_each(resolution, level, ready)
        merges |= {key: decision for key, decision in chosen.items() if decision.act == "merge"}
        renames = {key: decision for key, decision in chosen.items() if decision.act == "rename"}
        _respell(resolution, level, renames)
        _refuse_taken_names(resolution, level, renames)
        _rename(resolution, level, renames)
    for decision in left:
        resolution.outcomes.note("stale", decision, f"there is no {level} {decision.label!r}")
    _merge(resolution, level, merges)


def _one_join_each(resolution: Resolution, level: str, joins: Sequence[Decision]) -> dict[str, Decision]:
    """The join of each group, unless decisions differ about it."""
    by_group: dict[str, list[Decision]] = {}
    for decision in joins:
        by_group.setdefault(resolution.meant(level, decision.label), []).append(decision)
    chosen: dict[str, Decision] = {}
    for key, group in sorted(by_group.items()):
        if len({(d.act, label_key(d.to)) for d in group}) > 1:
            why = f"{group[0].label!r} is given different names or joins"
            resolution.outcomes.note_each("conflicting", group, why)
        else:
            resolution.outcomes.note_each("no_op", group[1:], "another decision does the same")
            chosen[key] = group[0]
    return chosen


def _respell(resolution: Resolution, level: str, renames: dict[str, Decision]) -> None:
    """Renames that change no more than case or spaces."""
    for key, decision in list(renames.items()):
        if label_key(decision.to) == label_key(decision.label):
            changed = resolution.name_of[level, key] != decision.to
            resolution.name_of[level, key] = decision.to
            resolution.outcomes.note("applied" if changed else "no_op", decision)
            del renames[key]


def _refuse_taken_names(resolution: Resolution, level: str, renames: dict[str, Decision]) -> None:
    """Refuse renames to a name that another group keeps, once had by a rename, or is also renamed to.

    A refused rename keeps its own name, which may refuse another one: repeat until none is left.
    """
    here = {key for at, key in resolution.name_of if at == level}
    while True:
        wanted = Counter(label_key(decision.to) for decision in renames.values())
        gone = renames.keys() | {key for at, key in resolution.goes_to if at == level}
        refused = {
            key: decision
            for key, decision in renames.items()
            if (target := label_key(decision.to)) in here - gone
            or f"\0{target}" in here
            or wanted[target] > 1
        }
        if not refused:
            return
        for key, decision in refused.items():
            why = f"another {level} has the name {decision.to!r}; merge instead"
            resolution.outcomes.note("conflicting", decision, why)
            del renames[key]


def _rename(resolution: Resolution, level: str, renames: dict[str, Decision]) -> None:
    """A renamed group gets a key of its own, so that names may swap."""
    for key, decision in renames.items():
        new = f"\0{label_key(decision.to)}"
        resolution.goes_to[level, key], resolution.name_of[level, new] = new, decision.to
        if (level, key) in resolution.place_of:
            resolution.place_of[level, new] = resolution.place_of[level, key]
        resolution.renamed_from[level, new] = key
        resolution.outcomes.note("applied", decision)


def _merge(resolution: Resolution, level: str, merges: dict[str, Decision]) -> None:
    for key, decision in sorted(merges.items(), key=lambda item: item[1].id):
        target = resolution.meant(level, decision.to)
        if (level, target) not in resolution.name_of:
            resolution.outcomes.note("stale", decision, f"there is no {level} {decision.to!r} to join")
            continue
        end = resolution.final(level, target)
        if end == resolution.final(level, key):
            resolution.outcomes.note("conflicting", decision, "merges go round in a circle")
        else:
            resolution.goes_to[level, resolution.final(level, key)] = end
            resolution.outcomes.note("applied", decision)
