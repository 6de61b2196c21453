"""What words and photographs disagree about, and what does not belong where it stands."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console

from cairnhub.hierarchies.proposal.disagreement import disagreements, spoken_for
from cairnhub.hierarchies.proposal.propose_tree import propose_tree
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.queue import queue
from cairnhub.hierarchies.review.terminal import Review
from tests.hierarchies.test_review_session import start
from tests.hierarchies.toy import PROPOSAL, ToyEmbedder

LABELS = [
    f"{colour} {thing}"
    for thing in ("oak tree", "city bus")
    for colour in ("red", "green", "old", "tall", "wet")
]
ODD = "old oak tree"


def photographs() -> npt.NDArray[np.float64]:
    """Trees and buses lie apart, but for one tree whose photographs show a bus."""
    rng = np.random.default_rng(0)
    vectors = np.repeat(np.eye(8)[:2], 5, axis=0) + 0.05 * rng.standard_normal((10, 8))
    vectors[LABELS.index(ODD)] = vectors[5:].mean(axis=0)
    return vectors


def proposal(views: tuple[npt.NDArray[np.float64], ...] = (photographs(),)) -> TreeProposal:
    """Two groups, found by words and photographs."""
    levels = ["thing", "group"]
    return propose_tree(LABELS, sizes=[2], levels=levels, views=views, embedder=ToyEmbedder(), wordnet=None)


def test_voters_must_agree() -> None:
    groups = np.array([0, 0, 0, 1, 1, 1])
    vectors = np.repeat(np.eye(2), 3, axis=0)
    assert spoken_for(vectors, groups).tolist() == groups.tolist()
    assert spoken_for(np.zeros((6, 2)), groups).tolist() == [-1] * 6  # nothing is known
    assert spoken_for(np.ones((6, 2)) / 2**0.5, np.arange(6)).tolist() == [-1] * 6  # each is alone


def test_who_speaks_for_another_group_is_named() -> None:
    groups = np.array([0, 0, 0, 1, 1, 1])
    words = np.repeat(np.eye(2), 3, axis=0)
    seen = words.copy()
    seen[2] = seen[5]
    assert disagreements(words, [seen], groups) == {2: (1, "photographs")}
    assert disagreements(seen, [words], groups) == {2: (1, "words")}
    assert disagreements(words, [], groups) == {}
    unknown = seen.copy()
    unknown[2] = 0
    assert disagreements(words, [unknown], groups) == {}


def test_what_words_and_photographs_disagree_about_is_asked_first() -> None:
    agreed, disputed = proposal(()), proposal()
    assert not any(entry.dispute for entry in agreed.labels)
    found = {entry.label: entry for entry in disputed.labels if entry.dispute}
    assert [*found] == [ODD]
    odd = found[ODD]
    assert {odd.group, odd.second} == {"tree", "bus"}
    assert odd.dispute == ("photographs speak for bus" if odd.group == "tree" else "words speak for tree")
    assert odd.confidence == min(entry.confidence for entry in disputed.labels)

    first, *rest = queue(disputed, [])
    assert (first.label, first.disputes) == (odd.group, {ODD: odd.dispute})
    assert first.members[-1] == ODD
    assert not any(question.disputes for question in rest)
    settled = Decision("move", "thing", ODD, "tree")
    assert not any(question.disputes for question in queue(disputed, [settled]))


def test_the_terminal_says_what_speaks_against(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=120)
    Review(start(tmp_path / "d.jsonl", proposal=proposal()), console, lambda: "q", lambda _: "").run()
    assert f"{ODD}: " in console.file.getvalue()
    assert " speak for " in console.file.getvalue()


def test_a_heavy_group_waits_for_a_dispute() -> None:
    heavy = proposal()
    odd = next(entry for entry in heavy.labels if entry.dispute)
    labels = (
        entry if entry.group == odd.group else replace(entry, n_images=10_000) for entry in heavy.labels
    )
    assert queue(replace(heavy, labels=tuple(labels)), [])[0].label == odd.group


def test_a_type_that_does_not_belong_goes_to_its_second_best_group() -> None:
    def group(*decisions: Decision) -> tuple[str, dict[str, int]]:
        tree, report = apply_decisions(PROPOSAL, decisions)
        return tree.path("Moat of Bodiam")[1], {how: n for how, n in report.counts().items() if n}

    assert group() == ("lake", {"pending": 3})
    assert group(Decision("exclude", "type", "moat", "lake"))[0] == "castle"
    both = [Decision("exclude", "type", "moat", name) for name in ("lake", "castle")]
    assert group(*both)[1]["stale"] == 1
    typed = group(Decision("exclude", "landmark", "Moat of Bodiam", "lake"))
    assert typed == ("lake", {"stale": 1, "pending": 3})
