"""A machine-made tree of any depth, with a confidence and a reason for each place, as values and as a file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData, NotFound
from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import FORBID, parse_json, read_text, typed
from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.model_record import ModelRecord

SCHEMA = 1


@dataclass(frozen=True)
class LabelEntry:
    """A label and the group proposed for it.

    Attributes:
        label: as its source writes it.
        group: name of its group on the first level above.
        confidence: that the group is right, 0..1.
        why: what decided.
        second: the next best group, or `""`.
        neighbours: the labels most like it, nearest first; ten at most.
        likeness: cosine with each of them.
        source: `text`, `known` where the data say it, `named` where it went to a group that a person named.
        meaning: what the label was taken for, `""` where its words say nothing known.
    """

    __pydantic_config__ = FORBID

    label: str
    group: str
    confidence: float
    why: str
    second: str
    neighbours: tuple[str, ...]
    source: str
    meaning: str
    likeness: tuple[float, ...] = ()


@dataclass(frozen=True)
class GroupEntry:
    """A group above the labels.

    Attributes:
        level: which level it is on.
        name: unique on its level.
        parent: name of its group on the next level; `""` on the coarsest.
        why: where the name comes from.
    """

    __pydantic_config__ = FORBID

    level: str
    name: str
    parent: str
    why: str


@dataclass(frozen=True)
class TreeProposal:
    """Groups for labels on every level, before any human decision.

    Attributes:
        levels: fine to coarse; the first is that of the labels.
        labels: sorted.
        groups: level by level, fine to coarse, sorted by name.
        models: what vectors and senses came from, by hash.
        notes: what a person should know: labels that say nothing, what is not installed.
    """

    __pydantic_config__ = FORBID

    levels: tuple[str, ...]
    labels: tuple[LabelEntry, ...]
    groups: tuple[GroupEntry, ...]
    models: tuple[ModelRecord, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def parent_of(self) -> Mapping[Node, str]:
        """Parent of every group by level and name."""
        return {Node(group.level, group.name): group.parent for group in self.groups}

    def tree(self) -> LabelTree:
        """The proposal as a tree, with confidence and source of each label's place."""
        rows = []
        for entry in self.labels:
            path = [entry.label, entry.group]
            for level in self.levels[1:-1]:
                path.append(self.parent_of[Node(level, path[-1])])
            rows.append(path)
        finest = self.levels[0]
        info = {
            Node(finest, entry.label): NodeInfo(confidence=entry.confidence, source=entry.source)
            for entry in self.labels
        }
        return LabelTree.from_table(pd.DataFrame(rows, columns=list(self.levels)), self.levels).with_info(
            info
        )

    def save(self, path: Path) -> None:
        """Write JSON with a stable key order, one entry a line."""
        head = {
            "schema": SCHEMA,
            "levels": self.levels,
            "models": [asdict(m) for m in self.models],
            "notes": self.notes,
        }
        lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
        for key, entries in (("groups", self.groups), ("labels", self.labels)):
            listed = ",\n".join(json.dumps(asdict(entry), ensure_ascii=False) for entry in entries)
            lines.append(f"{json.dumps(key)}: [\n{listed}\n]")
        write_text_atomic(path, "{" + ",\n".join(lines) + "}\n")

    @classmethod
    def load(cls, path: Path) -> "TreeProposal":
        """Read what `save` wrote.

        Raises:
            NotFound: there is no such file.
            BrokenData: it is another file, or not whole.
        """
        if not path.is_file():
            raise NotFound(f"{path}: no proposal; make one with `cairn tree propose`")
        content = parse_json(read_text(path), str(path))
        if not isinstance(content, dict) or content.pop("schema", None) != SCHEMA:
            raise BrokenData(f"{path}: not a proposal of schema {SCHEMA}; propose again")
        return typed(cls, content, str(path))
