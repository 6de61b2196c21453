"""A label tree: strict, with named levels from fine to coarse."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from cairnhub.core.errors import BadInput, CairnError, NotFound
from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import read_text
from cairnhub.core.text import fold, quoted
from cairnhub.hierarchies.label_tree.construction import links_of_parents, links_of_table, reordered
from cairnhub.hierarchies.label_tree.label_rules import Twins
from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
from cairnhub.hierarchies.label_tree.qualification import qualify
from cairnhub.hierarchies.label_tree.search import search
from cairnhub.hierarchies.label_tree.serialization import (
    graph_of_nodes,
    links_of_nodes,
    node_table,
    orders_of_nodes,
    parse_tree,
    write_json,
)
from cairnhub.hierarchies.label_tree.tree_rules import ROOT, IntArray, Links, strict_levels

if TYPE_CHECKING:
    import networkx as nx

INAT_LEVELS = ("species", "genus", "family", "order", "class", "phylum", "kingdom")


@dataclass(frozen=True, eq=False)
class LabelTree:
    """A strict tree: each node has one parent, each leaf has an ancestor on every level.

    Build one with `from_table`, `from_parents`, `from_inat`, `from_nodes` or `load`, which check the input. A label may
    be called `root`: the root of the tree is told from it by its level, which no other node has.

    Attributes:
        levels: level names, fine to coarse; the root stands above the last.
        names: per level, the names; a name's position is its class index. Built from data they are in code point
            order; `in_order` gives them another one, which files keep.
        parents: per level but the last, the class index on the next level of each node's parent.
        info: counts, confidence and provenance of some nodes.
        twins: whether labels of a level may differ only in case, spaces or Unicode form; most often a mistake.
    """

    levels: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    parents: tuple[IntArray, ...]
    info: Mapping[Node, NodeInfo] = field(default_factory=dict)
    twins: Twins = "refuse"

    root = ROOT

    # ---- construction -------------------------------------------------------------------------------------

    @classmethod
    def from_table(
        cls, frame: pd.DataFrame, levels: Sequence[str], *, twins: Twins = "refuse"
    ) -> "LabelTree":
        """Build a tree from a table with one column per level; rows may repeat.

        Args:
            frame: one row per leaf, or many (one per image).
            levels: the columns to use, fine to coarse.
            twins: what is done with labels that differ only in case, spaces or Unicode form.

        Raises:
            CairnError: a column is missing, a label is empty or has two parents (which `qualify` tells apart), or
                the table has no row.
        """
        return cls._from_links(tuple(levels), links_of_table(frame, levels), twins=twins)

    @classmethod
    def from_parents(
        cls, links: Mapping[str, str] | Iterable[tuple[str, str]], levels: Sequence[str]
    ) -> "LabelTree":
        """Build a tree from `child -> parent` links; the coarsest labels have parent `root`.

        Args:
            links: each label's parent. Labels must be unique over the whole tree here.
            levels: level names, fine to coarse.

        Raises:
            CairnError: a cycle, a label with two parents, a leaf that is not at full depth.
        """
        return cls._from_links(tuple(levels), links_of_parents(links, levels))

    @classmethod
    def from_inat(cls, categories: pd.DataFrame) -> "LabelTree":
        """Build the seven-rank tree of iNaturalist-2018 from its `name`, `genus` .. `kingdom` columns.

        `qualify` tells apart the genera that lie in two families.
        """
        named = categories.rename(columns={"name": "species"})
        return cls.from_table(qualify(named, INAT_LEVELS)[0], INAT_LEVELS)

    @classmethod
    def from_nodes(cls, frame: pd.DataFrame, *, twins: Twins = "refuse") -> "LabelTree":
        """Build a tree from the table that `nodes` gives; without a column `class_index`, by name.

        `twins` is as in `from_table`.

        Raises:
            CairnError: a column is missing, an id repeats or is unknown, or the links are no strict tree.
        """
        tree = cls._from_links(*links_of_nodes(frame), twins=twins)
        return tree.in_order(orders_of_nodes(frame)) if "class_index" in frame.columns else tree

    @classmethod
    def _from_links(
        cls,
        levels: tuple[str, ...],
        links: Sequence[Links],
        info: Mapping[Node, NodeInfo] | None = None,
        twins: Twins = "refuse",
    ) -> "LabelTree":
        return cls(levels, *strict_levels(levels, links, twins), twins=twins).with_info(info or {})

    def with_info(self, info: Mapping[Node, NodeInfo]) -> "LabelTree":
        """The same tree with counts, confidence and provenance on its nodes.

        Raises:
            CairnError: `info` names a node that the tree does not have.
        """
        known = {level: set(names) for level, names in zip(self.levels, self.names, strict=True)}
        unknown = [node.name for node in info if node.name not in known.get(node.level, ())]
        if unknown:
            raise BadInput(f"info on labels that the tree does not have: {quoted(unknown)}")
        return replace(self, info=dict(info))

    def in_order(self, names: Mapping[str, Sequence[str]]) -> "LabelTree":
        """The same tree with other class indices.

        Args:
            names: per level whose order is given, all of its names; a name's position is its class index.

        Raises:
            BadInput: other names than the level has, or one twice.
        """
        ordered, parents = reordered(self.levels, self.names, self.parents, names)
        return replace(self, names=ordered, parents=parents)

    # ---- questions ----------------------------------------------------------------------------------------

    @property
    def leaves(self) -> list[str]:
        """Names of the finest level; the position of a name is its class index."""
        return list(self.names[0])

    def at_level(self, level: str) -> list[str]:
        """Names on a level; the position of a name is its class index."""
        return list(self.names[self._rank(level)])

    def path(self, leaf: str) -> tuple[str, ...]:
        """Names from the leaf to the coarsest level."""
        row = self.codes[self.class_index(Node(self.levels[0], leaf))]
        return tuple(names[code] for names, code in zip(self.names, row, strict=True))

    def class_index(self, node: Node) -> int:
        """Position of a node's name on its level.

        Raises:
            CairnError: the tree has no such node; the message suggests near names.
        """
        try:
            return self._index[node.level][node.name]
        except KeyError:
            self._rank(node.level)
            near = quoted((similar.name for similar in self.find(node.name, limit=3)), 3) or "nothing like it"
            raise NotFound(f"no {node.level} is called {node.name[:100]!r}; the tree has {near}") from None

    def has(self, node: Node) -> bool:
        """Whether the tree has such a node."""
        return node.name in self._index.get(node.level, {})

    def node(self, name: str, level: str | None = None) -> Node:
        """The node of that name; `level` is needed where the name occurs on several levels."""
        levels = [at for at in (self.levels if level is None else [level]) if name in self._index.get(at, {})]
        if len(levels) > 1:
            raise BadInput(f"{name!r} is on the levels {quoted(levels)}; say which")
        return Node(levels[0], name) if levels else self._unknown(name, level)

    def _unknown(self, name: str, level: str | None) -> Node:
        self.class_index(Node(level or self.levels[0], name))
        raise NotFound(f"no label is called {name!r}")

    def ancestors(self, name: str, level: str | None = None) -> tuple[Node, ...]:
        """Nodes above the named one, nearest first, without the root."""
        node = self.node(name, level)
        code, above = self.class_index(node), []
        for rank in range(self._rank(node.level), len(self.levels) - 1):
            code = int(self.parents[rank][code])
            above.append(Node(self.levels[rank + 1], self.names[rank + 1][code]))
        return tuple(above)

    def children(self, name: str | None = None, level: str | None = None) -> tuple[Node, ...]:
        """Nodes just below the named one, sorted by name; without a name, or on the level `root`, below the root."""
        if name is None or level == ROOT:
            return tuple(Node(self.levels[-1], top) for top in sorted(self.names[-1]))
        node = self.node(name, level)
        rank = self._rank(node.level)
        if rank == 0:
            return ()
        below = self._members[rank - 1].get(self.class_index(node), [])
        return tuple(
            Node(self.levels[rank - 1], name) for name in sorted(self.names[rank - 1][i] for i in below)
        )

    def leaves_below(self, node: Node) -> list[str]:
        """Names of the leaves at or below a node, sorted."""
        column = self.codes[:, self._rank(node.level)]
        return sorted(self.names[0][i] for i in np.flatnonzero(column == self.class_index(node)))

    def lca(self, a: str, b: str) -> Node:
        """Lowest common ancestor of two leaves (of a leaf with itself: the leaf)."""
        first, second = self.path(a), self.path(b)
        for level, name, other in zip(self.levels, first, second, strict=True):
            if name == other:
                return Node(level, name)
        return Node(ROOT, ROOT)

    def match_depth(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntArray:
        """How many levels two leaves share, 0 (only the root) .. L (the same leaf).

        Args:
            a: class indices of leaves, any shape.
            b: class indices of leaves, broadcast against `a`.

        Raises:
            CairnError: an index is no integer or out of range.
        """
        left, right = self._leaf_codes(a), self._leaf_codes(b)
        depth: IntArray = np.asarray(left == right, dtype=np.int64)
        for parents in self.parents:
            left, right = parents[left], parents[right]
            depth = depth + (left == right)
        return depth

    def find(self, query: str, limit: int = 10) -> list[Node]:
        """Labels like `query`, best first: equal, containing, similar; case and accents ignored."""
        return search(query, self._folded, limit)

    # ---- other trees --------------------------------------------------------------------------------------

    def subtree(self, name: str, level: str | None = None) -> "LabelTree":
        """The tree of the leaves below a node; all levels stay."""
        return self.prune(self.leaves_below(self.node(name, level)))

    def prune(self, leaves: Iterable[str]) -> "LabelTree":
        """The tree of some leaves only, in the order of this one.

        Raises:
            CairnError: no leaf is kept, or one is unknown.
        """
        keep = sorted({self.class_index(Node(self.levels[0], leaf)) for leaf in leaves})
        tree = LabelTree.from_table(self.table().iloc[keep], self.levels, twins=self.twins)
        order = {
            level: [name for name in names if name in tree._index[level]]
            for level, names in zip(self.levels, self.names, strict=True)
        }
        tree = tree.in_order(order)
        return tree.with_info({n: i for n, i in self.info.items() if n.name in tree._index[n.level]})

    # ---- tables and files ---------------------------------------------------------------------------------

    def table(self) -> pd.DataFrame:
        """One row per leaf in class order, one column per level, fine to coarse."""
        columns = {}
        for level, names, codes in zip(self.levels, self.names, self.codes.T, strict=True):
            columns[level] = np.array(names, dtype=object)[codes]
        return pd.DataFrame(columns, dtype="str")

    def nodes(self) -> pd.DataFrame:
        """One row per node: the root, then level by level from coarse to fine, in class order.

        Returns:
            Columns `node_id` (0..n-1, 0 is the root), `level`, `depth` (root 0), `name`, `class_index` and
            `parent_id` (`<NA>` for the root).
        """
        return node_table(self.levels, self.names, self.parents)

    def edges(self) -> pd.DataFrame:
        """One row per link: `child_id`, `parent_id`, as in `nodes`."""
        nodes = self.nodes().iloc[1:]
        links = {"child_id": nodes["node_id"].to_numpy(), "parent_id": nodes["parent_id"].to_numpy(np.int64)}
        return pd.DataFrame(links)

    def to_json(self) -> str:
        """Stable JSON, one node per line, coarse to fine: a change of one label is a change of one line."""
        return write_json(self.levels, self.names, self.parents, self.info, self.twins)

    @classmethod
    def from_json(cls, text: str, origin: str = "tree") -> "LabelTree":
        """Parse what `to_json` wrote; `origin` (a path) is for error messages.

        Raises:
            CairnError: not JSON, another format or schema, or no strict tree.
        """
        file = parse_tree(text, origin)
        try:
            return cls._from_links(file.levels, file.links, file.info, file.twins).in_order(file.orders)
        except CairnError as error:
            raise error.within(origin) from None

    def save(self, path: Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        write_text_atomic(Path(path), self.to_json())

    @classmethod
    def load(cls, path: Path) -> "LabelTree":
        """Read a tree file.

        Raises:
            CairnError: the file is missing, empty or no tree.
        """
        try:
            return cls.from_json(read_text(Path(path)), str(path))
        except FileNotFoundError:
            raise NotFound(f"{path}: no such tree; give the path of a tree.json") from None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the levels, names and links; counts and provenance do not enter."""
        content = [self.levels, self.names, [parents.tolist() for parents in self.parents]]
        canonical = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelTree) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __len__(self) -> int:
        return len(self.names[0])

    def __repr__(self) -> str:
        sizes = ", ".join(
            f"{len(names):,} {level}" for level, names in zip(self.levels, self.names, strict=True)
        )
        return f"LabelTree({sizes})"

    # ---- derived once -------------------------------------------------------------------------------------

    @cached_property
    def codes(self) -> IntArray:
        """Class indices on every level, shape (n_leaves, L); column 0 is the finest."""
        columns = [np.arange(len(self.names[0]), dtype=np.int64)]
        for parents in self.parents:
            columns.append(parents[columns[-1]])
        return np.stack(columns, axis=1)

    @cached_property
    def graph(self) -> "nx.DiGraph[Node]":
        """The tree as a networkx graph with edges parent -> child and `Node`s as its nodes."""
        return graph_of_nodes(self.levels, self.names, self.parents)

    @cached_property
    def _index(self) -> dict[str, dict[str, int]]:
        pairs = zip(self.levels, self.names, strict=True)
        return {level: {name: i for i, name in enumerate(names)} for level, names in pairs}

    @cached_property
    def _members(self) -> list[dict[int, list[int]]]:
        members: list[dict[int, list[int]]] = [{} for _ in self.parents]
        for below, parents in zip(members, self.parents, strict=True):
            for child, parent in enumerate(parents.tolist()):
                below.setdefault(parent, []).append(child)
        return members

    @cached_property
    def _folded(self) -> list[tuple[Node, str]]:
        pairs = list(zip(self.levels, self.names, strict=True))[::-1]
        return [(Node(level, name), fold(name)) for level, names in pairs for name in names]

    def _rank(self, level: str) -> int:
        if level not in self.levels:
            raise NotFound(f"no level is called {level!r}; the tree has {quoted(self.levels)}")
        return self.levels.index(level)

    def _leaf_codes(self, values: npt.ArrayLike) -> IntArray:
        codes = np.asarray(values)
        if not np.issubdtype(codes.dtype, np.integer):
            raise BadInput(f"leaf class indices must be integers, not {codes.dtype}")
        if codes.size and (codes.min() < 0 or codes.max() >= len(self)):
            raise BadInput(
                f"leaf class indices run from 0 to {len(self) - 1}; found {codes.min()}..{codes.max()}"
            )
        return codes.astype(np.int64, copy=False)
