"""Decisions: a person's count wherever the labels are, the drawn sample's at the sample alone."""

import json
from pathlib import Path

import pytest

from cairnhub.core.errors import BadInput
from cairnhub.core.parse import read_json
from cairnhub.datasets_hub.card import Decisions
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.review.decisions import Decision, append_decision, read_decisions
from cairnhub.pipelines import review_command
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.samples import demonstration
from cairnhub.pipelines.stages import review
from tests.hierarchies.toy import PROPOSAL
from tests.project import ROOT

SHOWN = Decision("move", "type", "keep", "castle", author="cairn")
MINE = Decision("rename", "category", "bridge", "viaduct", author="ada")


@pytest.fixture(autouse=True)
def _drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drawn sample of gldv2 shows one decision on the toy's labels."""
    folder = tmp_path / "demonstrations"
    append_decision(folder / "gldv2.jsonl", SHOWN)
    (folder / "none.jsonl").touch()
    monkeypatch.setattr(demonstration, "DEMONSTRATIONS", folder)


def context(root: Path, dataset: str, scale: str, files: str = "") -> Context:
    made = Context(dataset, scale, load_params(ROOT / "params.yaml"), Paths(root, scale, dataset, files))
    PROPOSAL.save(made.paths.proposal)
    append_decision(made.paths.decisions, MINE)
    return made


@pytest.mark.parametrize(
    ("dataset", "scale", "files", "file", "n_applied"),
    [
        ("gldv2", "sample", "", "the sample's demonstration and decisions/gldv2.jsonl", 2),
        ("clean", "sample", "gldv2", "the sample's demonstration and decisions/clean.jsonl", 2),
        ("gldv2", "full", "", "decisions/gldv2.jsonl", 1),
        ("clean", "full", "gldv2", "decisions/clean.jsonl", 1),
        ("mine", "sample", "", "decisions/mine.jsonl", 1),
    ],
)
def test_a_demonstration_belongs_to_the_sample_alone(
    tmp_path: Path, dataset: str, scale: str, files: str, file: str, n_applied: int
) -> None:
    here = context(tmp_path, dataset, scale, files)
    review.run(here)
    tree = LabelTree.load(here.paths.tree)
    assert "viaduct" in tree.at_level("category")
    told = read_json(here.paths.reviewed, Decisions)
    assert (told.file, told.n_applied) == (file, n_applied)
    counts = json.loads(here.paths.review_report.read_text())["counts"]
    assert (counts["applied"] + counts["no_op"], counts["stale"]) == (n_applied, 0)


def test_a_review_shows_the_demonstration_and_writes_the_persons_file(tmp_path: Path) -> None:
    here = context(tmp_path, "gldv2", "sample")
    session = review_command.review_session(here.paths, "ada")
    assert list(session.decisions) == [SHOWN, MINE]
    assert session.undo(SHOWN.id) == SHOWN
    assert [decision.act for decision in read_decisions(here.paths.decisions)] == ["rename", "undo"]
    session.refresh()
    assert session.state.resolution.standing == [MINE]
    full = context(tmp_path, "gldv2", "full")
    assert SHOWN not in review_command.review_session(full.paths, "ada").decisions


def test_what_contradicts_the_demonstration_is_refused_until_it_is_taken_back(tmp_path: Path) -> None:
    session = review_command.review_session(context(tmp_path, "gldv2", "sample").paths, "ada")
    other = Decision("move", "type", "keep", "bridge", author="ada")
    with pytest.raises(BadInput, match="not written"):
        session.save(other)
    session.undo(SHOWN.id)
    session.save(other)
    assert session.made[-1] == other


@pytest.mark.parametrize("scale", ["sample", "full"])
def test_the_repositorys_own_files(scale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """People's file begins empty; what is shown is by nobody but the drawing."""
    monkeypatch.undo()
    shown = read_decisions(demonstration.demonstration(scale, "gldv2"))
    assert {decision.author for decision in shown} == ({"cairn"} if scale == "sample" else set())
    people = read_decisions(ROOT / "decisions/gldv2.jsonl")
    assert not [decision for decision in people if decision.author == "cairn"]
