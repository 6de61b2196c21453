"""The explorer's page holds what the tree holds, and labels cannot run in it."""

import base64
import hashlib
import re
from pathlib import Path

import pandas as pd
import pytest

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.explorer import View, write_explorer
from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.touches import TouchedNodes
from tests.explorer_data import data_of

LEVELS = ["landmark", "category", "kind"]
EVIL = "</script><script>alert(1)</script>{{ title }}"


def tree(rows: dict[str, tuple[str, str]]) -> LabelTree:
    frame = pd.DataFrame([(name, *above) for name, above in rows.items()], columns=LEVELS)
    return LabelTree.from_table(frame, LEVELS)


OLD = tree(
    {
        "Lac d'Annecy": ("lake", "natural"),
        "Eiger": ("mountain", "natural"),
        "Jungfrau": ("mountain", "natural"),
        "Pont Neuf": ("bridge", "human-made"),
        "Tower Bridge": ("bridge", "human-made"),
        "Molen": ("mill", "human-made"),
        EVIL: ('<a href="x">church</a>', "human-made"),
    }
)
NEW = tree(
    {
        "Lac d'Annecy": ("lake", "human-made"),
        "Eiger": ("mountain", "natural"),
        "Jungfrau": ("mountain", "natural"),
        "Pont Neuf": ("bridge", "human-made"),
        "Tower Bridge": ("tower", "human-made"),
        "Molen": ("windmill", "human-made"),
        "Etna": ("volcano", "natural"),
    }
)
COUNTS = {"train": {"Pont Neuf": 30, EVIL: 1}, "test": {"Pont Neuf": 2, "Lac d'Annecy": 5}}


def page_of(folder: Path, *arguments: object, **named: object) -> str:
    write_explorer(folder / "page.html", *arguments, **named)  # type: ignore[arg-type]
    return (folder / "page.html").read_text(encoding="utf-8")


def test_columns_are_those_of_the_tree(tmp_path: Path) -> None:
    known = OLD.with_info({Node("landmark", "Pont Neuf"): NodeInfo(3, 0.456, "mined", "pending")})
    touch = TouchedNodes(
        Decision("rename", "category", "mill", "windmill", author="ada"),
        (Node("category", "mill"), Node("category", "gone")),
    )
    data = data_of(page_of(tmp_path, "Toy", View("toy", known, COUNTS, [touch]), {"Pont Neuf": [b"jpeg"]}))
    (shown,) = data["trees"]
    leaves = shown["names"][0]
    assert shown["names"] == [list(names) for names in OLD.names]
    assert [shown["names"][1][code] for code in shown["parents"][0]] == [OLD.path(name)[1] for name in leaves]
    at = leaves.index("Pont Neuf")
    assert [column[at] for column in shown["counts"]] == [30, 2]
    assert [shown["words"][shown[fact][0][at]] for fact in ("source", "status")] == ["mined", "pending"]
    assert shown["confidence"] == [[46 if i == at else -1 for i in range(7)], [], []]
    (decision,) = shown["decisions"]
    assert decision["act"] == "Renamed mill to windmill"
    assert decision["places"] == [[1, OLD.at_level("category").index("mill")]]
    assert data["photos"] == {"Pont Neuf": ["data:image/jpeg;base64,anBlZw=="]}


def test_labels_cannot_run_and_nothing_is_loaded(tmp_path: Path) -> None:
    page = page_of(tmp_path, EVIL, View(EVIL, OLD, COUNTS))
    assert page == page_of(tmp_path, EVIL, View(EVIL, OLD, COUNTS)), "the same again"
    assert "<script>alert" not in page
    assert EVIL in data_of(page)["trees"][0]["names"][0]
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in page, "the title is text"
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in policy
    assert policy.startswith("default-src &#39;none&#39;; img-src data:;")
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=(?!\"data:)", page)


def test_two_trees_side_by_side(tmp_path: Path) -> None:
    data = data_of(page_of(tmp_path, "Toys", View("old", OLD), beside=View("new", NEW)))
    found = {(change["what"], change["text"]): change for change in data["differences"]}
    renamed = found["renamed", "category “mill” is now “windmill”"]
    names = [
        [each["names"][rank][code] for rank, code in renamed[side]]
        for each, side in zip(data["trees"], ("left", "right"), strict=True)
    ]
    assert names == [["mill"], ["windmill"]]
    moved = found["moved", "1 category from “natural” to “human-made”"]
    assert len(moved["left"]) == len(moved["right"]) == 1
    assert ("split", "category “tower” was taken out of “bridge”") in found
    assert found["added", "1 landmark new"]["left"] == []
    assert found["removed", "1 landmark gone"]["right"] == []


def test_trees_that_have_nothing_in_common_are_refused(tmp_path: Path) -> None:
    other = LabelTree.from_table(pd.DataFrame({"species": ["Parus major"]}), ["species"])
    with pytest.raises(CairnError, match="differ"):
        write_explorer(tmp_path / "page.html", "Toys", View("old", OLD), beside=View("new", other))
    assert not (tmp_path / "page.html").exists()
