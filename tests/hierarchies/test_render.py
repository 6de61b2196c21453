"""What is shown is what the tree holds; labels cannot run in a page."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from rich.tree import Tree

from hierarchies import CairnError, LabelTree, Node, NodeInfo
from hierarchies.render import render_html, render_text

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


def test_page_is_whole_safe_and_the_same_again(tmp_path: Path) -> None:
    render_html(TREE, tmp_path / "a.html", EVIL, COUNTS)
    render_html(TREE, tmp_path / "b.html", EVIL, COUNTS)
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page == (tmp_path / "b.html").read_text(encoding="utf-8")
    assert "alert(1)</script>" not in page
    found = dict(re.findall(r'<script type="application/json" id="([a-z-]+)">(.*?)</script>', page))
    data = json.loads(found["list-data"])
    assert EVIL in data["names"][0]
    assert len(data["rows"]) == 4
    areas = json.loads(found["map-data"])
    assert not any("<" in label for label in areas["labels"])
    assert areas["values"][areas["labels"].index("bridge")] == 37
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", page[:3000] + page[-9000:])
