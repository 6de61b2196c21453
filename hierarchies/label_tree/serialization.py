"""Trees as tables of nodes, as networkx graphs and as JSON, and back to links."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from cairnhub.core.errors import BadInput, BrokenData, NewerFormat
from cairnhub.core.parse import FORBID, parse_json, typed
from cairnhub.core.text import quoted
from cairnhub.hierarchies.label_tree.label_rules import Twins
from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
from cairnhub.hierarchies.label_tree.tree_rules import MAX_NODES, ROOT, IntArray, Links

if TYPE_CHECKING:
    import networkx as nx

SCHEMA = 1
Names = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class _Entry:
    """One line of a tree file; see `Node` and `NodeInfo`. `index` is the class index, where it is not by name."""

    __pydantic_config__ = FORBID

    level: str
    name: str
    parent: str
    index: Annotated[int, Field(ge=0, lt=2**63, strict=True)] | None = None
    n_images: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    source: str | None = None
    status: str | None = None

    @property
    def info(self) -> NodeInfo:
        return NodeInfo(self.n_images, self.confidence, self.source, self.status)


@dataclass(frozen=True)
class _File:
    __pydantic_config__ = FORBID

    format: str
    schema: int
    levels: tuple[str, ...]
    nodes: list[_Entry]
    twins: Twins = "refuse"


class TreeFile(NamedTuple):
    """What a tree file says.

    Attributes:
        levels: fine -> coarse.
        links: (label, parent) pairs per level.
        info: counts, confidence and provenance of some nodes.
        orders: the names by class index, of levels that state one.
        twins: whether labels of a level may differ only in case, spaces or Unicode form.
    """

    levels: tuple[str, ...]
    links: list[Links]
    info: dict[Node, NodeInfo]
    orders: dict[str, list[str]]
    twins: Twins


def node_table(levels: Sequence[str], names: Names, parents: Sequence[IntArray]) -> pd.DataFrame:
    """The table that `LabelTree.nodes` describes."""
    rows: list[pd.DataFrame] = []
    start, above = 0, np.array([-1], dtype=np.int64)
    all_levels = [*levels, ROOT]
    all_names = [*names, (ROOT,)]
    all_parents = [*parents, np.zeros(len(names[-1]), np.int64), np.zeros(1, np.int64)]
    for depth in range(len(all_levels)):
        level, here, parent = all_levels[-1 - depth], all_names[-1 - depth], all_parents[-1 - depth]
        ids = np.arange(start, start + len(here), dtype=np.int64)
        parent_ids = above[parent]
        above, start = ids, start + len(here)
        rows.append(
            pd.DataFrame(
                {
                    "node_id": ids,
                    "level": level,
                    "depth": np.int64(depth),
                    "name": pd.array(here, dtype="str"),
                    "class_index": np.arange(len(here), dtype=np.int64),
                    "parent_id": pd.array(parent_ids, dtype="Int64"),
                }
            )
        )
    frame = pd.concat(rows, ignore_index=True)
    frame.loc[0, "parent_id"] = pd.NA
    return frame


def graph_of_nodes(levels: Sequence[str], names: Names, parents: Sequence[IntArray]) -> "nx.DiGraph[Node]":
    """The graph that `LabelTree.graph` describes."""
    import networkx as nx

    graph: nx.DiGraph[Node] = nx.DiGraph()
    for name in names[-1]:
        graph.add_edge(Node(ROOT, ROOT), Node(levels[-1], name))
    for rank in range(len(levels) - 2, -1, -1):
        above = [Node(levels[rank + 1], name) for name in names[rank + 1]]
        below = (Node(levels[rank], name) for name in names[rank])
        graph.add_edges_from((above[p], child) for p, child in zip(parents[rank], below, strict=True))
    return graph


def links_of_nodes(frame: pd.DataFrame) -> tuple[tuple[str, ...], list[list[tuple[str, str]]]]:
    """Levels, and (label, parent) pairs per level, of a table of nodes; raises where it is no such table."""
    missing = {"node_id", "level", "depth", "name", "parent_id"} - set(frame.columns)
    if missing:
        raise BadInput(f"the node table lacks the columns {quoted(sorted(missing))}")
    for column in ("node_id", "depth"):
        if not pd.api.types.is_integer_dtype(frame[column]) or frame[column].isna().any():
            raise BadInput(
                f"the node table's column {column!r} must hold a whole number in every row; mend it"
            )
    if frame[["level", "name"]].isna().any(axis=None):
        raise BadInput("the node table has a row without level or name; give it one, or leave the row out")
    if frame["node_id"].duplicated().any():
        raise BadInput("the node table repeats a node_id; each node needs its own")
    if frame.empty or (frame["depth"] == 0).sum() != 1:
        raise BadInput("the node table needs exactly one row of depth 0, the root")
    by_depth = frame[frame["depth"] > 0].groupby("depth")["level"].unique()
    if [len(names_of_depth) for names_of_depth in by_depth] != [1] * len(by_depth) or list(
        by_depth.index
    ) != list(range(1, len(by_depth) + 1)):
        raise BadInput("the node table needs one level name per depth, from 1 on")
    levels = tuple(str(names_of_depth[0]) for names_of_depth in reversed(list(by_depth)))
    place = {
        i: (d, n) for i, d, n in zip(frame["node_id"], frame["depth"], frame["name"].astype(str), strict=True)
    }
    links: list[list[tuple[str, str]]] = [[] for _ in levels]
    for child, above in zip(
        frame["node_id"], pd.to_numeric(frame["parent_id"], errors="coerce"), strict=True
    ):
        depth, name = place[child]
        if depth == 0:
            continue
        if pd.isna(above) or place.get(above, (-1, ""))[0] != depth - 1:
            raise BadInput(f"the parent of {name!r} is not on the level above; check its parent_id")
        links[len(levels) - depth].append((name, ROOT if depth == 1 else place[above][1]))
    return levels, links


def write_json(
    levels: Sequence[str],
    names: Names,
    parents: Sequence[IntArray],
    info: Mapping[Node, NodeInfo],
    twins: Twins = "refuse",
) -> str:
    """The text that `LabelTree.to_json` describes."""
    lines = [json.dumps(entry, ensure_ascii=False) for entry in _entries(levels, names, parents, info)]
    head = {"format": "cairn-tree", "schema": SCHEMA, "levels": list(levels)}
    if twins != "refuse":
        head["twins"] = twins
    start = json.dumps(head, ensure_ascii=False)[:-1] + ', "nodes": [\n'
    return start + ",\n".join(lines) + "\n]}\n"


def _entries(
    levels: Sequence[str], names: Names, parents: Sequence[IntArray], info: Mapping[Node, NodeInfo]
) -> Iterator[dict[str, str | int | float]]:
    for rank in range(len(levels) - 1, -1, -1):
        level, top = levels[rank], rank == len(levels) - 1
        by_name = sorted(range(len(names[rank])), key=names[rank].__getitem__)
        is_by_name = by_name == list(range(len(by_name)))
        for i in by_name:
            name = names[rank][i]
            parent = ROOT if top else names[rank + 1][parents[rank][i]]
            known = asdict(info[Node(level, name)]) if Node(level, name) in info else {}
            place = {} if is_by_name else {"index": i}
            yield {"level": level, "name": name, "parent": parent, **place} | {
                key: value for key, value in known.items() if value is not None
            }


def parse_tree(text: str, origin: str) -> TreeFile:
    """What a tree file says.

    Raises:
        BrokenData: the text is no tree file; names the label or level.
        BadInput: it has more nodes than a tree may have.
    """
    if (n_objects := text.count("{")) > MAX_NODES:  # before a hundred bytes each are made of them
        raise BadInput(
            f"{origin}: {n_objects:,} nodes; a label tree has at most {MAX_NODES:,}: leave some out"
        )
    content = parse_json(text, origin)
    if not isinstance(content, dict) or content.get("format") != "cairn-tree":
        raise BrokenData(f"{origin}: not a label tree (no format 'cairn-tree'); give a tree.json")
    schema = content.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise NewerFormat(f"{origin}: schema {schema}, this Cairn reads up to {SCHEMA}: upgrade Cairn")
    if schema != SCHEMA:
        raise BrokenData(f"{origin}: schema {schema!r} is not {SCHEMA}; rebuild the tree")
    file = typed(_File, content, origin)
    links: dict[str, list[tuple[str, str]]] = {level: [] for level in file.levels}
    info: dict[Node, NodeInfo] = {}
    for entry in file.nodes:
        if entry.level not in links:
            raise BrokenData(
                f"{origin}: {quoted([entry.name])} is on level {quoted([entry.level])}; the levels are "
                f"{quoted(links)}: correct its level"
            )
        links[entry.level].append((entry.name, entry.parent))
        if (known := entry.info) != NodeInfo():
            info[Node(entry.level, entry.name)] = known
    orders = {
        level: _by_index(
            [(entry.index, entry.name) for entry in file.nodes if entry.level == level], level, origin
        )
        for level in {entry.level: None for entry in file.nodes if entry.index is not None}
    }
    return TreeFile(file.levels, [links[level] for level in links], info, orders, file.twins)


def orders_of_nodes(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Names per level by `class_index`, of a table of nodes; raises where it is no numbering."""
    below = frame[frame["depth"] > 0]
    return {
        str(level): _by_index(
            [
                (None if pd.isna(i) else i, n)
                for i, n in zip(rows["class_index"], rows["name"].astype(str), strict=True)
            ],
            str(level),
            "the node table",
        )
        for level, rows in below.groupby("level", sort=False)
    }


def _by_index(entries: Sequence[tuple[int | None, str]], level: str, origin: str) -> list[str]:
    """The names of a level in the order of their class indices, which run from 0 without a gap."""
    name_of = dict(entries)
    if name_of.keys() != set(range(len(entries))):
        raise BrokenData(
            f"{origin}: level {level!r}: class indices must run from 0 to {len(entries) - 1}, each once; mend them, or "
            "leave all of the level's out, then labels are numbered by name"
        )
    return [name_of[index] for index in range(len(entries))]
