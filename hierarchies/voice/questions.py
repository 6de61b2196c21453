"""What a proposal leaves open, as questions to a language model: names of groups that are guesses, doubtful places."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from cairnhub.core.errors import BadInput, CairnError
from cairnhub.core.parse import parse_json
from cairnhub.core.text import CONTROL, label_key, quoted
from cairnhub.hierarchies.proposal.group_names import is_guess
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, LabelEntry, TreeProposal, TypeEntry
from cairnhub.hierarchies.voice.model_evidence import (
    GIVEN,
    Ask,
    Evidence,
    known_above,
    lines_of_groups,
    members_of,
)

MAX_NAME_LENGTH = 60
"""Of a group's name in characters: what is longer is a sentence."""
_N_SHOWN = 40  # members of a group that is to be named
_N_CHOICES = 12  # groups that a label is held against; fewer where there are no more
_N_TYPICAL = 5  # members that tell what such a group is
_OBJECT = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True)
class Question:
    """One question, which needs nothing but labels and names of groups.

    Attributes:
        ask: what is asked.
        level: of the group that is to be named, or of the label that is to be placed.
        members: of the group that is to be named.
        others: what other groups of its level are called.
        label: what is to be placed.
        choices: groups that it may belong to, each with typical members.
    """

    ask: Ask
    level: str
    members: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    label: str = ""
    choices: Mapping[str, tuple[str, ...]] | None = None

    def prompt(self) -> str:
        """The question in words."""
        if self.choices is not None:
            groups = {name: list(members) for name, members in self.choices.items()}
            return (
                f"Groups of labels, each with some of its members:\n{_json(groups)}\nWhich of these groups does the "
                f'label {_json(self.label)} belong to? Answer with one JSON object: {{"answer": "<name of the group>"}}'
            )
        shown = self.members[:: -(-len(self.members) // _N_SHOWN)]
        return (
            f"These labels stand together in one group:\n{_json(shown)}\nOther groups are called:\n"
            f"{_json(self.others[:_N_SHOWN])}\nGive the group a name of one to three words that is true of all its "
            'labels and of no other group, in their language. Answer with one JSON object: {"answer": "<name>"}'
        )

    def evidence(self, content: str, model: str, date: str) -> Evidence:
        """What was answered, as a line to keep.

        Args:
            content: the answer; around its JSON object it may have said anything.
            model: who answered.
            date: when, as `Evidence` has it.

        Raises:
            BadInput: it is no JSON, none of the choices, or no name that a group can have.
        """
        answer = _answer_in(content)
        if self.choices is None:
            self._check_name(answer)
            return Evidence(self.ask, self.level, answer, self.members, model, date)
        chosen = {label_key(name): name for name in self.choices}.get(label_key(answer))
        if chosen is None:
            raise BadInput(f"{quoted([answer])} for {quoted([self.label])} is none of {quoted(self.choices)}")
        return Evidence(
            self.ask,
            self.level,
            chosen,
            self.choices[chosen],
            model,
            date,
            self.label,
            tuple(self.choices),
        )

    def _check_name(self, name: str) -> None:
        if not re.search(r"[^\W_]", name) or CONTROL.search(name):
            raise BadInput(f"{quoted([name])} is empty or unprintable")
        if len(name) > MAX_NAME_LENGTH:
            raise BadInput(f"{quoted([name])} is longer than {MAX_NAME_LENGTH} characters")
        if label_key(name) in set(map(label_key, self.others)):
            raise BadInput(f"{quoted([name])} is the name of another group")


def open_questions(proposal: TreeProposal, evidence: Sequence[Evidence], below: float) -> Iterator[Question]:
    """Questions that nobody answered yet: names level by level, largest group first; then places, least sure first.

    Args:
        proposal: before any decision.
        evidence: what was answered already.
        below: confidence from which a place is not doubted.
    """
    for level in proposal.levels[1:]:
        yield from _names(proposal, level, evidence)
    yield from _places(proposal, evidence, below)


def _names(proposal: TreeProposal, level: str, evidence: Iterable[Evidence]) -> Iterator[Question]:
    members = members_of(proposal, level)
    lines = [line for line in evidence if line.ask == "name" and line.level == level]
    answered = lines_of_groups(members, lines)
    groups = [group for group in proposal.of_level(level) if group.name in members]
    for group in sorted(groups, key=lambda group: (-len(members[group.name]), group.name)):
        if is_guess(group.why) and group.name not in answered and group.why != GIVEN:
            others = tuple(other.name for other in groups if other is not group)
            yield Question("name", level, tuple(members[group.name]), others)


def _places(proposal: TreeProposal, evidence: Iterable[Evidence], below: float) -> Iterator[Question]:
    answered = {line.place for line in evidence if line.ask == "place"}
    entries = _entries(proposal)
    typical = _typical(proposal, {key for _, key in answered})
    known = known_above(proposal)
    group_of = {label_key(_text(entry)): entry.group for entry in entries if entry.group is not None}
    sizes = Counter(group_of.values())
    by_size = sorted(typical, key=lambda name: (-sizes[name], name))
    doubted = [entry for entry in entries if entry.group is not None and entry.confidence < below]
    for entry in sorted(doubted, key=lambda entry: (entry.confidence, _text(entry))):
        level = TYPE if isinstance(entry, TypeEntry) else proposal.levels[0]
        text, group = _text(entry), entry.group or ""
        if (level, label_key(text)) in answered:
            continue
        near = (group_of.get(label_key(neighbour), "") for neighbour in entry.neighbours)
        ranked = dict.fromkeys(chain((group, entry.second), near, by_size))
        fitting = [name for name in ranked if name in typical and known[group] <= known[name]]
        choices = {name: _but(typical[name], text) for name in sorted(fitting[:_N_CHOICES])}
        choices = {name: members for name, members in choices.items() if members}
        if len(choices) > 1:
            yield Question("place", level, label=text, choices=choices)


def _typical(proposal: TreeProposal, moved: set[str]) -> dict[str, list[str]]:
    """Members of each group of the first level, the surest first; those that an answer placed come last."""
    members: dict[str, list[tuple[bool, float, str]]] = {}
    for entry in _entries(proposal):
        if entry.group is not None:
            rank = (label_key(_text(entry)) in moved, -entry.confidence, _text(entry))
            members.setdefault(entry.group, []).append(rank)
    return {name: [text for *_, text in sorted(ranks)[: _N_TYPICAL + 1]] for name, ranks in members.items()}


def _but(members: Sequence[str], label: str) -> tuple[str, ...]:
    """Typical members beside the label itself."""
    return tuple(text for text in members if text != label)[:_N_TYPICAL]


def _entries(proposal: TreeProposal) -> list[LabelEntry | TypeEntry]:
    return [*proposal.types, *proposal.labels]


def _text(entry: LabelEntry | TypeEntry) -> str:
    return entry.text if isinstance(entry, TypeEntry) else entry.label


def _answer_in(content: str) -> str:
    """The text of `answer` in the last JSON object of an answer; reasoning may stand before it."""
    for found in reversed(_OBJECT.findall(content)):
        try:
            told = parse_json(found, "answer")
        except CairnError:
            continue
        if isinstance(told, dict) and isinstance(told.get("answer"), str):
            return " ".join(told["answer"].split())
    raise BadInput(f"{quoted([content])} holds no JSON object with an answer")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
