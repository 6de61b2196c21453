"""Decisions: kept, applied in any order, reported one by one; the queue asks what matters."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision, append_decision, read_decisions
from cairnhub.hierarchies.review.queue import queue
from cairnhub.hierarchies.review.session import Session
from cairnhub.hierarchies.review.terminal import Review
from tests.hierarchies.toy import PROPOSAL

UNTOUCHED = apply_decisions(PROPOSAL, [])[0]
MOVE_KEEP = Decision("move", "type", "Keep", "bridge")


def category_of(tree: LabelTree) -> dict[str, str]:
    return {leaf: tree.path(leaf)[1] for leaf in tree.leaves}


def endings(*decisions: Decision) -> dict[str, int]:
    report = apply_decisions(PROPOSAL, decisions)[1]
    return {how: n for how, n in report.counts().items() if n and how != "pending"}


labels = st.sampled_from(["arch bridge", "fort", "keep", "moat", "drawbridge"])
landmarks = st.sampled_from(["Burg Eltz", "Fort Knox", "Naturama", "Atlantis"])
categories = st.sampled_from(["bridge", "castle", "lake", "unclear human-made", "tower", "Fort"])
kinds = st.sampled_from(["", "natural", "human-made"])
acts = st.one_of(
    st.builds(Decision, st.sampled_from(["move", "accept"]), st.just("type"), labels, categories, kinds),
    st.builds(Decision, st.just("assign"), st.just("landmark"), landmarks, categories, kinds),
    st.builds(Decision, st.sampled_from(["rename", "merge"]), st.just("category"), categories, categories),
    st.builds(
        Decision, st.just("split"), st.just("category"), categories, categories, kinds, st.tuples(labels)
    ),
    st.builds(
        Decision, st.just("move"), st.just("category"), categories, st.sampled_from(["natural", "human-made"])
    ),
)
some = st.lists(acts, max_size=7)


@given(some, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_order_and_repetition_do_not_matter(decisions: list[Decision], random: object) -> None:
    tree, report = apply_decisions(PROPOSAL, decisions)
    shuffled = [*decisions, *decisions]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again, same = apply_decisions(PROPOSAL, shuffled)
    assert again.to_json() == tree.to_json()
    assert same == report


@given(some)
@settings(max_examples=100, deadline=None)
def test_no_leaf_and_no_decision_is_lost(decisions: list[Decision]) -> None:
    tree, report = apply_decisions(PROPOSAL, decisions)
    assert tree.leaves == UNTOUCHED.leaves
    ended = {
        o.decision.id for how in ("applied", "no_op", "stale", "conflicting") for o in getattr(report, how)
    }
    assert ended == {decision.id for decision in decisions}
    assert LabelTree.from_json(tree.to_json()) == tree


@given(some)
@settings(max_examples=100, deadline=None)
def test_undoing_all_gives_the_proposal_back(decisions: list[Decision]) -> None:
    undos = [Decision("undo", of=decision.id) for decision in decisions]
    assert apply_decisions(PROPOSAL, [*decisions, *undos])[0] == UNTOUCHED


def test_accepting_everything_changes_nothing_but_the_status() -> None:
    accepts = [
        Decision("accept", "category", to=q.label, members=q.members)
        if q.members
        else Decision("accept", q.level, q.label, q.group)
        for q in queue(PROPOSAL, [])
    ]
    tree, report = apply_decisions(PROPOSAL, accepts)
    assert tree == UNTOUCHED
    assert report.pending == ()
    assert tree.info[Node("landmark", "Great Keep")].status == "reviewed"
    assert queue(PROPOSAL, accepts) == []


def test_each_act() -> None:
    tree, report = apply_decisions(
        PROPOSAL,
        [
            MOVE_KEEP,
            Decision("rename", "category", "castle", "castle / fort"),
            Decision("assign", "landmark", "naturama", "museum", kind="human-made"),
            Decision("move", "category", "lake", "human-made"),
            Decision("accept", "type", "fort", "castle"),
        ],
    )
    assert category_of(tree) == {
        "Burg Eltz": "castle / fort",
        "Fort Knox": "castle / fort",
        "Great Keep": "bridge",
        "Moat of Bodiam": "lake",
        "Naturama": "museum",
        "Sonning Bridge": "bridge",
    }
    assert tree.at_level("kind") == ["human-made"]
    assert report.counts() == {"applied": 5, "no_op": 0, "stale": 0, "conflicting": 0, "pending": 1}
    assert tree.info[Node("landmark", "Great Keep")].source == "human"


def test_merge_and_split() -> None:
    merged, _ = apply_decisions(PROPOSAL, [Decision("merge", "category", "lake", "castle")])
    assert category_of(merged)["Moat of Bodiam"] == "castle"
    split, _ = apply_decisions(
        PROPOSAL, [Decision("split", "category", "castle", "keep tower", members=("keep",))]
    )
    assert category_of(split)["Great Keep"] == "keep tower"
    assert split.path("Great Keep")[2] == "human-made"


def test_acts_on_a_category_may_name_it_as_it_is_renamed() -> None:
    rename = Decision("rename", "category", "castle", "fortress")
    for more, expected in (
        (Decision("rename", "category", "fortress", "stronghold"), {"Fort Knox": "stronghold"}),
        (Decision("merge", "category", "fortress", "bridge"), {"Fort Knox": "bridge"}),
        (Decision("merge", "category", "lake", "fortress"), {"Moat of Bodiam": "fortress"}),
        (
            Decision("split", "category", "fortress", "keep tower", "human-made", ("keep",)),
            {"Fort Knox": "fortress", "Great Keep": "keep tower"},
        ),
    ):
        tree, report = apply_decisions(PROPOSAL, [rename, more])
        assert report.counts() | {"pending": 0} == {
            "applied": 2, "no_op": 0, "stale": 0, "conflicting": 0, "pending": 0
        }  # fmt: skip
        assert category_of(tree).items() >= expected.items()


def test_names_may_be_swapped() -> None:
    swap = [
        Decision("rename", "category", "castle", "lake"),
        Decision("rename", "category", "lake", "castle"),
    ]
    tree, report = apply_decisions(PROPOSAL, swap)
    assert category_of(tree)["Fort Knox"] == "lake"
    assert category_of(tree)["Moat of Bodiam"] == "castle"
    report.check()


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ([Decision("move", "type", "palace", "castle")], {"stale": 1}),
        ([Decision("move", "type", "keep", "tower")], {"stale": 1}),
        ([Decision("accept", "type", "keep", "tower")], {"stale": 1}),
        ([Decision("merge", "category", "castle", "tower")], {"stale": 1}),
        ([Decision("undo", of="0123456789ab")], {"stale": 1}),
        ([Decision("move", "type", "keep", "castle")], {"no_op": 1}),
        ([MOVE_KEEP, Decision("move", "type", "keep", "lake")], {"conflicting": 2}),
        ([MOVE_KEEP, Decision("accept", "type", "keep", "castle")], {"conflicting": 2}),
        ([Decision("rename", "category", "castle", "bridge")], {"conflicting": 1}),
        ([Decision("rename", "category", name, "fort") for name in ("castle", "lake")], {"conflicting": 2}),
        ([Decision("merge", "category", *pair) for pair in (("castle", "lake"), ("lake", "castle"))],
         {"applied": 1, "conflicting": 1}),
        ([MOVE_KEEP, Decision("undo", of=MOVE_KEEP.id)], {"applied": 1}),
    ],
)  # fmt: skip
def test_how_decisions_end(decisions: list[Decision], expected: dict[str, int]) -> None:
    assert endings(*decisions) == expected


def test_conflicts_stop_the_work_by_name() -> None:
    report = apply_decisions(PROPOSAL, [MOVE_KEEP, Decision("move", "type", "keep", "lake")])[1]
    with pytest.raises(CairnError, match='"to": "lake"'):
        report.check()


def test_decisions_survive_another_proposal() -> None:
    types = tuple(replace(entry, group="lake") if entry.text == "keep" else entry for entry in PROPOSAL.types)
    reclustered = replace(PROPOSAL, types=types)
    accept = Decision("accept", "type", "keep", "castle")
    tree, report = apply_decisions(reclustered, [accept])
    assert category_of(tree)["Great Keep"] == "castle"
    assert report.applied[0].why == "kept against the new proposal"


def test_files_come_back_and_broken_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "gldv2.jsonl"
    decisions = [
        MOVE_KEEP,
        Decision("split", "category", "castle", "keep tower", members=("keep", "fort"), reason="é"),
    ]
    for decision in decisions:
        append_decision(path, decision)
    assert read_decisions(path) == read_decisions(tmp_path) == decisions
    assert read_decisions(tmp_path / "none.jsonl") == []
    with path.open("a") as stream:
        stream.write(MOVE_KEEP.to_line()[:30])
    with pytest.raises(CairnError, match=r"gldv2\.jsonl:3: not JSON .* cut"):
        read_decisions(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"act": "burn", "label": "x"}', "act: Input should be 'rename'"),
        ('{"act": "move", "level": "type", "label": "x"}', "needs 'to'"),
        ('{"act": "merge", "level": "category", "label": "x"}', "needs 'to'"),
        ('{"act": "accept", "level": "type", "label": "x", "members": ["y"], "to": "z"}', "not both"),
        ('{"act": "add_level", "level": "kind"}', "needs 'to'"),
        ('{"act": "move", "level": "type", "label": "x", "to": 3}', "to: Input should be a valid string"),
        ('{"act": "move", "level": "type", "label": "x", "to": "y", "colour": "red"}', "colour"),
        ("[]", "should be a dictionary"),
    ],
)
def test_bad_lines(line: str, message: str) -> None:
    with pytest.raises(CairnError, match=message):
        Decision.from_line(line, "f:1")


def test_queue_asks_first_what_many_images_hang_on_and_is_doubted() -> None:
    questions = queue(PROPOSAL, [])
    assert [q.label for q in questions[:3]] == ["keep", "Naturama", "unclear human-made"]
    assert questions[0].suggestions == ("tower",)
    assert questions[0].examples == ("Great Keep",)
    assert "keep" not in {q.label for q in queue(PROPOSAL, [MOVE_KEEP])}


def session(path: Path, keys: str, lines: tuple[str, ...] = ()) -> tuple[str, list[Decision]]:
    pressed, typed, clock = iter(keys), iter(lines), iter(range(10_000))
    console = Console(file=io.StringIO(), width=120)
    started = Session(PROPOSAL, path, "ada", lambda: f"t{next(clock)}")
    Review(started, console, lambda: next(pressed, "q"), lambda _: next(typed)).run()
    return console.file.getvalue(), read_decisions(path)  # type: ignore[attr-defined]


def test_a_session_writes_what_was_pressed(tmp_path: Path) -> None:
    shown, made = session(tmp_path / "d.jsonl", "1hmsa", ("bri",))
    assert [(d.act, d.label, d.to) for d in made] == [
        ("move", "keep", "tower"),
        ("assign", "Naturama", "bridge"),
        ("accept", "fort", "castle"),  # nothing is left in `unclear human-made`, so it is not asked
    ]
    assert "Great Keep" in shown
    assert "3 decision(s) written" in shown
    assert all(d.author == "ada" and d.seen for d in made)


def test_undo_and_a_second_session(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    session(path, "aua")
    made = read_decisions(path)
    assert [d.act for d in made] == ["accept", "undo", "accept"]
    _, more = session(path, "g", ("castle",))
    assert more[:3] == made
    assert (more[3].act, more[3].label, more[3].to) == ("merge", "unclear human-made", "castle")


def test_an_interruption_keeps_what_was_decided(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"

    def keys() -> str:
        if path.exists():
            raise KeyboardInterrupt
        return "a"

    console = Console(file=io.StringIO(), width=120)
    assert Review(Session(PROPOSAL, path, "ada"), console, keys, lambda _: "").run() == 1
    assert len(read_decisions(path)) == 1


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    shown, made = session(tmp_path / "d.jsonl", "r", ("bridge",))
    assert made == []
    assert "another category has the name" in shown


def test_a_category_moves_to_a_kind_by_the_beginning_of_its_name(tmp_path: Path) -> None:
    shown, made = session(tmp_path / "d.jsonl", "ss?m", ("nat",))  # the third question is of a category
    assert [(d.act, d.label, d.to) for d in made] == [("move", "unclear human-made", "natural")]
    assert "human-made, natural" in shown


def test_two_sessions_at_once_lose_nothing(tmp_path: Path) -> None:
    path, pressed = tmp_path / "d.jsonl", iter("sau")

    def keys() -> str:
        if not path.exists():  # bob has read the file; ada decides first
            session(path, "a")
        return next(pressed, "q")

    Review(Session(PROPOSAL, path, "bob"), Console(file=io.StringIO()), keys, lambda _: "").run()
    made = read_decisions(path)
    assert [(d.author, d.act, d.label) for d in made] == [
        ("ada", "accept", "keep"),
        ("bob", "accept", "Naturama"),
        ("bob", "undo", ""),
    ]
    assert made[2].of == made[1].id


def test_a_new_category_has_one_kind_or_the_decisions_conflict() -> None:
    natural = Decision("move", "type", "keep", "tower", kind="natural", author="x")
    for author in ("x", "y", "z"):  # the ids, and so the order, differ
        other = Decision("move", "type", "fort", "Tower", kind="human-made", author=author)
        assert endings(natural, other) == {"conflicting": 2}
    assert endings(natural, Decision("move", "type", "fort", "tower")) == {"applied": 2}
    split = Decision("split", "category", "castle", "tower", members=("fort",))
    assert endings(split, replace(natural, label="moat")) == {"applied": 2}


def test_kinds_are_those_that_there_are_however_they_are_written() -> None:
    tree, _ = apply_decisions(PROPOSAL, [Decision("move", "category", "castle", "Natural")])
    assert tree.path("Fort Knox")[1:] == ("castle", "natural")
    tree, _ = apply_decisions(PROPOSAL, [Decision("move", "type", "keep", "tower", kind="NATURAL")])
    assert tree.path("Great Keep")[1:] == ("tower", "natural")
    assert endings(Decision("move", "type", "keep", "tower", kind="naturl")) == {"stale": 1}


def rename(label: str, to: str) -> Decision:
    return Decision("rename", "category", label, to)


@pytest.mark.parametrize(
    ("decisions", "categories"),
    [
        ([], ["bridge", "castle", "lake", "unclear human-made"]),
        ([rename("bridge", "zebra crossing")], ["zebra crossing", "castle", "lake", "unclear human-made"]),
        ([rename("unclear human-made", "A")], ["bridge", "castle", "lake", "A"]),
        ([rename("lake", "Lake")], ["bridge", "castle", "Lake", "unclear human-made"]),
        ([rename("castle", "lake"), rename("lake", "castle")], ["bridge", "lake", "castle", "unclear human-made"]),
        ([rename("lake", "pond"), rename("pond", "aqua")], ["bridge", "castle", "aqua", "unclear human-made"]),
        ([Decision("move", "type", "keep", "a tower", "human-made")],
         ["bridge", "castle", "lake", "unclear human-made", "a tower"]),
        ([Decision("move", "type", "keep", "bridge")], ["bridge", "castle", "lake", "unclear human-made"]),
        ([Decision("move", "category", "lake", "human-made")], ["bridge", "castle", "lake", "unclear human-made"]),
        ([Decision("merge", "category", "bridge", "castle"), rename("castle", "zoo")],
         ["zoo", "lake", "unclear human-made"]),
        ([Decision("merge", "category", "lake", "castle")], ["bridge", "castle", "unclear human-made"]),
    ],
)  # fmt: skip
def test_a_category_keeps_its_class_index(decisions: list[Decision], categories: list[str]) -> None:
    tree, report = apply_decisions(PROPOSAL, decisions)
    report.check()
    assert tree.at_level("category") == categories
    assert tree.leaves == UNTOUCHED.leaves


@given(st.lists(st.tuples(categories, st.sampled_from(["zoo", "a", "Bridge", "mill"])), max_size=5))
@settings(max_examples=60, deadline=None)
def test_renames_change_no_code(pairs: list[tuple[str, str]]) -> None:
    tree = apply_decisions(PROPOSAL, [rename(*pair) for pair in pairs])[0]
    assert tree.codes.tolist() == UNTOUCHED.codes.tolist()
