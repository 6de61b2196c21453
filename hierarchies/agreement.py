"""How far two trees agree, level by level, and where they differ most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cairnhub.core.errors import BadInput
from cairnhub.core.text import quoted
from cairnhub.hierarchies.label_tree.tree import LabelTree

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Agreement of a grouping with a reference.

    Attributes:
        v_measure: harmonic mean of homogeneity and completeness, 0..1 (Rosenberg and Hirschberg 2007).
        ari: adjusted Rand index, 1 at agreement, about 0 at chance (Hubert and Arabie 1985).
        nmi: mutual information over the arithmetic mean of the entropies, 0..1; equals the V-measure.
        purity: weight in each group's commonest reference label, 0..1.
        matched_accuracy: weight that agrees when groups and reference labels are matched one to one, 0..1.
        n_groups: groups in the grouping.
        n_reference: labels in the reference.
    """

    v_measure: float
    ari: float
    nmi: float
    purity: float
    matched_accuracy: float
    n_groups: int
    n_reference: int


@dataclass(frozen=True)
class Disagreement:
    """Things of one group that the reference places elsewhere than most of that group."""

    level: str
    group: str
    expected: str
    found: str
    weight: float
    examples: tuple[str, ...]

    def __str__(self) -> str:
        listed = ", ".join(self.examples)
        return f"{self.weight:g} in {self.group!r} (mostly {self.expected!r}) are {self.found!r}: {listed}"


def agreement(
    groups: Sequence[str], reference: Sequence[str], weights: Sequence[float] | None = None
) -> Agreement:
    """Compare a grouping with a reference grouping of the same things.

    A thing of weight w counts like w equal things; weights need not be whole.

    Args:
        groups: one group name per thing.
        reference: one reference label per thing.
        weights: landmarks or images per thing, >= 0; by default 1.

    Raises:
        CairnError: lengths differ, nothing to compare, or weights that are negative or sum to 0.
    """
    from scipy.optimize import linear_sum_assignment

    table, _, _ = contingency(groups, reference, weights)
    total = table.sum()
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    entropy_rows, entropy_columns, entropy_both = (
        _entropy(part / total) for part in (rows, columns, table.ravel())
    )
    mutual = max(0.0, entropy_rows + entropy_columns - entropy_both)
    mean = (entropy_rows + entropy_columns) / 2
    v_measure = mutual / mean if mean > 0 else 1.0
    matched = linear_sum_assignment(table, maximize=True)
    return Agreement(
        v_measure=float(v_measure),
        ari=_adjusted_rand(table),
        nmi=float(v_measure),
        purity=float(table.max(axis=1).sum() / total),
        matched_accuracy=float(table[matched].sum() / total),
        n_groups=int((rows > 0).sum()),
        n_reference=int((columns > 0).sum()),
    )


def contingency(
    groups: Sequence[str], reference: Sequence[str], weights: Sequence[float] | None = None
) -> tuple[FloatArray, list[str], list[str]]:
    """Weight per (group, reference label), with the names of rows and columns in sorted order."""
    amounts = np.ones(len(groups)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(groups) == len(reference) == len(amounts):
        raise BadInput(
            f"{len(groups)} groups, {len(reference)} labels, {len(amounts)} weights: must be as many"
        )
    if not len(groups) or not np.isfinite(amounts).all() or amounts.min() < 0 or amounts.sum() <= 0:
        raise BadInput("nothing to compare: weights must be finite, >= 0 and not all 0")
    rows, row = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    columns, column = np.unique(np.asarray(reference, dtype=str), return_inverse=True)
    table = np.zeros((len(rows), len(columns)))
    np.add.at(table, (row, column), amounts)
    return table, rows.tolist(), columns.tolist()


def compare(
    tree: LabelTree, reference: LabelTree, weights: Mapping[str, float] | None = None
) -> dict[str, Agreement]:
    """Agreement per level above the leaves, over the leaves that both trees have.

    Args:
        tree: the tree to judge.
        reference: the tree to judge it by; levels are compared by position, from the leaf up.
        weights: weight per leaf name, such as images; by default 1 each.

    Raises:
        CairnError: different numbers of levels, or no common leaf.
    """
    left, right, amounts = _common(tree, reference, weights)
    pairs = zip(tree.levels[1:], left[1:], right[1:], strict=True)
    return {level: agreement(a, b, amounts) for level, a, b in pairs}


def disagreements(
    tree: LabelTree, reference: LabelTree, weights: Mapping[str, float] | None = None, limit: int = 20
) -> list[Disagreement]:
    """The heaviest groups of leaves that the reference places elsewhere than most of their group."""
    left, right, amounts = _common(tree, reference, weights)
    disagreements = []
    for level, groups, labels in zip(tree.levels[1:], left[1:], right[1:], strict=True):
        table, rows, columns = contingency(groups, labels, amounts)
        members: dict[tuple[str, str], list[tuple[float, str]]] = {}
        for leaf, group, label, amount in zip(left[0], groups, labels, amounts, strict=True):
            members.setdefault((group, label), []).append((-amount, leaf))
        for row, group in enumerate(rows):
            expected = columns[int(table[row].argmax())]
            for label in columns:
                if label != expected and (group, label) in members:
                    examples = tuple(leaf for _, leaf in sorted(members[group, label])[:3])
                    weight = -sum(amount for amount, _ in members[group, label])
                    disagreements.append(Disagreement(level, group, expected, label, weight, examples))
    return sorted(disagreements, key=lambda d: (-d.weight, d.level, d.group, d.found))[:limit]


def _common(
    tree: LabelTree, reference: LabelTree, weights: Mapping[str, float] | None
) -> tuple[list[list[str]], list[list[str]], list[float]]:
    """Names per level for the common leaves in both trees, and their weights."""
    if len(tree.levels) != len(reference.levels):
        raise BadInput(f"levels {quoted(tree.levels)} cannot be compared with {quoted(reference.levels)}")
    known = set(reference.names[0])
    leaves = [name for name in tree.names[0] if name in known]
    if not leaves:
        raise BadInput("the trees have no leaf in common; are they of the same dataset?")
    columns = []
    for side in (tree, reference):
        table = side.table().set_index(side.levels[0], drop=False).loc[leaves]
        columns.append([table[level].tolist() for level in side.levels])
    return columns[0], columns[1], [float((weights or {}).get(leaf, 0 if weights else 1)) for leaf in leaves]


def _entropy(shares: FloatArray) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def _adjusted_rand(table: FloatArray) -> float:
    """Adjusted Rand index with pair counts w (w - 1) / 2 of possibly fractional weights."""

    def pairs(weights: FloatArray) -> float:
        return float((weights * (weights - 1)).sum() / 2)

    together, rows, columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    everything = pairs(table.sum(keepdims=True))
    if everything <= 0:
        return 1.0
    expected = rows * columns / everything
    highest = (rows + columns) / 2
    return 1.0 if highest == expected else (together - expected) / (highest - expected)
