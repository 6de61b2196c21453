"""A place in a tree, and what is known of it."""

from dataclasses import dataclass
from typing import NamedTuple


class Node(NamedTuple):
    """A place in a tree. Names are unique within a level only, so a name alone may not say which."""

    level: str
    name: str


@dataclass(frozen=True)
class NodeInfo:
    """What is known of a node beside its place; no part of the tree's fingerprint.

    Attributes:
        n_images: images at or below the node.
        confidence: of the edge to its parent, 0..1.
        source: where that edge comes from, such as `mined`, `text`, `assigned`, `decisions` about its like, `human`.
        status: where review stands, such as `accepted` or `pending`.
    """

    n_images: int | None = None
    confidence: float | None = None
    source: str | None = None
    status: str | None = None
