"""How many acts bring a proposal to 95 % of its labels right: a simulated reviewer on the pages of groups.

    python benchmarks/review_pages.py --yardsticks DIR

DIR holds `<set>.tsv` as for trees.py. The reviewer knows the yardstick and does what the queue asks, one act at a
time: on the page of a group, the act that puts most labels right. A group that nobody has named gets the name of the
yardstick's group that most of its undecided members belong to, with those members; from a group that has its name,
all members that belong to one other group are taken out and put there; nothing else counts as an act. `right` is a
label that stands in a group of the yardstick's name. `clicks` are the labels that the reviewer touches on the way,
where all of a page are one. Beside it the same reviewer where decisions teach nothing, and the labels of the set:
what it takes to decide each by itself. Proposals have the yardstick's number of groups, or with more for comparison.
Writes results/review_pages.json beside this file.
"""

import argparse
import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd

from cairnhub.core.text import label_key
from cairnhub.hierarchies.proposal.propose_tree import propose_tree
from cairnhub.hierarchies.proposal.text_vectors import SentenceEmbedder
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.proposal.wordnet import find_wordnet
from cairnhub.hierarchies.review import resolve
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.question import ask
from cairnhub.hierarchies.review.queue import waiting
from cairnhub.hierarchies.review.state import Layout, ReviewState

RESULTS = Path(__file__).parent / "results"
TARGET = 0.95
MOST_ACTS = 1_500
SETS: dict[str, tuple[str, tuple[int, ...]]] = {
    "cifar100": ("coarse", (20, 26)),
    "birds": ("group", (50, 70)),
    "geonames": ("cls", (9, 60)),
    "grocery": ("coarse", (3, 12)),
    "google": ("l1", (18, 60)),
}
"""Per set the level that is reviewed, and how many groups the proposals have: the yardstick's number first."""


class Reviewer:
    """Knows the right group of every label and says so, one act at a time."""

    def __init__(self, proposal: TreeProposal, truth: dict[str, str]) -> None:
        self.layout, self.truth = Layout.of(proposal), truth
        self.level, self.finest = proposal.levels[1], proposal.levels[0]
        self.decisions: list[Decision] = []
        self.clicks = 0

    def share_right(self, state: ReviewState) -> float:
        """Labels in a group of their name in the yardstick, 0..1."""
        names = state.groups[0].names
        placed = zip(self.layout.labels, state.of_label.tolist(), strict=True)
        return sum(label_key(names[code]) == label_key(self.truth[label]) for label, code in placed) / len(
            self.truth
        )

    def act(self, state: ReviewState) -> bool:
        """The best act on the first page that one helps on; False where there is none."""
        for item in waiting(state):
            question = ask(state, item.level, item.label)
            wanted = Counter(self.truth[label] for label in question.members)
            wrong = {name: n for name, n in wanted.items() if label_key(name) != label_key(question.label)}
            if not wrong:
                continue
            name = max(wrong, key=lambda each: (wrong[each], each))
            members = tuple(label for label in question.members if self.truth[label] == name)
            is_named = label_key(question.label) in {label_key(each) for each in self.truth.values()}
            self.clicks += 1 if len(members) == len(question.members) else len(members)
            self.decisions.append(
                Decision(
                    "move",
                    self.finest,
                    question.label if is_named and question.label in wanted else "",
                    name,
                    members=members,
                    new=label_key(name) not in state.groups[0].code_of,
                )
            )
            return True
        return False


def acts_needed(proposal: TreeProposal, truth: dict[str, str]) -> dict[str, Any]:
    """Acts and clicks until the target is reached."""
    reviewer = Reviewer(proposal, truth)
    reached: list[float] = []
    while True:
        state = reviewer.layout.state(reviewer.decisions)
        reached.append(round(reviewer.share_right(state), 4))
        if reached[-1] >= TARGET or len(reviewer.decisions) >= MOST_ACTS or not reviewer.act(state):
            return {"acts": len(reviewer.decisions), "clicks": reviewer.clicks, "right": reached}


def untaught(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The same where decisions say nothing of other labels."""
    with patch.object(resolve, "spread", lambda _: None):
        return run()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--yardsticks", type=Path, required=True)
    folder = parser.parse_args().yardsticks
    embedder, found = SentenceEmbedder(), []
    for name, (level, sizes) in SETS.items():
        frame = pd.read_csv(
            folder / f"{name}.tsv", sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE
        )
        frame = frame.drop_duplicates(frame.columns[0])
        labels = frame.iloc[:, 0].tolist()
        truth = dict(zip(labels, frame[level], strict=True))
        told = frame["description"].tolist() if "description" in frame else None
        for n_groups in sizes:
            proposal = propose_tree(labels, descriptions=told, sizes=[n_groups], embedder=embedder)
            taught = acts_needed(proposal, truth)
            plain = untaught(lambda proposal=proposal, truth=truth: acts_needed(proposal, truth))
            row = {
                "set": name,
                "n_labels": len(labels),
                "n_groups": n_groups,
                "taught": taught,
                "untaught": plain,
            }
            found.append(row)
            each = {
                how: (row[how]["acts"], row[how]["clicks"], row[how]["right"][-1])
                for how in ("taught", "untaught")
            }
            print(name, f"{len(labels)} labels, {n_groups} groups, (acts, clicks, right):", each, flush=True)
    RESULTS.mkdir(exist_ok=True)
    content = {"target": TARGET, "wordnet": find_wordnet() is not None, "sets": found}
    (RESULTS / "review_pages.json").write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
