"""How many decisions bring a proposal to 99 %: our queue, a random queue, and a k-means proposal.

    python benchmarks/review_effort.py ../shared/reference/gldv2_supercategories.tsv

The table has columns `supercategory` (type), `hierarchical_label` (the published label: the yardstick) and `seen`
(landmarks). A simulated reviewer answers each question from the yardstick with one decision: accept, move to the
category that holds most of the right label, join two categories that are one, or make a new one. Accuracy is the
weight that agrees when categories and labels are matched one to one.
"""

import argparse
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from line_chart import line_chart

from cairnhub.hierarchies.agreement import agreement
from cairnhub.hierarchies.proposal.propose import anchor_texts, load_concepts, propose, text_to_embed
from cairnhub.hierarchies.proposal.text_vectors import Embeddings, SentenceEmbedder
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.question import Question
from cairnhub.hierarchies.review.queue import queue
from cairnhub.hierarchies.review.resolve import resolve

RESULTS = Path(__file__).parent / "results"
TARGET = 0.99
N_RANDOM = 20
Order = Callable[[list[Question]], list[Question]]


class Reviewer:
    """Answers from the yardstick."""

    def __init__(
        self, proposal: TreeProposal, labels: Mapping[str, str], weights: Mapping[str, float]
    ) -> None:
        self.proposal, self.labels, self.weights = proposal, labels, weights
        self.decisions: list[Decision] = []

    def categories(self) -> dict[str, str]:
        """Category of each type, as decided so far."""
        work = resolve(self.proposal, self.decisions)
        return {entry.text: work.group_of(("type", entry.text.casefold())) for entry in self.proposal.types}

    def accuracy(self) -> float:
        """Weight that agrees with the yardstick, 0..1."""
        place = self.categories()
        texts = list(place)
        found = agreement(
            [place[t] for t in texts], [self.labels[t] for t in texts], [self.weights[t] for t in texts]
        )
        return found.matched_accuracy

    def answer(self, question: Question) -> None:
        """Make the one decision that brings this type nearer to the yardstick."""
        place, label = self.categories(), self.labels[question.label]
        held: dict[tuple[str, str], float] = {}
        for text, category in place.items():
            key = category, self.labels[text]
            held[key] = held.get(key, 0.0) + self.weights[text]

        def mostly(category: str) -> str:
            return max((weight, found) for (c, found), weight in held.items() if c == category)[1]

        homes = [(weight, c) for (c, found), weight in held.items() if found == label and mostly(c) == label]
        home, here = max(homes)[1] if homes else "", place[question.label]
        if home == here:
            decision = Decision("accept", "type", question.label, here)
        elif home and mostly(here) == label:
            decision = Decision("merge", "category", here, home)
        elif home:
            decision = Decision("move", "type", question.label, home)
        else:
            decision = Decision("move", "type", question.label, f"{label} (new)", "human-made")
        self.decisions.append(decision)


def by_priority(questions: list[Question]) -> list[Question]:
    return questions


def shuffled(seed: int) -> Order:
    def order(questions: list[Question]) -> list[Question]:
        rank = {
            label: random.Random(f"{seed} {label}").random() for label in sorted(q.label for q in questions)
        }
        return sorted(questions, key=lambda question: rank[question.label])

    return order


def curve(
    proposal: TreeProposal, labels: Mapping[str, str], weights: Mapping[str, float], order: Order
) -> list[float]:
    """Accuracy after 0, 1, 2 .. decisions, until nothing is left to ask."""
    reviewer = Reviewer(proposal, labels, weights)
    found = [reviewer.accuracy()]
    asked: set[str] = set()
    while True:
        open_ = [
            q
            for q in order(queue(proposal, reviewer.decisions))
            if q.level == "type" and q.label not in asked
        ]
        if not open_:
            return found
        reviewer.answer(open_[0])
        if reviewer.decisions[-1].act != "merge":
            asked.add(open_[0].label)
        found.append(reviewer.accuracy())


def effort(accuracies: list[float], target: float) -> int:
    """Decisions after which the accuracy reaches the target and stays."""
    below = [i for i, accuracy in enumerate(accuracies) if accuracy < target - 1e-9]
    return below[-1] + 1 if below else 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    table = pd.read_csv(parser.parse_args().table, sep="\t")
    texts, weights = (
        list(table["supercategory"]),
        dict(zip(table["supercategory"], table["seen"], strict=True)),
    )
    labels = dict(zip(table["supercategory"], table["hierarchical_label"], strict=True))
    stored = Embeddings.of([*map(text_to_embed, texts), *anchor_texts(load_concepts())], SentenceEmbedder())
    n_labels = table["hierarchical_label"].nunique()
    ours = propose(texts, list(table["seen"]), stored)
    k_means = propose(texts, list(table["seen"]), stored, method="kmeans", n_categories=n_labels)
    linkage = propose(texts, list(table["seen"]), stored, method="linkage")
    curves = {
        "our proposal, our queue": curve(ours, labels, weights, by_priority),
        "average linkage, same queue": curve(linkage, labels, weights, by_priority),
        "k-means, same queue": curve(k_means, labels, weights, by_priority),
    }
    drawn = [curve(ours, labels, weights, shuffled(seed)) for seed in range(N_RANDOM)]
    longest = max(map(len, drawn))
    padded = [found + found[-1:] * (longest - len(found)) for found in drawn]
    curves["our proposal, random queue"] = [sum(step) / N_RANDOM for step in zip(*padded, strict=True)]
    report(
        curves, {name: agreements(p, table) for name, p in (("ours", ours), ("k-means", k_means))}, len(texts)
    )


def agreements(proposal: TreeProposal, table: pd.DataFrame) -> dict[str, float]:
    found = [proposal.group_of[text] for text in table["supercategory"]]
    plain = agreement(found, list(table["hierarchical_label"]))
    heavy = agreement(found, list(table["hierarchical_label"]), list(table["seen"]))
    return {
        "v_measure": round(plain.v_measure, 4),
        "ari": round(plain.ari, 4),
        "v_measure_weighted": round(heavy.v_measure, 4),
        "ari_weighted": round(heavy.ari, 4),
        "n_categories": plain.n_groups,
    }


def report(curves: Mapping[str, list[float]], found: Mapping[str, dict[str, float]], n_types: int) -> None:
    decisions = {name: effort(accuracies, TARGET) for name, accuracies in curves.items()}
    to_all = {name: effort(accuracies, 1.0) for name, accuracies in curves.items()}
    for name, accuracies in curves.items():
        reached = f"{TARGET:.0%} after {decisions[name]} decisions, 100% after {to_all[name]}"
        print(f"{name:28} starts at {accuracies[0]:.4f}, {reached}, of {n_types} types")
    for name, values in found.items():
        print(name, values)
    ratio = decisions["k-means, same queue"] / max(1, decisions["our proposal, our queue"])
    print(f"ratio of decisions, k-means to ours: {ratio:.1f}")
    content = {
        "n_types": n_types,
        "target": TARGET,
        "decisions_to_target": decisions,
        "decisions_to_all": to_all,
        "agreement": found,
        "accuracy_after_decisions": {name: [round(a, 4) for a in line] for name, line in curves.items()},
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "review_effort.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    lines = {name: [(i, a) for i, a in enumerate(line)][: n_types + 1] for name, line in curves.items()}
    lowest = min(min(line) for line in curves.values())
    line_chart(
        RESULTS / "review_effort.png",
        "Review effort: accuracy by decisions",
        lines,
        "decisions",
        "weighted accuracy",
        (0, n_types),
        (lowest // 0.05 * 0.05, 1.0),
    )


if __name__ == "__main__":
    main()
