"""How many acts a curator of 5,000 landmarks needs: one question after the other, and on the wall.

    python benchmarks/review_wall.py

The landmarks are drawn as in review_app.py: 400 types, half of 5,000 landmarks without a type, 79 categories, 2,902
questions, a few of which are about several categories together. The truth is drawn too: a place is right as often as
its confidence says; else the next best category is the right one, in a share of the cases (`second_is_right`), or any
other. The curator knows the truth.

*Questions*: what the queue asks, in its order; each answer is an act, an accept or a move. *Wall*: category by category
all is selected but what is wrong there, and accepted in one act; then, category by category, what is left and has it
as its next best is looked through, and what belongs there is moved in one act; then the rest, in one act per category
where some of it belongs. What the wall leaves, the kinds of categories, is asked as ever: `acts_in_all` has
it. `clicks` are the labels touched on the way, `looks` the labels seen on all walls (or asked about).
*Photographs first*: the questions again, where drawn vectors of photographs (each of its right category's direction
with as much noise, `photo_noise`) say what is asked first; `disputes` counts the labels on the wall of what texts and
photographs disagree about, and how many of them, and of all, are in a wrong category. Accuracy is the share of images
in the right category. Everything goes through the code that the page calls, and the decisions of both are applied at
the end. Writes results/review_wall.json.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from review_app import draw_proposal

from cairnhub.core.text import label_key
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, TreeProposal
from cairnhub.hierarchies.review.decisions import Act, Decision
from cairnhub.hierarchies.review.photo_evidence import PhotoEvidence
from cairnhub.hierarchies.review.question import ask
from cairnhub.hierarchies.review.queue import waiting
from cairnhub.hierarchies.review.selection import Selection, WallAct
from cairnhub.hierarchies.review.state import Layout, ReviewState
from cairnhub.hierarchies.review.wall import View, Wall

RESULTS = Path(__file__).parent / "results"
N_TYPES, N_LANDMARKS = 400, 5_000
SHARES = (0.7, 0.3)
TARGETS = (0.95, 0.99, 1.0)
N_DIMENSIONS, PHOTO_NOISE = 64, 1.0
AUTHOR, DATE = "benchmark", "2026-01-01T00:00:00Z"


def draw_truth(layout: Layout, second_is_right: float, seed: int = 0) -> list[str]:
    """The right category of each label: that of its type, or its own."""
    rng = np.random.default_rng(seed)
    names = [group.name for group in layout.proposal.of_level("category")]
    entries = {(TYPE, label_key(e.text)): (e.group, e.second) for e in layout.proposal.types}
    entries |= {
        ("landmark", label_key(e.label)): (e.group, e.second) for e in layout.proposal.labels if e.group
    }
    right = []
    for item in layout.items:
        group, second = entries[item.level, item.key]
        others = [name for name in names if name not in (group, second)]
        other = second if rng.random() < second_is_right else str(rng.choice(others))
        right.append(group if rng.random() < item.confidence else other)
    return [right[item] for item in layout.item_of.tolist()]


def draw_photos(layout: Layout, truth: list[str], seed: int = 0) -> PhotoEvidence:
    """One photograph of each label, which looks like its right category."""
    rng = np.random.default_rng(seed)
    names = {name: code for code, name in enumerate(sorted(set(truth)))}
    looks = rng.standard_normal((len(names), N_DIMENSIONS))
    noise = rng.standard_normal((len(truth), N_DIMENSIONS)) * PHOTO_NOISE
    return PhotoEvidence.of(layout.labels, looks[[names[name] for name in truth]] + noise)


class Curator:
    """Knows the truth, and counts what it takes to say it."""

    def __init__(self, proposal: TreeProposal, second_is_right: float) -> None:
        self.layout = Layout.of(proposal)
        self.truth = draw_truth(self.layout, second_is_right)
        self.decisions: list[Decision] = []
        self.state = self.layout.state(())
        self.clicks = self.looks = 0
        self.right = [self.accuracy(self.state)]

    def accuracy(self, state: ReviewState) -> float:
        """Share of images in the right category."""
        names, images = state.groups[0].names, self.layout.images
        held = [names[code] == truth for code, truth in zip(state.of_label.tolist(), self.truth, strict=True)]
        return float(images[held].sum() / images.sum())

    def report(self) -> dict[str, Any]:
        """Acts to each accuracy, and what they took; the decisions are applied once more, all together."""
        end = self.layout.state(self.decisions)
        bad = {how: len(end.resolution.outcomes[how]) for how in ("stale", "conflicting")}
        if any(bad.values()) or abs(self.accuracy(end) - self.right[-1]) > 1e-9:
            raise SystemExit(f"the decisions do not do what was counted: {bad}, {self.accuracy(end)}")
        left = waiting(end)
        acts = {
            str(target): next(i for i, r in enumerate(self.right) if r >= target - 1e-9) for target in TARGETS
        }
        return {
            "acts_to": acts,
            "acts_in_all": len(self.right) - 1 + len(left),
            "lines": len(self.decisions),
            "clicks": self.clicks,
            "looks": self.looks,
            "of_them_left_by_the_wall": len(left),
        }


class Answering(Curator):
    """Answers one question after the other."""

    def run(self) -> dict[str, Any]:
        """Answer all; an answer changes no other place, so that the order stands from the start."""
        images = self.layout.images
        share = np.bincount(self.layout.item_of, images, len(self.layout.items)) / images.sum()
        truth = dict(zip(self.layout.item_of.tolist(), self.truth, strict=True))
        for item in waiting(self.state):
            question = ask(self.state, item.level, item.label)
            right = truth.get(item.row, question.group)
            act: Act = "accept" if right == question.group else "move"
            level, label, members = item.level, item.label, question.members
            if members:
                (level,), label, right = self.state.resolution.below(level), "", label
            self.decisions.append(
                Decision(
                    act, level, label, right, members=members, author=AUTHOR, date=DATE, seen=question.seen
                )
            )
            gained = share[item.row] if act == "move" else 0.0
            self.right.append(self.right[-1] + float(gained))
            self.looks += 1
        return self.report()


class AtTheWall(Curator):
    """Selects photographs and acts on all of them."""

    def act(self, act: WallAct, wall: Wall, rows: list[int], to: str = "") -> None:
        """One act, of one line per level."""
        self.decisions += Selection(wall, rows).decisions(act, AUTHOR, DATE, to)
        self.state = self.layout.state(self.decisions)
        self.right.append(self.accuracy(self.state))

    def run(self) -> dict[str, Any]:
        """Accept what is right, category by category; then move what is left."""
        names = sorted(self.state.groups[0].names)
        for name in names:
            wall = Wall(self.state)
            rows = wall.rows(View("category", name)).tolist()
            right = [row for row in rows if self.truth[row] == name]
            self.looks += len(rows)
            if right:
                self.clicks += 1 + len(rows) - len(right)
                self.act("accept", wall, right)
        for name in names:
            wall = Wall(self.state)
            self.move(wall, wall.rows(View(second=name)).tolist(), name)
        while left := (wall := Wall(self.state)).rows(View()).tolist():
            name = Counter(self.truth[row] for row in left).most_common(1)[0][0]
            self.move(wall, left, name)
        return self.report()

    def move(self, wall: Wall, shown: list[int], name: str) -> None:
        """What belongs to a category, of all that is shown."""
        self.looks += len(shown)
        if chosen := [row for row in shown if self.truth[row] == name]:
            self.clicks += len(chosen)
            self.act("move", wall, chosen, name)


def count_disputes(wall: Wall, truth: list[str]) -> dict[str, int]:
    """How many of the wrong places the wall of disputes shows, and beside how many others."""
    wrong = {row for row, right in enumerate(truth) if wall.group_of(row) != right}
    shown = wall.rows(View(disputed=True)).tolist()
    return {"shown": len(shown), "wrong": len(wrong.intersection(shown)), "wrong_in_all": len(wrong)}


def main() -> None:
    proposal = draw_proposal(N_TYPES, N_LANDMARKS)
    found = []
    for share in SHARES:
        questions, wall = Answering(proposal, share).run(), AtTheWall(proposal, share).run()
        layout = Layout.of(proposal)
        photos = draw_photos(layout, draw_truth(layout, share))
        disputed = photos.with_disputes(proposal)
        first = Answering(disputed, share).run()
        ratio = {to: round(questions["acts_to"][to] / acts, 1) for to, acts in wall["acts_to"].items()}
        ratio["all settled"] = round(questions["acts_in_all"] / wall["acts_in_all"], 1)
        first["disputes"] = count_disputes(Wall(Layout.of(disputed).state(())), draw_truth(layout, share))
        found.append(
            {
                "second_is_right": share,
                "questions": questions,
                "photographs_first": first,
                "wall": wall,
                "times_fewer": ratio,
            }
        )
        print(json.dumps(found[-1]), flush=True)
    content = {"photo_noise": PHOTO_NOISE, "n_landmarks": N_LANDMARKS, "n_types": N_TYPES, "sets": found}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "review_wall.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
