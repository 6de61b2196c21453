"""Evidence: what a language model answered about a proposal, one JSON object per line, replayed without asking again.

    {"ask": "name", "level": "group", "members": ["otter", "seal"], "answer": "sea mammal", "model": "m", "date":
    "2026-03-01T10:00:00Z"}
    {"ask": "place", "level": "label", "label": "walrus", "members": ["otter", "seal"], "choices": ["bus", "otter"],
    "answer": "otter", "model": "m", "date": "2026-03-01T10:00:00Z"}

Groups are known by the labels that stood in them, never by their names, which change: a line still says something after
another clustering, as far as those labels are still together. It is a voice, not a decision: people's decisions come
after it, and what the data say or people named stays.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Literal, TypeVar

from cairnhub.core.errors import BadInput
from cairnhub.core.line_files import append_line, followed
from cairnhub.core.parse import FORBID, parse_json, read_text, typed
from cairnhub.core.text import CONTROL, label_key
from cairnhub.hierarchies.label_tree.label_rules import check_names
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, GroupEntry, LabelEntry, TreeProposal, TypeEntry

Ask = Literal["name", "place"]
Entry = TypeVar("Entry", LabelEntry, TypeEntry)
CONFIDENCE = 0.6
"""Of a place that a language model gave; what is surer already is not moved."""
GIVEN = "given"
"""Why a group has its name where the data or a person named it: it keeps it, and what they put below it stays there."""
_ALIKE = 0.5  # Jaccard index from which a group is the one that was named; share of members that tell a place
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")  # of one form, so that text order is time order


@dataclass(frozen=True)
class Evidence:
    """One answer. Labels are compared by `label_key`, so case and spaces do not matter.

    Attributes:
        ask: `name`, what a group is called, or `place`, which group a label belongs to.
        level: of the group that is named, or of the label that is placed: `type` where types place the labels.
        answer: the name, or the chosen one of `choices`.
        members: labels (or types) of the named group, all of them; of the chosen group, some typical ones.
        model: who answered.
        date: when, UTC, as 2026-03-01T10:00:00Z.
        label: what is placed.
        choices: names of the groups that it was asked about.
    """

    __pydantic_config__ = FORBID

    ask: Ask
    level: str
    answer: str
    members: tuple[str, ...]
    model: str
    date: str
    label: str = ""
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in (self.answer, *self.members, *self.choices, *((self.label,) if self.label else ())):
            check_names([text], self.level)
        if not self.members:
            raise BadInput("'members' is empty: nothing tells which group is meant")
        if not self.model or CONTROL.search(self.model):
            raise BadInput("'model' is empty or unprintable")
        if not _DATE.fullmatch(self.date):
            raise BadInput("'date' is not of the form 2026-03-01T10:00:00Z")
        if (self.ask == "place") != bool(self.label) or (self.ask == "place") != bool(self.choices):
            raise BadInput("'label' and 'choices' belong to 'place', and to nothing else")
        if self.choices and self.answer not in self.choices:
            raise BadInput(f"'answer' {self.answer[:100]!r} is none of 'choices'")

    @property
    def keys(self) -> frozenset[str]:
        """Keys of the members."""
        return frozenset(map(label_key, self.members))

    @property
    def place(self) -> tuple[str, str]:
        """What is placed: its level and its key."""
        return self.level, label_key(self.label)

    def to_line(self) -> str:
        """One line of JSON with a fixed order of keys; empty fields are left out."""
        order = ("ask", "level", "label", "members", "choices", "answer", "model", "date")
        fields = asdict(self)
        return json.dumps({key: fields[key] for key in order if fields[key]}, ensure_ascii=False)


def read_evidence(path: Path) -> list[Evidence]:
    """All lines of a file; a missing one holds none.

    Raises:
        CairnError: a line cannot be understood; names file and line. None is skipped: another tree would come out.
    """
    if not followed(path).exists():
        return []
    lines = enumerate(read_text(path).split("\n"), start=1)
    wheres = [(line, f"{path}:{number}") for number, line in lines if line.strip()]
    return [typed(Evidence, parse_json(line, where), where) for line, where in wheres]


def append_evidence(path: Path, line: Evidence) -> None:
    """Add one line, as `append_line` does.

    Raises:
        Unreachable: another process holds the lock.
    """
    append_line(path, line.to_line())


def with_evidence(proposal: TreeProposal, evidence: Iterable[Evidence]) -> TreeProposal:
    """The proposal with what was answered: labels placed first, then groups named by the members that they now have.

    The order of the lines does not matter: of several about one thing the latest counts, of one date the last by text.

    Args:
        proposal: before any decision.
        evidence: of any age; what no longer fits says nothing.
    """
    lines = sorted(set(evidence), key=lambda line: (line.date, line.to_line()))
    if not lines:
        return proposal
    placed = _placed(proposal, [line for line in lines if line.ask == "place"])
    for level in proposal.levels[1:]:
        placed = _named(placed, level, [line for line in lines if line.ask == "name" and line.level == level])
    return placed


def members_of(proposal: TreeProposal, level: str) -> dict[str, list[str]]:
    """Per group of a level that has any: the types, and the labels with a place of their own, at or below it."""
    above = {name: path[level] for name, path in _paths(proposal).items()}
    members: dict[str, list[str]] = {}
    for entry in proposal.types:
        members.setdefault(above[entry.group], []).append(entry.text)
    for label in proposal.labels:
        if label.group is not None:
            members.setdefault(above[label.group], []).append(label.label)
    return members


def lines_of_groups(members: Mapping[str, Sequence[str]], lines: Iterable[Evidence]) -> dict[str, Evidence]:
    """The last line that speaks of each group: what both have in common is half of what either has, at least."""
    home = {label_key(text): name for name, texts in members.items() for text in texts}
    sizes, found = Counter(home.values()), {}
    for line in lines:
        shared = Counter(home[key] for key in line.keys if key in home)
        alike = {name: n / (len(line.keys) + sizes[name] - n) for name, n in shared.items()}
        likeness, name = min(((-value, name) for name, value in alike.items()), default=(0.0, ""))
        if -likeness >= _ALIKE:
            found[name] = line
    return found


def known_above(proposal: TreeProposal) -> dict[str, frozenset[tuple[str, str]]]:
    """Per group of the first level, what is given above it: what stands in the group may only move below the same."""
    given = {(group.level, group.name) for group in proposal.groups if group.why == GIVEN}
    above = proposal.levels[2:]
    return {
        name: frozenset(given.intersection((level, path[level]) for level in above))
        for name, path in _paths(proposal).items()
    }


def _paths(proposal: TreeProposal) -> dict[str, dict[str, str]]:
    """Per group of the first level, its name and those above it, by level."""
    paths = {}
    for group in proposal.of_level(proposal.levels[1]):
        path, name = {}, group.name
        for level in proposal.levels[1:]:
            path[level] = name
            name = proposal.parent_of[Node(level, name)]
        paths[group.name] = path
    return paths


# ---- places -----------------------------------------------------------------------------------------------------


def _placed(proposal: TreeProposal, lines: Sequence[Evidence]) -> TreeProposal:
    """Things moved, all at once, to the group that holds most of what the chosen group held."""
    last = {line.place: line for line in lines}
    if not last:
        return proposal
    first = proposal.levels[1]
    home = {label_key(text): name for name, texts in members_of(proposal, first).items() for text in texts}
    known = known_above(proposal)

    def moved(entry: Entry, place: tuple[str, str]) -> Entry:
        line = last.get(place)
        if line is None or entry.group is None or entry.confidence >= CONFIDENCE:
            return entry
        group = _home_of(line, home)
        if group is None or not known[entry.group] <= known[group]:
            return entry
        second = entry.second if group == entry.group else entry.group
        return replace(entry, group=group, second=second, confidence=CONFIDENCE, why=f"{line.model} says so")

    types = tuple(moved(entry, (TYPE, label_key(entry.text))) for entry in proposal.types)
    labels = tuple(moved(entry, (proposal.levels[0], label_key(entry.label))) for entry in proposal.labels)
    return _without_emptied(proposal, replace(proposal, types=types, labels=labels))


def _home_of(line: Evidence, home: Mapping[str, str]) -> str | None:
    """The group with most of a line's members, if it has half of them."""
    shared = Counter(home[key] for key in line.keys if key in home)
    n, group = min(((-n, name) for name, n in shared.items()), default=(0, ""))
    return group if group and -n >= _ALIKE * len(line.keys) else None


def _without_emptied(before: TreeProposal, after: TreeProposal) -> TreeProposal:
    """Without the groups, on any level, that everything left."""
    emptied = {
        Node(level, name)
        for level in before.levels[1:]
        for name in members_of(before, level).keys() - members_of(after, level).keys()
    }
    groups = tuple(group for group in after.groups if Node(group.level, group.name) not in emptied)
    gone = {node.name for node in emptied if node.level == before.levels[1]}
    return _with_groups(after, groups, dict.fromkeys(gone, ""))


# ---- names ------------------------------------------------------------------------------------------------------


def _named(proposal: TreeProposal, level: str, lines: Sequence[Evidence]) -> TreeProposal:
    """Groups of a level called as was answered; where two would have one name, the second in order keeps its own."""
    found = lines_of_groups(members_of(proposal, level), lines)
    groups = {group.name: group for group in proposal.of_level(level)}
    found = {name: line for name, line in sorted(found.items()) if groups[name].why != GIVEN}
    taken = {label_key(name) for name in groups.keys() - found.keys()}
    renamed: dict[str, GroupEntry] = {}
    for name, line in found.items():
        wanted = chain((line.answer, name), (f"{name} {i}" for i in count(2)))
        new = next(free for free in wanted if label_key(free) not in taken)
        taken.add(label_key(new))
        why = f"named by {line.model}" if new == line.answer else groups[name].why
        renamed[name] = replace(groups[name], name=new, why=why)
    names = {name: group.name for name, group in renamed.items()}
    below = proposal.levels[proposal.levels.index(level) - 1]
    changed = []
    for group in proposal.groups:
        if group.level == level:
            changed.append(renamed.get(group.name, group))
        elif group.level == below:
            changed.append(replace(group, parent=names.get(group.parent, group.parent)))
        else:
            changed.append(group)
    return _with_groups(proposal, changed, names if level == proposal.levels[1] else {})


def _with_groups(
    proposal: TreeProposal, groups: Iterable[GroupEntry], names: Mapping[str, str]
) -> TreeProposal:
    """Other groups, in order, and new names of those of the first level wherever an entry has them."""

    def called(entry: Entry) -> Entry:
        group = None if entry.group is None else names.get(entry.group, entry.group)
        return replace(entry, group=group, second=names.get(entry.second, entry.second))

    rank = proposal.levels.index
    return replace(
        proposal,
        groups=tuple(sorted(groups, key=lambda group: (rank(group.level), group.name))),
        types=tuple(map(called, proposal.types)),
        labels=tuple(map(called, proposal.labels)),
    )
