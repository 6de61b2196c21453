"""Decisions: what a person said about a proposal, one JSON object per line, kept for ever.

    {"act": "move", "level": "type", "label": "keep", "to": "castle", "author": "ada", "date":
    "2026-03-01T10:00:00Z"}

`level` is where `label`, or each of `members`, stands: the level of the labels, that of a group, or `type` where types
place the labels. `to` is on the level above, but for the acts on a group itself.

| act          | what it says                                       | to                                  |
|--------------|----------------------------------------------------|-------------------------------------|
| accept       | they rightly stand there                           | their group                         |
| move         | they belong there; `members` may leave the group `label` | a group, which `kind` or `new` make |
| assign       | as move, for a label without a type among typed    | as for move                         |
| exclude      | they do not belong there, wherever else            | a group                             |
| unsure       | a person looked and cannot tell; `reason` says why |                                     |
| rename       | a group gets another name                          | its new name                        |
| merge        | a group is one with another                        | the one that it joins               |
| split        | `members`, of the level below, leave a group       | a group, as for move                |
| add_level    | a level above `level`, a group for each below it   | its name                            |
| remove_level | the groups of `level` go, all below gets their parents |                                 |
| undo         | takes back the decision `of`                       |                                     |

A group that an act makes stands under `kind`, a group of the level above it; `new` makes one on the coarsest level.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from cairnhub.core.errors import BadInput
from cairnhub.core.line_files import append_line, append_lines, followed
from cairnhub.core.parse import FORBID, parse_json, read_text, typed
from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.label_rules import check_names

Act = Literal[
    "rename",
    "move",
    "merge",
    "split",
    "assign",
    "accept",
    "exclude",
    "unsure",
    "add_level",
    "remove_level",
    "undo",
]
_MOST_REMEMBERED = 8  # files
_read_before: dict[Path, tuple[str, tuple["Decision", ...]]] = {}  # a file is read again after each act
_MERGE_MARKS = ("<<<<<<<", "=======", ">>>>>>>")
_PLACES = ("move", "assign", "accept", "exclude")  # acts on one thing or on several
_ONE_OR_SEVERAL = ("accept", "exclude", "unsure")  # those that are about `label` or about `members`


@dataclass(frozen=True)
class Decision:
    """One human act. Labels are compared by `label_key`, so case and spaces do not matter.

    Attributes:
        act: what is done; see the table of this module.
        level: where `label` and `members` stand; for a split, where the group stands.
        label: the label, type or group it is about; beside `members` of a move the group that they leave.
        to: a group or a new name.
        kind: the parent of a group that this decision makes.
        members: several things, in place of `label`; or what a split takes out.
        new: whether `to` is made on the coarsest level, where a group has no parent.
        of: id of the decision that an undo takes back.
        author: who decided.
        date: when, ISO 8601.
        reason: why.
        seen: fingerprint of what the reviewer saw (`seen_fingerprint`).
    """

    __pydantic_config__ = FORBID

    act: Act
    level: str = ""
    label: str = ""
    to: str = ""
    kind: str = ""
    members: tuple[str, ...] = ()
    of: str = ""
    author: str = ""
    date: str = ""
    reason: str = ""
    seen: str = ""
    new: bool = False

    def __post_init__(self) -> None:
        if self.act not in get_args(Act):
            raise BadInput(f"unknown act {self.act!r}; the acts are {', '.join(get_args(Act))}")
        for text in filter(None, (self.label, self.to, self.kind, *self.members)):
            check_names([text], self.level)
        for field in self._needed():
            if not getattr(self, field):
                raise BadInput(f"{self.act} needs {field!r}")
        if self.act in _ONE_OR_SEVERAL and self.label and self.members:
            raise BadInput(f"{self.act} is about 'label' or about 'members', not both")

    def _needed(self) -> tuple[str, ...]:
        if self.act == "undo":
            return ("of",)
        if self.act == "remove_level":
            return ("level",)
        if self.act == "add_level":
            return ("level", "to")
        things = "members" if self.members else "label"
        if self.act == "unsure":
            return ("level", things)
        if self.act in _PLACES:
            return ("level", things, "to")
        return ("level", "label", "to", *(("members",) if self.act == "split" else ()))

    @property
    def things(self) -> tuple[str, ...]:
        """What a move, an assign, an accept, an exclude or an unsure is about."""
        return self.members or (self.label,)

    @cached_property
    def id(self) -> str:
        """Twelve hex digits of the SHA-256 of the line; equal decisions are one."""
        return hashlib.sha256(self.to_line().encode()).hexdigest()[:12]

    def to_line(self) -> str:
        """One line of JSON with a fixed order of keys; empty fields are left out."""
        return json.dumps({key: value for key, value in asdict(self).items() if value}, ensure_ascii=False)

    @classmethod
    def from_line(cls, line: str, where: str) -> "Decision":
        """Parse one line; `where` (file:line) is for the message.

        Raises:
            CairnError: not JSON (cut in half?), an unknown key, or a field that does not fit.
        """
        if line.startswith(_MERGE_MARKS):
            raise BadInput(
                f"{where}: a mark of an unfinished git merge; keep the decisions of both sides, remove the marks"
            )
        return typed(cls, parse_json(line, where), where)


def seen_fingerprint(*shown: str) -> str:
    """Twelve hex digits for what a reviewer was shown, so that one can tell later whether it has changed."""
    text = json.dumps([label_key(part) for part in shown], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_decisions(*paths: Path) -> list[Decision]:
    """Read decision files (or folders of `*.jsonl`); a missing file holds none.

    Raises:
        CairnError: a line cannot be understood; the message names file and line. Nothing is skipped, for
            a tree without that decision would be wrong.
    """
    decisions: list[Decision] = []
    for path in paths:
        files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        for file in files:
            if followed(file).exists():
                decisions += _decisions_of(file)
    return decisions


def _decisions_of(file: Path) -> Sequence[Decision]:
    """All decisions of a file; of one that grew since it was read last, only the new lines are parsed."""
    text, (read, decisions) = read_text(file), _read_before.get(file, ("", ()))
    if not text.startswith(read):
        read, decisions = "", ()
    n_lines = read.count("\n")
    fresh = [
        Decision.from_line(line, f"{file}:{number}")
        for number, line in enumerate(text[len(read) :].split("\n"), start=n_lines + 1)
        if line.strip()
    ]
    decisions = (*decisions, *fresh)
    if len(_read_before) >= _MOST_REMEMBERED:
        _read_before.clear()
    if text.endswith("\n"):
        _read_before[file] = text, decisions
    return decisions


def append_decision(
    path: Path, decision: Decision, check: Callable[[Sequence[Decision]], None] = lambda others: None
) -> list[Decision]:
    """Add one line to a decision file, as `append_line` does.

    Args:
        path: the file; made if missing.
        decision: what to add.
        check: called with the decisions that the file holds now; what it raises stops the writing.

    Returns:
        All decisions of the file, the new one last.

    Raises:
        CairnError: the file cannot be understood, or another process holds it.
    """
    others: list[Decision] = []

    def read_and_check(file: Path) -> None:
        others.extend(read_decisions(file))
        check(others)

    append_line(path, decision.to_line(), read_and_check)
    return [*others, decision]


def append_decisions(
    path: Path, choose: Callable[[Sequence[Decision]], Sequence[Decision]]
) -> Sequence[Decision]:
    """Add several lines to a decision file, all or none, as `append_lines` does.

    Args:
        path: the file; made if missing.
        choose: called with the decisions that the file holds now; gives those to add. What it raises stops the writing.

    Returns:
        What was added.

    Raises:
        CairnError: the file cannot be understood, or another process holds it.
    """
    added: list[Decision] = []

    def lines(file: Path) -> list[str]:
        added.extend(choose(read_decisions(file)))
        return [decision.to_line() for decision in added]

    append_lines(path, lines)
    return added
