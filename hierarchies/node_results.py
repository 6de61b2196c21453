"""What a model reaches at each node of a tree, and which sibling it finds in its place: for the pages of a tree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cairnhub.hierarchies.label_tree.node import Node


@dataclass(frozen=True)
class Measured:
    """A mean over the queries of a node, with the ends of its 95 % interval, all 0..1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class NodeMeasures:
    """Of the queries of one node.

    Attributes:
        n_queries: those with something to find.
        measures: by name, such as `H-AP`; AP and R@1 at the node's own level.
    """

    n_queries: int
    measures: Mapping[str, Measured]


@dataclass(frozen=True)
class Confusion:
    """Queries of a node that have an image of its sibling at the first place."""

    node: Node
    found: str
    n_queries: int


@dataclass(frozen=True)
class NodeResults:
    """Results of a model on a tree.

    Attributes:
        name: what was measured, in words.
        nodes: those with queries.
        confusions: the most frequent first.
        pages: addresses of pages that show more, by what they show: `retrieval`, `map`.
    """

    name: str
    nodes: Mapping[Node, NodeMeasures] = field(default_factory=dict)
    confusions: Sequence[Confusion] = ()
    pages: Mapping[str, str] = field(default_factory=dict)
