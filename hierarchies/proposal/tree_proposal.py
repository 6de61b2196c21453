"""A machine-made tree of any depth, with a confidence and a reason for each place, as values and as a file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cairnhub.core.collector import collector_paused
from cairnhub.core.errors import BrokenData, NewerFormat, NotFound
from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import FORBID, parse_json, read_text, typed
from cairnhub.core.text import label_key, quoted
from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.model_record import ModelRecord

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

SCHEMA = 2
TYPE = "type"  # what decisions call the level of the types; no level of the tree


@dataclass(frozen=True)
class TypeEntry:
    """A type (such as `truss bridge`) that places every label of it.

    Attributes:
        text: the type as the source writes it; of several spellings the first in code point order.
        spellings: all texts that are this type but for case and spaces.
        group: name of the proposed group on the first level above the labels.
        confidence: that the group is right, 0..1.
        why: the words or neighbours that decided.
        second: the next best group, or `""`.
        neighbours: the most similar other types.
        source: `mined` where the type's own words or superclasses tell the group, `cluster` where similarity does.
        weight: how much it matters: labels (or images) of this type.
    """

    __pydantic_config__ = FORBID

    text: str
    spellings: tuple[str, ...]
    group: str
    confidence: float
    why: str = ""
    second: str = ""
    neighbours: tuple[str, ...] = ()
    source: str = "mined"
    weight: float = 1.0


@dataclass(frozen=True)
class LabelEntry:
    """A label, and the group proposed for it or the type that places it.

    Attributes:
        label: as its source writes it; unique.
        type: text of its type, or None.
        group: name of its group on the first level above, None where its type tells.
        confidence: that the group is right, 0..1.
        source: `text`, `assigned` by words of its name, `known` where the data say it, `named` where it went to a group
            that a person named; or that of the type.
        why: what decided.
        second: the next best group, or `""`.
        neighbours: the labels most like it, nearest first; ten at most.
        likeness: the cosine with each of them.
        meaning: what the label was taken for, `""` where its words say nothing known.
        n_images: images of this label; 1 where they were not counted.
        dispute: what speaks for another group, where words and photographs disagree; else `""`.
    """

    __pydantic_config__ = FORBID

    label: str
    type: str | None = None
    group: str | None = None
    confidence: float = 1.0
    source: str = "text"
    why: str = ""
    second: str = ""
    neighbours: tuple[str, ...] = ()
    likeness: tuple[float, ...] = ()
    meaning: str = ""
    n_images: int = 1
    dispute: str = ""


@dataclass(frozen=True)
class GroupEntry:
    """A group above the labels.

    Attributes:
        level: which level it is on.
        name: unique on its level.
        parent: name of its group on the next level; `""` on the coarsest.
        confidence: that the parent is right, 0..1.
        why: where the name comes from.
    """

    __pydantic_config__ = FORBID

    level: str
    name: str
    parent: str = ""
    confidence: float = 1.0
    why: str = ""


@dataclass(frozen=True)
class TreeProposal:
    """Groups for labels on every level, before any human decision.

    Attributes:
        levels: fine to coarse; the first is that of the labels.
        labels: sorted; where there are none, the types are the labels.
        groups: level by level, fine to coarse, sorted by name.
        types: sorted; none where labels have places of their own.
        models: what vectors and senses came from, by hash.
        notes: what a person should know: labels that say nothing, what is not installed.
    """

    __pydantic_config__ = FORBID

    levels: tuple[str, ...]
    labels: tuple[LabelEntry, ...]
    groups: tuple[GroupEntry, ...]
    types: tuple[TypeEntry, ...] = ()
    models: tuple[ModelRecord, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def parent_of(self) -> Mapping[Node, str]:
        """Parent of every group by level and name."""
        return {Node(group.level, group.name): group.parent for group in self.groups}

    @cached_property
    def group_of(self) -> Mapping[str, str]:
        """Name of the group of every text of a type."""
        return {text: entry.group for entry in self.types for text in entry.spellings}

    @cached_property
    def places(self) -> dict[tuple[str, str], str]:
        """Key of the group above per (level, key): of groups, types, and labels that have places of their own."""
        places = {(g.level, label_key(g.name)): label_key(g.parent) for g in self.groups if g.parent}
        places |= {(TYPE, label_key(entry.text)): label_key(entry.group) for entry in self.types}
        finest, key_of = (
            self.levels[0],
            {name: label_key(name) for name in {e.group or "" for e in self.labels}},
        )
        for key, entry in zip(self.label_keys, self.labels, strict=True):
            if entry.group is not None:
                places[finest, key] = key_of[entry.group]
        return places

    @cached_property
    def label_keys(self) -> tuple[str, ...]:
        """Key of every label, in their order."""
        return tuple(label_key(entry.label) for entry in self.labels)

    @cached_property
    def row_of_label(self) -> Mapping[str, int]:
        """Row of every label by its key."""
        return {key: row for row, key in enumerate(self.label_keys)}

    @cached_property
    def neighbour_graph(self) -> "csr_matrix":
        """How much each label is like its nearest ones, rows that sum to 1 (or 0), (n_labels, n_labels)."""
        from scipy.sparse import csr_matrix

        row_of = {entry.label: row for row, entry in enumerate(self.labels)}
        rows, columns, likeness = [], [], []
        for row, entry in enumerate(self.labels):
            for neighbour, alike in zip(entry.neighbours, entry.likeness, strict=False):
                rows.append(row)
                columns.append(row_of[neighbour])
                likeness.append(max(alike, 0.0))
        values = np.array(likeness, np.float64)
        sums = np.bincount(rows, values, minlength=len(self.labels)) if rows else np.zeros(len(self.labels))
        scaled = values / np.where(sums[rows] > 0, sums[rows], 1.0) if rows else values
        return csr_matrix((scaled, (rows, columns)), (len(self.labels),) * 2)

    def of_level(self, level: str) -> tuple[GroupEntry, ...]:
        """The groups of a level, by name."""
        return tuple(group for group in self.groups if group.level == level)

    def tree(self) -> LabelTree:
        """The proposal as a tree, with confidence and source of each label's place."""
        finest, rows, info = self.levels[0], [], {}
        entries = self.labels or tuple(
            LabelEntry(entry.text, None, entry.group, entry.confidence, entry.source) for entry in self.types
        )
        for entry in entries:
            path = [entry.label, entry.group or self.group_of[entry.type or ""]]
            for level in self.levels[1:-1]:
                path.append(self.parent_of[Node(level, path[-1])])
            rows.append(path)
            info[Node(finest, entry.label)] = NodeInfo(confidence=entry.confidence, source=entry.source)
        table = pd.DataFrame(rows, columns=list(self.levels))
        return LabelTree.from_table(table, self.levels).with_info(info)

    def to_json(self) -> str:
        """JSON with a stable key order, one entry a line."""
        head = {
            "format": "cairn-proposal",
            "schema": SCHEMA,
            "levels": self.levels,
            "models": [asdict(model) for model in self.models],
            "notes": self.notes,
        }
        lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
        for key in ("groups", "types", "labels"):
            listed = ",\n".join(_line(entry) for entry in getattr(self, key))
            lines.append(f"{json.dumps(key)}: [\n{listed}\n]")
        return "{" + ",\n".join(lines) + "}\n"

    def save(self, path: Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        write_text_atomic(Path(path), self.to_json())

    @classmethod
    @collector_paused()
    def load(cls, path: Path) -> "TreeProposal":
        """Read what `save` wrote.

        Raises:
            NotFound: there is no such file.
            BrokenData: it is another file, or not whole, or of another schema.
        """
        path = Path(path)
        if not path.is_file():
            raise NotFound(f"{path}: no proposal; run the cluster stage, or `cairn tree propose --reasons`")
        content = parse_json(read_text(path), str(path))
        found = {}
        if isinstance(content, dict):
            found = {key: content.pop(key, None) for key in ("format", "schema")}
        if isinstance(schema := found.get("schema"), int) and schema > SCHEMA:
            raise NewerFormat(f"{path}: schema {schema}, this Cairn reads up to {SCHEMA}: upgrade Cairn")
        if found != {"format": "cairn-proposal", "schema": SCHEMA}:
            raise BrokenData(f"{path}: not a proposal of schema {SCHEMA}; run the cluster stage again")
        proposal = typed(cls, content, str(path))
        proposal.check(str(path))
        return proposal

    def check(self, origin: str) -> None:
        """Raise `BrokenData` if an entry names a group or a type that the proposal does not have."""
        known = {(group.level, group.name) for group in self.groups} | {
            (TYPE, text) for entry in self.types for text in entry.spellings
        }
        if len(self.levels) < 2:
            raise BrokenData(f"{origin}: a tree needs two levels; run the cluster stage again")
        first = self.levels[1]
        above = dict(zip(self.levels[1:], self.levels[2:], strict=False))
        named = [(first, entry.group) for entry in self.types]
        named += [(above[group.level], group.parent) for group in self.groups if group.level in above]
        for entry in self.labels:
            if entry.group is None and entry.type is None:
                raise BrokenData(f"{origin}: {entry.label[:100]!r} has neither type nor group; rebuild it")
            named += [(first, entry.group)] if entry.group is not None else []
            named += [(TYPE, entry.type)] if entry.type is not None else []
        if unknown := sorted({name for level, name in named if (level, name) not in known}):
            raise BrokenData(
                f"{origin}: no group or type is called {quoted(unknown)}; run the cluster stage again"
            )


def _line(entry: GroupEntry | TypeEntry | LabelEntry) -> str:
    """An entry as JSON, without what says nothing."""
    said = {key: value for key, value in asdict(entry).items() if value not in (None, "", ())}
    return json.dumps(said, ensure_ascii=False)
