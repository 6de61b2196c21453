"""Photographs vote on the category of landmarks that have no type, as far as they prove right."""

import numpy as np
import pandas as pd
import pytest

from cairnhub.hierarchies.proposal.landmarks import UNCLEAR, propose_landmarks
from cairnhub.hierarchies.proposal.name_model import ABSTAIN_BELOW
from cairnhub.hierarchies.proposal.photo_votes import photo_votes
from tests.hierarchies.toy import ToyEmbedder

TYPES = ("castle", "waterfall", "museum")
N_TYPED, N_UNTYPED = 20, 10


def landmarks() -> tuple[pd.DataFrame, list[int]]:
    """Names that say nothing; the last of each type have no type. And which type each one is of."""
    rows, truth = [], []
    for number, text in enumerate(TYPES):
        for i in range(N_TYPED + N_UNTYPED):
            rows.append((f"Xq{number}{i:02d}", text if i < N_TYPED else None))
            truth.append(number)
    return pd.DataFrame(rows, columns=["landmark", "type"]), truth


def photographs(truth: list[int], noise: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.eye(len(TYPES), 8)[truth] + noise * rng.normal(size=(len(truth), 8))


def answers(vectors: np.ndarray | None) -> tuple[list[str | None], list[float]]:
    """Categories of the landmarks without a type, and how sure each is."""
    table, _ = landmarks()
    proposal = propose_landmarks(table, ToyEmbedder(), photo_vectors=vectors)
    untyped = set(table["landmark"][table["type"].isna()])
    entries = [entry for entry in proposal.labels if entry.label in untyped]
    return [entry.group for entry in entries], [entry.confidence for entry in entries]


def test_what_looks_like_a_castle_is_one() -> None:
    _, truth = landmarks()
    groups, confidences = answers(photographs(truth, 0.1))
    expected = [text for text in TYPES for _ in range(N_UNTYPED)]
    assert groups == expected
    assert min(confidences) > 0.8
    alone, _ = answers(None)
    assert alone != expected


def test_photographs_that_tell_nothing_place_nothing() -> None:
    _, truth = landmarks()
    groups, confidences = answers(np.random.default_rng(1).normal(size=(len(truth), 8)))
    assert set(groups) <= set(UNCLEAR.values())
    assert max(confidences) < ABSTAIN_BELOW


def test_a_landmark_without_photographs_keeps_what_its_name_says() -> None:
    _, truth = landmarks()
    vectors = photographs(truth, 0.1)
    vectors[-1] = 0
    groups, confidences = answers(vectors)
    assert groups[:-1] == [text for text in TYPES for _ in range(N_UNTYPED)][:-1]
    assert confidences[-1] < 0.8


def test_the_order_of_the_rows_does_not_matter() -> None:
    table, truth = landmarks()
    vectors = photographs(truth, 0.3)
    order = np.random.default_rng(2).permutation(len(table))
    mixed = propose_landmarks(table.iloc[order], ToyEmbedder(), photo_vectors=vectors[order])
    assert mixed.to_json() == propose_landmarks(table, ToyEmbedder(), photo_vectors=vectors).to_json()


def test_shares_by_hand() -> None:
    """Of three that may vote two are asked: so many are left where one of them asks itself."""
    vectors = np.array([[1.0, 0, 0], [0.8, 0.6, 0], [0, 2.0, 0], [0, 0, 3.0], [0, 0, 0]])
    votes = photo_votes("abcde", vectors, ["castle", None, "museum", "bridge", "bridge"])
    assert votes["b"] == pytest.approx({"castle": 0.8 / 1.4, "museum": 0.6 / 1.4})
    assert set(votes) == {"b"}
