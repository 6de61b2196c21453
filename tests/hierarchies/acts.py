"""Decisions on levels and labels of the toy tree."""

from cairnhub.hierarchies.review.decisions import Decision
from tests.hierarchies.toy import MEMBERS, TREE

LABELS = tuple(entry.label for entry in TREE.labels)
CATS = MEMBERS["cats"]


def add(level: str, to: str, author: str = "") -> Decision:
    return Decision("add_level", level, to=to, author=author)


def remove(level: str, author: str = "") -> Decision:
    return Decision("remove_level", level, author=author)


def into(to: str, *members: str, leave: str = "", kind: str = "", act: str = "move") -> Decision:
    return Decision(act, "thing", leave, to, kind, members)
