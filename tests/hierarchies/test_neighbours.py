"""The labels most like each label: all are held against all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairnhub.hierarchies.proposal import neighbours
from cairnhub.hierarchies.proposal.neighbours import nearest_among, nearest_labels


def by_sorting(vectors: np.ndarray, k: int) -> np.ndarray:
    alike = (vectors @ vectors.T).round(6)
    np.fill_diagonal(alike, -9)
    return np.argsort(-alike, axis=1, kind="stable")[:, :k]


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 120), st.integers(1, 12), st.integers(0, 10_000))
def test_blocks_give_what_sorting_gives(n: int, n_nearest: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_ROWS", 7)
        patch.setattr(neighbours, "_COLUMNS", 32)
        rows, alike = nearest_labels(vectors, n_nearest)
    expected = by_sorting(vectors, min(n_nearest, n - 1))
    assert (rows == expected).all()
    assert alike == pytest.approx(np.take_along_axis(vectors @ vectors.T, expected, axis=1))


def test_of_equals_the_first_come_first() -> None:
    vectors = np.repeat(np.eye(3), 4, axis=0)
    rows, alike = nearest_labels(vectors, 5)
    assert (rows == by_sorting(vectors, 5)).all()
    assert alike[0].tolist() == [1, 1, 1, 0, 0]


@pytest.mark.parametrize("n", [1, 2])
def test_few_labels_have_few_neighbours(n: int) -> None:
    rows, alike = nearest_labels(np.eye(2)[:n], 10)
    assert rows.shape == alike.shape == (n, n - 1)


def test_many_equal_labels_need_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands that are equally near a few are taken, not all of them kept."""
    monkeypatch.setattr(neighbours, "_COLUMNS", 64)
    kept = []
    lexsort = np.lexsort
    monkeypatch.setattr(np, "lexsort", lambda keys: kept.append(np.size(keys[0])) or lexsort(keys))
    vectors = np.repeat(np.eye(3), 700, axis=0)
    rows, alike = nearest_labels(vectors, 10)
    assert (alike == 1).all()
    assert (np.sort(rows, axis=1)[:, 1:] > np.sort(rows, axis=1)[:, :-1]).all()
    assert max(kept) <= 1024 * 10


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 90), st.integers(1, 12), st.integers(0, 10_000))
def test_some_rows_alone_may_be_found(n: int, n_nearest: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    among = np.flatnonzero(rng.random(n) < 0.6)
    k = max(0, min(n_nearest, len(among) - 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_FEW_ROWS", 7)
        rows, alike = nearest_among(vectors, among, n_nearest)
    all_alike = (vectors @ vectors.T).round(6)
    np.fill_diagonal(all_alike, -9)
    expected = among[np.argsort(-all_alike[:, among], axis=1, kind="stable")[:, :k]]
    assert rows.shape == (n, k)
    assert (rows == expected).all()
    assert alike == pytest.approx(np.take_along_axis(vectors @ vectors.T, expected, axis=1), abs=1e-9)
