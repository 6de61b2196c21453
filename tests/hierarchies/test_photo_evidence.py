"""What photographs say: the nearest labelled ones, their vote, and what is asked first."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from cairnhub.hierarchies.review.app.api import ReviewApi
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.photo_evidence import PhotoEvidence
from cairnhub.hierarchies.review.session import Session
from cairnhub.hierarchies.review.state import Layout
from cairnhub.hierarchies.review.wall import View, Wall
from tests.hierarchies.toy import MEMBERS, PROPOSAL, TREE

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
