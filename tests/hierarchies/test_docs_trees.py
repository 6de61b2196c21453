"""What docs/trees.md shows is true."""

import re
from pathlib import Path
from typing import get_args

from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.review.decisions import Act, Decision
from cairnhub.hierarchies.voice.model_evidence import read_evidence

PAGE = (Path(__file__).parents[2] / "docs" / "trees.md").read_text(encoding="utf-8")


def test_the_example_runs_and_gives_what_it_says() -> None:
    shown: dict[str, object] = {}
    block, from_names = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(block, shown)
    tree = shown["tree"]
    assert tree.path("Pont Neuf") == ("Pont Neuf", "bridge", "human-made")  # type: ignore[attr-defined]
    assert tree.match_depth([1, 1], [2, 0]).tolist() == [2, 0]  # type: ignore[attr-defined]
    assert tree.find("leman") == [Node("landmark", "Lac Léman")]  # type: ignore[attr-defined]
    exec(from_names, shown)
    assert shown["tree"].path("oak tree") == ("oak tree", "tree")  # type: ignore[attr-defined]


def test_the_decisions_are_decisions() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    acts = {Decision.from_line(line, "docs/trees.md").act for line in block.splitlines()}
    assert acts == set(get_args(Act))


def test_the_evidence_is_evidence(tmp_path: Path) -> None:
    (block,) = re.findall(r"```jsonl\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "x.jsonl").write_text(block, encoding="utf-8")
    assert {line.ask for line in read_evidence(tmp_path / "x.jsonl")} == {"name", "place"}
