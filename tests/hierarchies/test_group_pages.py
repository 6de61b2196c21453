"""Groups of whose place the machine is sure are asked about together, and one act answers."""

from dataclasses import replace
from pathlib import Path

import pytest

from cairnhub.hierarchies.proposal.tree_proposal import GroupEntry
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision, read_decisions
from cairnhub.hierarchies.review.queue import queue
from cairnhub.hierarchies.review.resolve import resolve
from tests.hierarchies.test_review_session import act, call, client, in_terminal, start
from tests.hierarchies.toy import MEMBERS, PROPOSAL, TREE

NAMED = tuple(Decision("accept", "thing", to=name, members=MEMBERS[name]) for name in MEMBERS)
PAGE = Decision("accept", "branch", to="animals", members=("beasts", "swimmers"))


def asked(
    decisions: tuple[Decision, ...] = (), groups: dict[str, float] | None = None
) -> dict[str, tuple[str, ...]]:
    """What is asked of groups above the first level, and their members; `groups` gets another confidence."""
    entries = [
        replace(entry, confidence=(groups or {}).get(entry.name, entry.confidence)) for entry in TREE.groups
    ]
    questions = queue(replace(TREE, groups=tuple(entries)), decisions)
    return {q.label: q.members for q in questions if q.level in ("branch", "realm")}


def test_what_is_sure_is_asked_together_and_the_rest_alone() -> None:
    assert asked() == {"animals": ("beasts", "swimmers"), "machines": ()}
    assert asked(groups={"beasts": 0.7}) == {"beasts": (), "swimmers": (), "machines": ()}, (
        "a page of one is none"
    )
    assert asked((PAGE,)) == {"machines": ()}
    some = replace(PAGE, members=("beasts",))
    assert asked((some,)) == {"swimmers": (), "machines": ()}
    renamed = Decision("rename", "branch", "beasts", "mammals")
    assert asked((PAGE, renamed)) == {"machines": ()}, "what has been decided is not asked under its new name"
    assert asked((renamed,)) == {"animals": ("mammals", "swimmers"), "machines": ()}


def test_what_is_in_a_group_comes_before_its_place() -> None:
    sure = dict.fromkeys(("cats", "dogs", "fish", "boats", "cars"), 0.9)
    assert asked(groups=sure) == {"animals": ("beasts", "swimmers"), "machines": ()}
    named = {"beasts": ("dogs", "cats"), "machines": ("cars", "boats"), "swimmers": ()}
    assert {k: set(v) for k, v in asked(NAMED, sure).items()} == {k: set(v) for k, v in named.items()}


def test_a_page_of_groups_comes_where_it_puts_most_right() -> None:
    first, *rest = queue(PROPOSAL, [])
    assert first.label != "human-made", "doubt in one large type is more"
    assert [q.members for q in rest if q.level == "kind"] == [("castle", "bridge")]
    assert {q.label for q in rest if q.level == "category"} == {"lake", "unclear human-made"}


@pytest.mark.parametrize(
    ("keys", "lines", "acts"),
    [
        ("a", (), [("accept", {"members": "all"})]),
        ("x", ("1", "arte"), [("move", {"to": "artefacts", "members": ["beasts"], "leaves": True})]),
        ("xy", ("2", "sea"), [("move", {"to": "sea", "members": ["swimmers"], "leaves": True, "new": True})]),
        ("n", ("living things",), [("move", {"to": "living things", "members": "all"})]),
        ("f", ("where do they live",), [("unsure", {"members": "all", "reason": "where do they live"})]),
        ("r", ("fauna",), [("rename", {"to": "fauna"})]),
        ("au", (), [("accept", {"members": "all"}), ("undo", {})]),
    ],
)
def test_terminal_and_app_write_the_same_on_a_page_of_groups(tmp_path: Path, keys, lines, acts) -> None:
    written = in_terminal(tmp_path / "terminal.jsonl", f"sssss{keys}", lines, TREE)
    app = client(start(tmp_path / "app.jsonl", proposal=TREE))
    for name, more in acts:
        page = call(app, "question", level="realm", label="animals")["question"]["members"]
        if more.get("members") == "all":
            more = more | {"members": page}
        answer = call(app, "undo") if name == "undo" else act(app, name, "realm", "animals", **more)
        assert "error" not in answer
    assert (tmp_path / "app.jsonl").read_text(encoding="utf-8") == written
    assert written.count("\n") == len(acts)
    report = apply_decisions(TREE, read_decisions(tmp_path / "app.jsonl"))[1]
    assert not report.stale + report.conflicting


@pytest.mark.parametrize(
    ("keys", "lines"), [("xn", ("1", "sea")), ("x", ("1", "")), ("x", ("9",)), ("b", ())]
)
def test_keys_that_say_nothing_of_groups_write_nothing(
    tmp_path: Path, keys: str, lines: tuple[str, ...]
) -> None:
    assert in_terminal(tmp_path / "d.jsonl", f"sssss{keys}", lines, TREE) == ""


def test_the_page_tells_what_it_asks_about(tmp_path: Path) -> None:
    app = client(start(tmp_path / "d.jsonl", proposal=TREE))
    found = {
        (level, label): call(app, "question", level=level, label=label)["question"]
        for level, label in (("group", "cats"), ("realm", "animals"), ("branch", "machines"))
    }
    told = {slot: (question["members_level"], question["of_groups"]) for slot, question in found.items()}
    assert told == {
        ("group", "cats"): ("thing", False),
        ("realm", "animals"): ("branch", True),
        ("branch", "machines"): ("", True),
    }
    assert "no branches" in call(app, "branches", level="realm", label="animals")["error"]
    refused = act(app, "exclude", "realm", "animals", members=["beasts"])
    assert "exclude is about thing" in refused["error"]


def test_who_takes_groups_out_says_nothing_of_a_group_of_that_name_below() -> None:
    """Labels of a group whose members were taken out follow others less: of that group, not of one above it."""
    groups = (*TREE.groups, GroupEntry("realm", "cats"))
    out = Decision("move", "branch", "cats", "animals", members=("machines",))
    assert not resolve(replace(TREE, groups=groups), [out]).culled


def test_a_decision_is_told_of_a_group_under_its_new_name(tmp_path: Path) -> None:
    app = client(start(tmp_path / "d.jsonl", proposal=TREE))
    page = call(app, "question", level="realm", label="animals")["question"]
    act(app, "accept", "realm", "animals", members=page["members"])
    act(app, "rename", "branch", "beasts", to="mammals")
    for name, n_decisions in (("mammals", 1), ("swimmers", 1), ("machines", 0)):
        assert len(call(app, "question", level="branch", label=name)["question"]["decisions"]) == n_decisions
