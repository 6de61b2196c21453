"""The session: right about what acts do, the same lines from every face, nothing lost between two writers."""

import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from starlette.testclient import TestClient

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.render import images_per_node
from cairnhub.hierarchies.review.app.api import ReviewApi
from cairnhub.hierarchies.review.app.server import create_app
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision, append_decision, read_decisions
from cairnhub.hierarchies.review.evidence import Reasoner
from cairnhub.hierarchies.review.preview import effect_of, holdings
from cairnhub.hierarchies.review.question import ask
from cairnhub.hierarchies.review.queue import queue
from cairnhub.hierarchies.review.session import Session
from cairnhub.hierarchies.review.state import Layout
from cairnhub.hierarchies.review.terminal import Review
from tests.hierarchies.test_review import some
from tests.hierarchies.toy import PROPOSAL, ToyEmbedder
from tests.hierarchies.writer import write_many
from tests.project import ROOT

TOKEN, PORT = "the-token", 8000
IMAGES = {entry.label: entry.n_images for entry in PROPOSAL.labels}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "toy.jsonl"


def start(path: Path, author: str = "ada", proposal: TreeProposal = PROPOSAL) -> Session:
    clock = iter(range(10_000))
    return Session(proposal, path, author, now=lambda: f"2026-03-01T10:00:{next(clock):02}Z")


def client(session: Session) -> TestClient:
    app = create_app(ReviewApi(session, "toy", Reasoner(ToyEmbedder())), TOKEN, PORT)
    return TestClient(app, base_url=f"http://127.0.0.1:{PORT}")


def call(app: TestClient, name: str, **body: object) -> dict:
    answer = app.post(f"/{TOKEN}/api/{name}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def act(app: TestClient, act: str, level: str = "", label: str = "", **more: object) -> dict:
    """An act on a thing, or on the question that comes first."""
    question = (call(app, "question", level=level, label=label) if level else call(app, "state"))["question"]
    return call(
        app, "act", act=act, level=question["level"], label=question["label"], seen=question["seen"], **more
    )


def in_terminal(path: Path, keys: str, lines: tuple[str, ...] = (), proposal: TreeProposal = PROPOSAL) -> str:
    pressed, typed = iter(keys), iter(lines)
    console = Console(file=io.StringIO(), width=120)
    Review(start(path, proposal=proposal), console, lambda: next(pressed, "q"), lambda _: next(typed)).run()
    return path.read_text(encoding="utf-8") if path.exists() else ""


# ---- the same lines from both faces -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "lines", "acts"),
    [
        ("a", (), [("accept", {})]),
        ("1h", (), [("move", {"to": "tower", "parent": "human-made"})]),
        ("m", ("bri",), [("move", {"to": "bridge"})]),
        ("mn", ("a new  place",), [("move", {"to": "a new  place", "parent": "natural"})]),
        ("sm", ("cas",), [("skip", {}), ("move", {"to": "castle"})]),
        ("r", ("castle / fort",), [("rename", {"to": "castle / fort"})]),
        ("g", ("LAKE",), [("merge", {"to": "lake"})]),
        ("p", ("2", "keep tower"), [("split", {"to": "keep tower", "members": ["keep"]})]),
        ("au", (), [("accept", {}), ("undo", {})]),
        ("asua", (), [("accept", {}), ("skip", {}), ("undo", {}), ("accept", {})]),
        ("ssa", (), [("skip", {}), ("skip", {}), ("accept", {})]),
        ("ss1", (), [("skip", {}), ("skip", {}), ("move", {"to": "natural"})]),
    ],
)
def test_terminal_and_app_write_the_same(tmp_path: Path, keys, lines, acts) -> None:
    written = in_terminal(tmp_path / "terminal.jsonl", keys, lines)
    path = tmp_path / "app.jsonl"
    app = client(start(path))
    for name, more in acts:
        if name == "skip":
            first = call(app, "state")["question"]
            answer = call(app, "skip", level=first["level"], label=first["label"])
        else:
            answer = call(app, "undo") if name == "undo" else act(app, name, **more)
        assert "error" not in answer
    assert path.read_text(encoding="utf-8") == written
    skips = sum(name == "skip" for name, _ in acts)
    taken_back = min(skips, sum(name == "undo" for name, _ in acts))  # of a skip nothing is written
    assert written.count("\n") == len(acts) - skips - taken_back


def test_every_act_is_among_them() -> None:
    (mark,) = test_terminal_and_app_write_the_same.pytestmark
    shown = {name for _, _, acts in mark.args[1] for name, _ in acts}
    assert shown == {"accept", "move", "rename", "merge", "split", "skip", "undo"}


# ---- what acts do -----------------------------------------------------------------------------------------


@given(some)
@settings(max_examples=60, deadline=None)
def test_places_are_those_of_the_tree(decisions: list[Decision]) -> None:
    tree, _ = apply_decisions(PROPOSAL, decisions)
    counts = images_per_node(tree, IMAGES)[1].tolist()
    found = holdings(Layout.of(PROPOSAL).state(decisions))
    assert {name: held.n_images for name, held in found.items()} == dict(
        zip(tree.at_level("category"), counts, strict=True)
    )
    for name, held in found.items():
        assert tree.ancestors(name, "category")[0].name == held.path[0]


@given(some, st.data())
@settings(max_examples=40, deadline=None)
def test_a_preview_says_what_changes(decisions: list[Decision], data: st.DataObject) -> None:
    layout = Layout.of(PROPOSAL)
    state = layout.state(decisions)
    question = ask(state, "type", data.draw(st.sampled_from(["keep", "fort", "moat", "arch bridge"])))
    made = Decision("move", "type", question.label, data.draw(st.sampled_from(state.groups[0].names)))
    effect = effect_of([made], state, layout.state([*decisions, made]))
    before, after = (apply_decisions(PROPOSAL, part)[0] for part in (decisions, [*decisions, made]))
    for rank, change in enumerate(effect.levels, start=1):
        moved = [leaf for leaf in before.leaves if before.path(leaf)[rank] != after.path(leaf)[rank]]
        assert (change.n_labels, change.n_images) == (len(moved), sum(IMAGES[leaf] for leaf in moved))


def test_a_landmark_with_a_type_may_be_moved_alone(path: Path) -> None:
    app = client(start(path))
    done = act(app, "move", "landmark", "Fort Knox", to="bridge")["done"]
    assert (done["act"], done["label"], done["to"]) == ("move", "Fort Knox", "bridge")
    held = {held["name"]: held["n_images"] for held in call(app, "state")["tree"]}
    assert held == {"bridge": 70, "castle": 30, "lake": 5, "unclear human-made": 8}
    members = call(app, "members", level="category", label="bridge")["items"]
    assert {"level": "landmark", "label": "Fort Knox", "weight": 30.0, "decided": True} in members


def test_progress_and_pace(path: Path) -> None:
    seconds = iter([0.0, 10.0, 14.0, 1000.0, 1006.0])
    session = Session(PROPOSAL, path, "ada", clock=lambda: next(seconds))
    before = session.progress()
    assert (before.settled, before.seconds_left, before.n_doubtful) == (0.0, None, 4)
    while (question := session.first()) and question.label != "fort":
        session.save(session.draft("accept", question))
    after = session.progress()
    assert after.seconds_each == 6.0  # the median of 10, 4 and 6: a break of 986 s is none
    assert after.n_doubtful == 0
    assert 0.7 < after.settled < 0.8


def test_new_categories_need_a_kind_and_a_name_that_a_tree_can_hold(path: Path) -> None:
    app = client(start(path))
    assert "say whether" in act(app, "move", to="tower")["error"]
    assert "line breaks" in act(app, "move", to="a\x00b", parent="natural")["error"]
    assert "1,000" in act(app, "rename", to="x" * 2000)["error"]
    assert "empty" in act(app, "merge", to="  ")["error"]
    assert not path.exists()


def test_reasons(path: Path) -> None:
    session = start(path)
    chains = {"keep": ["fortification"]}
    reasons = Reasoner(ToyEmbedder(), chains).of(ask(session.state, "type", "keep"), session.state)
    assert reasons.facts == ("subclass of fortification",)
    assert len(reasons.alike) == 3
    assert reasons.alike[0].similarity >= reasons.alike[-1].similarity
    assert {found.name: found.group for found in reasons.alike}["moat"] == "lake"
    plain = Reasoner().of(ask(session.state, "landmark", "Sonning Bridge"), session.state)
    assert "bridge" in plain.facts[0]


def test_types_alone_can_be_reviewed(path: Path) -> None:
    app = client(Session(replace(PROPOSAL, levels=("type", "category", "kind"), labels=()), path, "ada"))
    assert act(app, "move", "type", "keep", to="bridge")["settles"]
    assert call(app, "labels", level="category", label="bridge")["total"] == 2
    assert "error" in call(app, "question", level="landmark", label="keep")


# ---- two reviewers ----------------------------------------------------------------------------------------


def test_what_another_reviewer_writes_is_seen_and_not_contradicted(path: Path) -> None:
    ada, bob = client(start(path)), client(start(path, "bob"))
    assert call(ada, "state")["question"]["label"] == "keep"
    seen = call(ada, "question", level="type", label="keep")["question"]["seen"]
    act(bob, "move", "type", "keep", to="bridge")
    refused = call(ada, "act", act="accept", level="type", label="keep", seen=seen)
    assert "has changed since you saw it" in refused["error"]
    assert "bob" in act(ada, "move", "type", "keep", to="lake")["error"]
    state = call(ada, "state")
    assert state["question"]["label"] == "Naturama"
    assert call(ada, "history")["items"][0]["author"] == "bob"
    assert [decision.author for decision in read_decisions(path)] == ["bob"]


def test_an_own_act_is_no_news(path: Path) -> None:
    app = client(start(path))
    assert act(app, "accept")["version"] == call(app, "version")["version"] != ""
    before = call(app, "version")["version"]
    append_decision(path, Decision("accept", "type", "fort", "castle"))
    assert call(app, "version")["version"] != before


def test_an_act_that_would_make_anothers_conflict_is_refused(path: Path) -> None:
    """Merges round in a circle: whichever stands later in the file would be the one reported."""
    for first, second in (("castle", "lake"), ("lake", "castle")):
        path.unlink(missing_ok=True)
        append_decision(path, Decision("merge", "category", first, second, author="bob"))
        error = act(client(start(path)), "merge", "category", second, to=first)["error"]
        assert "circle" in error
        assert len(read_decisions(path)) == 1


def test_conflicts_are_shown_until_one_is_taken_back(path: Path) -> None:
    for to in ("bridge", "lake"):
        append_decision(path, Decision("move", "type", "keep", to, author=f"by {to}"))
    app = client(start(path))
    conflicts = call(app, "state")["conflicts"]
    assert {found["author"] for found in conflicts} == {"by bridge", "by lake"}
    assert "different groups" in conflicts[0]["why"]
    assert call(app, "undo", of=conflicts[0]["id"])["conflicts"] == []
    apply_decisions(PROPOSAL, read_decisions(path))[1].check()


def test_an_unfinished_merge_is_said_and_mended(path: Path) -> None:
    app = client(start(path))
    path.write_text("<<<<<<< HEAD\n", encoding="utf-8")
    assert "unfinished git merge" in call(app, "state")["error"]
    path.write_text("", encoding="utf-8")
    assert "error" not in call(app, "state")


def test_git_keeps_the_lines_of_both(tmp_path: Path) -> None:
    def git(*command: str) -> None:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
        subprocess.run(["git", *who, *command], cwd=tmp_path, check=True, capture_output=True)

    path = tmp_path / "decisions/toy.jsonl"
    git("init")
    (tmp_path / ".gitattributes").write_bytes((ROOT / ".gitattributes").read_bytes())
    append_decision(path, Decision("accept", "type", "fort", "castle"))
    git("add", ".gitattributes", "decisions/toy.jsonl")
    git("commit", "-m", "start")
    for branch, decision in (
        ("ada", Decision("move", "type", "keep", "bridge")),
        ("bob", Decision("accept", "type", "moat", "lake")),
    ):
        git("checkout", "-b", branch, "main")
        append_decision(path, decision)
        git("commit", "-am", branch)
    git("merge", "ada", "-m", "both")
    assert {decision.label for decision in read_decisions(path)} == {"fort", "keep", "moat"}


def test_two_writers_at_once_lose_no_line(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(path, name, 25)) for name in ("ada", "bob")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    made = read_decisions(path)
    assert {(d.author, d.label) for d in made} == {
        (a, f"type {i}") for a in ("ada", "bob") for i in range(25)
    }


def test_a_kill_at_any_moment_leaves_whole_lines_and_no_lock(path: Path) -> None:
    for _ in range(2):
        writer = subprocess.Popen([sys.executable, "-m", "tests.hierarchies.writer", path], cwd=ROOT)
        n_before = len(read_decisions(path))
        while len(read_decisions(path)) < n_before + 5:
            time.sleep(0.01)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        made = append_decision(path, Decision("accept", "type", "keep", "castle"))
        assert read_decisions(path) == made


def test_lines_written_by_hand_stay_as_they_are(path: Path) -> None:
    by_hand = '{"to": "castle", "level": "type",  "label": "fort", "act": "accept"}'
    path.write_text(by_hand, encoding="utf-8")
    append_decision(path, Decision("accept", "type", "keep", "castle"))
    assert path.read_text(encoding="utf-8").split("\n")[0] == by_hand
    assert len(read_decisions(path)) == 2


def test_what_a_check_refuses_is_not_written(path: Path) -> None:
    def refuse(others: object) -> None:
        raise CairnError("no")

    with pytest.raises(CairnError, match="no"):
        append_decision(path, Decision("accept", "type", "keep", "castle"), refuse)
    assert not path.exists()


def test_undo_goes_back_step_by_step(path: Path) -> None:
    session = start(path)
    first = session.first()
    session.save(session.draft("accept", first))
    put_off = session.first()
    session.skip(put_off)
    assert session.undo() == put_off
    assert session.first() == put_off
    assert session.undo() == session.made[0]
    assert session.undo() is None
    session.skip(first)
    session.unskip()
    assert session.undo() is None, "what is asked again has nothing to take back"


def test_stale_decisions_are_told(path: Path) -> None:
    append_decision(path, Decision("accept", "type", "moon base", "castle"))
    console = Console(file=io.StringIO(), width=200)
    Review(start(path), console, lambda: "q", lambda _: "").run()
    assert "there is no type 'moon base'" in console.file.getvalue()
    (stale,) = call(client(start(path)), "state")["stale"]
    assert (stale["label"], stale["why"]) == ("moon base", "there is no type 'moon base'")


def test_confidence_is_rounded_as_the_page_does(path: Path) -> None:
    entries = tuple(replace(entry, confidence=0.7967) for entry in PROPOSAL.types)
    session = start(path, proposal=replace(PROPOSAL, types=entries))
    console = Console(file=io.StringIO(), width=120)
    Review(session, console, lambda: "q", lambda _: "").run()
    assert "(80 % sure" in console.file.getvalue()


def test_the_queue_is_the_sessions_order(path: Path) -> None:
    session = start(path)
    assert [item.label for item in session.waiting] == [question.label for question in queue(PROPOSAL, [])]
    session.skip(session.first())
    assert session.first().label == "Naturama"
