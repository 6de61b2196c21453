"""Categories from names alone: how many are right, how many get an answer, and whether confidence keeps its word.

    python benchmarks/assignment.py ../shared/reference/gldv2_landmarks.tsv

The table has columns `name`, `supercategory` (type) and `hierarchical_label` (the published label). Five folds: the
model learns from the names of four, is calibrated inside them, and answers for the fifth. An answer is right where
it is the category that the landmark's type has in our proposal; agreement with the published label (each category
standing for the label most common in it) is printed beside it. `right_of_all` counts the best guess for every name,
answered or not: as it is, where typed landmarks teach nothing, and where names have no sentence vectors.
"""

import argparse
import hashlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from line_chart import line_chart

from cairnhub.hierarchies.proposal.name_likeness import NameLikeness
from cairnhub.hierarchies.proposal.name_model import ABSTAIN_BELOW, Assignment, fit
from cairnhub.hierarchies.proposal.propose import propose
from cairnhub.hierarchies.proposal.text_vectors import SentenceEmbedder

RESULTS = Path(__file__).parent / "results"
N_FOLDS = 5
N_BINS = 5


def cross_validated(
    names: list[str], categories: list[str], likeness: NameLikeness | None
) -> list[Assignment]:
    """An answer for every name from a model that has not seen it."""
    folds = np.array([int(hashlib.sha256(name.encode()).hexdigest(), 16) % N_FOLDS for name in names])
    answers: dict[int, Assignment] = {}
    for fold in range(N_FOLDS):
        train, test = (np.flatnonzero(which).tolist() for which in (folds != fold, folds == fold))
        model = fit([names[i] for i in train], [categories[i] for i in train], likeness)
        answers |= dict(zip(test, model.assign([names[i] for i in test]), strict=True))
    return [answers[i] for i in range(len(names))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    table = pd.read_csv(parser.parse_args().table, sep="\t").sort_values("name", ignore_index=True)
    category_of = propose(
        list(table["supercategory"]), examples=table.groupby("supercategory")["name"].agg(list).to_dict()
    ).category_of
    expected = [category_of[text] for text in table["supercategory"]]
    names, likeness = list(table["name"]), NameLikeness.by(SentenceEmbedder())
    answers = cross_validated(names, expected, likeness)
    guesses = {
        "right_of_all": answers,
        "right_of_all_untaught": fit([], [], likeness).assign(names),
        "right_of_all_without_vectors": cross_validated(names, expected, None),
    }
    right_of_all = {name: share_right(found, expected) for name, found in guesses.items()}
    confidence = np.array([answer.confidence for answer in answers])
    right = np.array([answer.best == category for answer, category in zip(answers, expected, strict=True)])
    standing = table["hierarchical_label"].groupby(pd.Series(expected)).agg(lambda labels: labels.mode()[0])
    published = [standing.get(answer.best) for answer in answers] == table["hierarchical_label"].to_numpy()
    report(confidence, right, published, right_of_all)


def share_right(answers: list[Assignment], expected: list[str]) -> float:
    return float(
        np.mean([answer.best == category for answer, category in zip(answers, expected, strict=True)])
    )


def report(
    confidence: np.ndarray, right: np.ndarray, published: np.ndarray, right_of_all: dict[str, float]
) -> None:
    answered, best_first = confidence >= ABSTAIN_BELOW, np.argsort(-confidence, kind="stable")
    sixty = best_first[: int(np.ceil(0.6 * len(right)))]
    edges = np.linspace(0, 1, N_BINS + 1)
    bins = []
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            bins.append((int(inside.sum()), float(confidence[inside].mean()), float(right[inside].mean())))
    error = sum(n * abs(said - was) for n, said, was in bins) / len(right)
    content = {
        "n_landmarks": len(right),
        "answered": round(float(answered.mean()), 4),
        "right_of_answered": round(float(right[answered].mean()), 4),
        "right_of_answered_published": round(float(published[answered].mean()), 4),
        "right_of_surest_60_percent": round(float(right[sixty].mean()), 4),
        **{name: round(share, 4) for name, share in right_of_all.items()},
        "calibration_error": round(error, 4),
        "bins": [{"n": n, "confidence": round(said, 4), "right": round(was, 4)} for n, said, was in bins],
    }
    print(json.dumps(content, indent=1))
    print(f"ratio of right answers to the 85 % asked for: {content['right_of_answered'] / 0.85:.3f}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "assignment.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    points = [(said, was) for _, said, was in bins]
    line_chart(
        RESULTS / "assignment.png",
        "Reliability of confidence (names alone, cross-validated)",
        {"measured": points, "perfect": [(0.0, 0.0), (1.0, 1.0)]},
        "confidence",
        "share right",
        (0, 1),
        (0, 1),
        {f"n={n}": (said, was) for n, said, was in bins},
    )


if __name__ == "__main__":
    main()
