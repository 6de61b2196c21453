"""Trees for the eye, in the terminal; `cairnhub.hierarchies.explorer` makes pages of them."""

from collections.abc import Mapping

import numpy as np
from rich.text import Text
from rich.tree import Tree

from cairnhub.core.errors import BadInput
from cairnhub.core.text import fold
from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.label_tree.tree_rules import IntArray

Counts = Mapping[str, int]
_COLOURS = ("bold", "cyan", "green", "yellow", "magenta", "blue", "red", "white")


def total_counts(counts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Images per leaf over all splits."""
    total: dict[str, int] = {}
    for split in counts.values():
        for leaf, count in split.items():
            total[leaf] = total.get(leaf, 0) + count
    return total


def images_per_node(tree: LabelTree, counts: Counts | None) -> list[IntArray]:
    """Images at or below each node, per level fine to coarse; without `counts` each leaf is one.

    Raises:
        CairnError: `counts` names a label that is no leaf of the tree.
    """
    if counts is None:
        leaf = np.ones(len(tree), dtype=np.int64)
    else:
        if unknown := sorted(set(counts) - set(tree.names[0]))[:3]:
            raise BadInput(f"counts for labels that are no leaves of the tree: {unknown}")
        leaf = np.array([counts.get(name, 0) for name in tree.names[0]], dtype=np.int64)
    totals = []
    for rank, names in enumerate(tree.names):
        total = np.zeros(len(names), dtype=np.int64)
        np.add.at(total, tree.codes[:, rank], leaf)
        totals.append(total)
    return totals


def render_text(
    tree: LabelTree,
    max_depth: int | None = None,
    min_count: int = 0,
    search: str = "",
    counts: Counts | None = None,
    max_children: int = 20,
) -> Tree:
    """A tree for `rich` to print: largest branches first, with counts, confidence and provenance.

    Args:
        tree: the tree to show.
        max_depth: how deep to go; 1 shows the coarsest level only.
        min_count: leave out nodes with fewer images.
        search: keep only labels that contain this text (case and accents ignored), and what is above and
            below.
        counts: images per leaf name; without it, leaves are counted.
        max_children: how many children to list of each node.
    """
    totals = images_per_node(tree, counts)
    wanted = _matching(tree, search) if search else None
    unit = "images" if counts is not None else f"of {tree.levels[0]}"
    shown = Tree(Text(f"{int(totals[-1].sum()):,} {unit}", style="bold"))
    depth_limit = len(tree.levels) if max_depth is None else max_depth

    def grow(branch: Tree, children: tuple[Node, ...], depth: int) -> None:
        if depth > depth_limit:
            return
        ranked = []
        for node in children:
            count = int(totals[tree.levels.index(node.level)][tree.class_index(node)])
            if count >= min_count and (wanted is None or node in wanted):
                ranked.append((-count, node.name, node))
        for negative, _, node in sorted(ranked)[:max_children]:
            line = _line(node, -negative, tree.info.get(node), _COLOURS[(depth - 1) % len(_COLOURS)])
            grow(branch.add(line), tree.children(node.name, node.level), depth + 1)
        if len(ranked) > max_children:
            branch.add(Text(f"… {len(ranked) - max_children:,} more", style="dim"))

    grow(shown, tree.children(), 1)
    return shown


def _line(node: Node, count: int, info: NodeInfo | None, colour: str) -> Text:
    line = Text(node.name, style=colour).append(f"  {count:,}", style="dim")
    if info is not None:
        if info.confidence is not None:
            shade = "green" if info.confidence >= 0.8 else "yellow" if info.confidence >= 0.5 else "red"
            line.append(f"  {info.confidence:.2f}", style=shade)
        line.append("".join(f"  {word}" for word in (info.source, info.status) if word), style="dim italic")
    return line


def _matching(tree: LabelTree, search: str) -> set[Node]:
    """Nodes that contain the text, with all their ancestors and descendants."""
    wanted = fold(search)
    hit = [np.array([wanted in fold(name) for name in names]) for names in tree.names]
    in_path = np.stack([hit[rank][tree.codes[:, rank]] for rank in range(len(tree.levels))], axis=1).any(
        axis=1
    )
    kept: set[Node] = set()
    for rank, (level, names) in enumerate(zip(tree.levels, tree.names, strict=True)):
        kept.update(Node(level, names[code]) for code in np.unique(tree.codes[in_path, rank]))
    return kept
