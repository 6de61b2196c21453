"""Each decision that holds is traced to the nodes that it shaped."""

from pathlib import Path

import pytest

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.provenance import trace
from cairnhub.hierarchies.review.touches import read_touches, write_touches
from tests.hierarchies.toy import PROPOSAL

RENAME = Decision("rename", "category", "castle", "fortress", date="1")


def touched(*decisions: Decision) -> dict[Decision, set[Node]]:
    tree, _ = apply_decisions(PROPOSAL, decisions)
    return {touch.decision: set(touch.nodes) for touch in trace(PROPOSAL, decisions, tree)}


def test_a_type_stands_for_its_landmarks_and_the_category_as_it_is_called_now() -> None:
    move = Decision("move", "type", "Keep", "castle", date="2")
    accept = Decision("accept", "landmark", "Burg Eltz", "castle", date="3")
    assert touched(RENAME, move, accept) == {
        RENAME: {Node("category", "fortress")},
        move: {Node("landmark", "Great Keep"), Node("category", "fortress")},
        accept: {Node("landmark", "Burg Eltz"), Node("category", "fortress")},
    }


def test_a_split_touches_what_was_taken_out_and_a_category_its_kind() -> None:
    split = Decision("split", "category", "castle", "keep", members=("keep",))
    kind = Decision("move", "category", "lake", "human-made")
    assert touched(split, kind) == {
        split: {Node("category", "castle"), Node("category", "keep"), Node("landmark", "Great Keep")},
        kind: {Node("category", "lake"), Node("kind", "human-made")},
    }


def test_what_is_stale_or_taken_back_touches_nothing() -> None:
    stale = Decision("accept", "landmark", "Atlantis", "lake")
    undo = Decision("undo", of=RENAME.id)
    assert touched(stale, RENAME, undo) == {}


def test_touches_are_kept_and_read_back(tmp_path: Path) -> None:
    tree, _ = apply_decisions(PROPOSAL, [RENAME])
    touches = trace(PROPOSAL, [RENAME], tree)
    path = tmp_path / "touches.json"
    assert read_touches(path) == (), "a tree that nobody reviews has no file"
    write_touches(path, touches)
    assert read_touches(path) == touches
    path.write_text("[1, 2")
    with pytest.raises(CairnError, match=r"touches\.json: not JSON"):
        read_touches(path)
