"""Agreement measures against scikit-learn, and a list of differences a person can read."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.agreement import agreement, compare, disagreements
from cairnhub.hierarchies.label_tree.tree import LabelTree

LEVELS = ["landmark", "category", "kind"]
things = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 4)), min_size=2, max_size=12
)


@given(things)
def test_measures_equal_scikit_learns_on_repeated_rows(rows: list[tuple[str, str, int]]) -> None:
    groups, labels, weights = zip(*rows, strict=True)
    found = agreement(groups, labels, weights)
    left, right = np.repeat(groups, weights), np.repeat(labels, weights)
    assert found.v_measure == pytest.approx(metrics.v_measure_score(right, left), abs=1e-9)
    assert found.nmi == pytest.approx(metrics.normalized_mutual_info_score(right, left), abs=1e-9)
    assert found.ari == pytest.approx(metrics.adjusted_rand_score(right, left), abs=1e-9)
    table = metrics.cluster.contingency_matrix(left, right)
    assert found.purity == pytest.approx(table.max(axis=1).sum() / table.sum())
    assert found.matched_accuracy <= found.purity + 1e-9


def tree(categories: str) -> LabelTree:
    rows = [(f"l{i}", c, "natural" if c in "xl" else "human-made") for i, c in enumerate(categories)]
    return LabelTree.from_table(pd.DataFrame(rows, columns=LEVELS), LEVELS)


def test_trees_are_compared_on_common_leaves() -> None:
    found = compare(tree("aabbx"), tree("ccddl"))
    assert found["category"].matched_accuracy == 1
    assert found["category"].v_measure == pytest.approx(1)
    assert found["kind"].ari == 1


def test_disagreements_are_named_heaviest_first() -> None:
    found = disagreements(tree("aaabb"), tree("ccddd"), {"l0": 5, "l1": 5, "l2": 3, "l3": 1, "l4": 1})
    assert str(found[0]) == "3 in 'a' (mostly 'c') are 'd': l2"


def test_nothing_in_common_is_an_error() -> None:
    other = LabelTree.from_table(pd.DataFrame([("q", "c", "natural")], columns=LEVELS), LEVELS)
    with pytest.raises(CairnError, match="no leaf in common"):
        compare(tree("ab"), other)
    with pytest.raises(CairnError, match="weights"):
        agreement(["a"], ["b"], [0.0])
