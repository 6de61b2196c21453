"""Trees in the formats of other tools."""

import csv
import io
import json
from collections.abc import Callable, Mapping

from cairnhub.core.errors import BadInput
from cairnhub.core.text import quoted
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.label_tree.tree import LabelTree


def export(tree: LabelTree, form: str) -> str:
    """The tree as text.

    Args:
        tree: the tree to write.
        form: `newick`, `graphml`, `dot`, `d3` (nested JSON for d3-hierarchy) or `csv` (one row per leaf).

    Raises:
        CairnError: another form.
    """
    if form not in FORMATS:
        raise BadInput(f"no export to {form!r}; choose one of {quoted(FORMATS, 9)}")
    return FORMATS[form](tree)


def to_csv(tree: LabelTree) -> str:
    """One row per leaf, one column per level, fine to coarse; RFC 4180 quoting.

    A spreadsheet takes a cell that starts with `=`, `+`, `-` or `@` for a formula: such a label gets an apostrophe in
    front. Read `tree.json` or the tables `nodes` and `edges` where every character counts.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in (tree.levels, *tree.table().itertuples(index=False, name=None)):
        writer.writerow([f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell for cell in row])
    return text.getvalue()


def to_newick(tree: LabelTree) -> str:
    """Newick with every label quoted; all branches have the same, unwritten length."""

    def quote(name: str) -> str:
        return "'" + name.replace("'", "''") + "'"

    return (
        _folded(tree, lambda node, below: (f"({','.join(below)})" if below else "") + quote(node.name))
        + ";\n"
    )


def to_d3(tree: LabelTree) -> str:
    """Nested `{"name": ..., "level": ..., "children": [...]}`, as d3-hierarchy reads it."""

    def write(node: Node, below: list[str]) -> str:
        head = f'{{"name": {json.dumps(node.name, ensure_ascii=False)}, "level": {json.dumps(node.level)}'
        return head + (f', "children": [{", ".join(below)}]}}' if below else "}")

    return _folded(tree, write) + "\n"


def to_dot(tree: LabelTree) -> str:
    """Graphviz DOT, drawn from left to right."""
    nodes = tree.nodes()
    lines = ["digraph tree {", "  rankdir=LR;", "  node [shape=box];"]
    for node_id, name in zip(nodes["node_id"], nodes["name"], strict=True):
        text = name.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'  n{node_id} [label="{text}"];')
    edges = tree.edges()
    links = zip(edges["parent_id"], edges["child_id"], strict=True)
    return "\n".join([*lines, *(f"  n{parent} -> n{child};" for parent, child in links), "}"]) + "\n"


def to_graphml(tree: LabelTree) -> str:
    """GraphML with `name` and `level` on every node."""
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    nodes, edges = tree.nodes(), tree.edges()
    for node_id, name, level in zip(nodes["node_id"], nodes["name"], nodes["level"], strict=True):
        graph.add_node(f"n{node_id}", name=name, level=level)
    for parent, child in zip(edges["parent_id"], edges["child_id"], strict=True):
        graph.add_edge(f"n{parent}", f"n{child}")
    return "\n".join(nx.generate_graphml(graph)) + "\n"


def _folded(tree: LabelTree, write: Callable[[Node, list[str]], str]) -> str:
    """Write each node after its children, level by level, so that depth is no matter of the call stack."""
    written = [write(Node(tree.levels[0], name), []) for name in tree.names[0]]
    for rank, parents in enumerate(tree.parents):
        below: list[list[str]] = [[] for _ in tree.names[rank + 1]]
        for text, parent in zip(written, parents.tolist(), strict=True):
            below[parent].append(text)
        names = zip(tree.names[rank + 1], below, strict=True)
        written = [write(Node(tree.levels[rank + 1], name), children) for name, children in names]
    return write(Node("root", "root"), written)


FORMATS: Mapping[str, Callable[[LabelTree], str]] = {
    "newick": to_newick,
    "graphml": to_graphml,
    "dot": to_dot,
    "d3": to_d3,
    "csv": to_csv,
}
