"""What is printed is what the tree holds."""

import pandas as pd
import pytest
from rich.console import Console
from rich.tree import Tree

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.render import render_text

EVIL = "</script><script>alert(1)</script>@@LIST@@"
TREE = LabelTree.from_table(
    pd.DataFrame(
        {
            "landmark": ["Lac d'Annecy", "Pont Neuf", "Tower [red]Bridge", EVIL],
            "category": ["lake", "bridge", "bridge", '<a href="x">church</a>'],
            "kind": ["natural", "human-made", "human-made", "human-made"],
        }
    ),
    ["landmark", "category", "kind"],
)
COUNTS = {"Lac d'Annecy": 5, "Pont Neuf": 30, "Tower [red]Bridge": 7, EVIL: 1}


def printed(tree: Tree) -> str:
    console = Console(width=100, record=True, file=None, force_terminal=False, quiet=False)
    with console.capture() as capture:
        console.print(tree)
    return capture.get()


def test_largest_first_with_counts_and_literal_labels() -> None:
    lines = printed(render_text(TREE, counts=COUNTS)).splitlines()
    assert lines[0] == "43 images"
    assert "human-made  38" in lines[1]
    assert "bridge  37" in lines[2]
    assert "Tower [red]Bridge  7" in lines[4]


def test_depth_minimum_search_and_cut() -> None:
    assert "bridge" not in printed(render_text(TREE, max_depth=1))
    assert "lake" not in printed(render_text(TREE, min_count=6, counts=COUNTS))
    found = printed(render_text(TREE, search="PONT"))
    assert "Pont Neuf" in found
    assert "Tower" not in found
    assert "… 1 more" in printed(render_text(TREE, max_children=1))


def test_confidence_is_shown() -> None:
    tree = TREE.with_info({Node("category", "lake"): NodeInfo(confidence=0.42, source="cluster")})
    assert "lake  1  0.42  cluster" in printed(render_text(tree))


def test_unknown_counts_are_refused() -> None:
    with pytest.raises(CairnError, match="Atlantis"):
        render_text(TREE, counts={"Atlantis": 1})
