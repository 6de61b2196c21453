"""What photographs say: the nearest labelled ones, their vote, and what is asked first."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from cairnhub.hierarchies.proposal.tree_proposal import LabelEntry
from cairnhub.hierarchies.review.app.api import ReviewApi
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.photo_evidence import PhotoEvidence
from cairnhub.hierarchies.review.queue import queue
from cairnhub.hierarchies.review.session import Session
from cairnhub.hierarchies.review.state import Layout
from cairnhub.hierarchies.review.terminal import Review
from cairnhub.hierarchies.review.wall import View, Wall
from tests.hierarchies.toy import MEMBERS, PROPOSAL, TREE, type_entry

GROUPS = sorted(MEMBERS)
LOOKS = {label: group for group, members in MEMBERS.items() for label in members} | {"fox": "cats"}


def photos_of(looks: dict[str, str], n_each: int = 2) -> PhotoEvidence:
    """Photographs that show what a label looks like."""
    rng = np.random.default_rng(0)
    labels = [label for label in sorted(looks) for _ in range(n_each)]
    names = sorted(set(looks.values()))
    vectors = np.eye(len(names))[[names.index(looks[label]) for label in labels]]
    return PhotoEvidence.of(labels, 3 * vectors + 0.01 * rng.standard_normal(vectors.shape))


def test_the_vote_of_decided_photographs() -> None:
    evidence, layout = photos_of(LOOKS), Layout.of(TREE)
    fox = layout.label_of["fox"]
    undecided = Wall(layout.state(()))
    assert {photo.label for photo in evidence.vote(undecided, [fox]).near} == {"ferry"}, (
        "only what is sure may vote"
    )
    told = Decision("accept", "thing", members=("cat", "lion", "tiger", "lynx"), to="cats")
    vote = evidence.vote(Wall(layout.state([told])), [fox])
    assert vote.votes[0] == ("cats", 1.0)
    assert [photo.nth for photo in vote.near if photo.label == "cat"] in ([0, 1], [1, 0])
    assert all(photo.decided and photo.similarity > 0.99 for photo in vote.near[:8])
    assert len(vote.near) == 8
    assert evidence.vote(Wall(layout.state(())), [layout.label_of["van"]]).near
    assert not photos_of({"cat": "cats"}).vote(undecided, [fox]).near


def test_where_photographs_disagree_is_asked_first(tmp_path: Path) -> None:
    evidence = photos_of(LOOKS)
    proposal = evidence.with_disputes(TREE)
    disputed = {entry.label: entry.dispute for entry in proposal.labels if entry.dispute}
    assert disputed == {"fox": "photographs speak for cats"}
    session = Session(proposal, tmp_path / "d.jsonl", "ada")
    question = session.first()
    assert question is not None
    assert (question.label, question.disputes) == ("dogs", disputed)
    found = session.wall
    assert [found.tile(row).label for row in found.rows(View(disputed=True))] == ["fox"]
    shown = ReviewApi(session, "toy", evidence=evidence).answer(
        "question", {"level": "thing", "label": "fox"}
    )
    assert shown["question"]["photo_vote"]["near"][0]["label"] == "ferry"
    assert evidence.with_disputes(proposal) == proposal


def test_a_label_of_a_type_is_disputed_on_the_wall() -> None:
    (keep,) = (row for row, entry in enumerate(PROPOSAL.labels) if entry.label == "Great Keep")
    entries = list(PROPOSAL.labels)
    entries[keep] = replace(entries[keep], dispute="photographs speak for bridge")
    found = Wall(Layout.of(replace(PROPOSAL, labels=tuple(entries))).state(()))
    assert found.rows(View(disputed=True)).tolist() == [keep]


def test_a_type_whose_photographs_disagree_is_asked_first_in_queue_wall_and_terminal(tmp_path: Path) -> None:
    def weir(name: str, dispute: str = "", n_images: int = 1) -> LabelEntry:
        return LabelEntry(name, "weir", None, 0.9, "mined", n_images=n_images, dispute=dispute)

    bridge, lake = "photographs speak for bridge", "photographs speak for lake"
    labels = (
        *PROPOSAL.labels,
        weir("A"),
        weir("B", bridge),
        weir("C", lake),
        weir("D", bridge),
        weir("E", "", 9),
    )
    types = (*PROPOSAL.types, type_entry("weir", "castle", 0.95, 5))
    few = replace(PROPOSAL, labels=labels, types=types)
    assert queue(few, [])[0].label != "weir", "3 of 13 images are too few"
    disputed = replace(few, labels=labels[:-1])
    first, *rest = queue(disputed, [])
    said = f"for 2 of its 4 labels {bridge}; for 1 of its 4 labels {lake}"
    assert (first.level, first.label, first.disputes) == ("type", "weir", {"weir": said})
    assert not any(question.disputes for question in rest)
    session = Session(disputed, tmp_path / "d.jsonl", "ada")
    shown = [session.wall.tile(row).label for row in session.wall.rows(View())]
    assert (set(shown[:3]), shown[3]) == (set("BCD"), "A"), (
        "those that speak against it, then the rest of its type"
    )
    console = Console(file=io.StringIO(), width=200)
    Review(session, console, lambda: "q", lambda _: "").run()
    assert said in console.file.getvalue()
    assert queue(disputed, [Decision("accept", "type", "weir", "castle")])[0].label != "weir"
