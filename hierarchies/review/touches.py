"""Which places of the reviewed tree each decision shaped, as values and as a file."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import read_json
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.review.decisions import Decision


@dataclass(frozen=True)
class TouchedNodes:
    """A decision that holds, and the nodes of the reviewed tree that it is about."""

    decision: Decision
    nodes: tuple[Node, ...]


def write_touches(path: Path, touches: Iterable[TouchedNodes]) -> None:
    """Write touches as JSON."""
    write_text_atomic(path, json.dumps([asdict(touch) for touch in touches], ensure_ascii=False) + "\n")


def read_touches(path: Path) -> tuple[TouchedNodes, ...]:
    """Read what `write_touches` wrote; a tree that nobody reviews has no such file, and no touches.

    Raises:
        CairnError: it is another file, or not whole.
    """
    return read_json(path, tuple[TouchedNodes, ...]) if path.is_file() else ()
