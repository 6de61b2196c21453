"""Checks on the links that trees are built from: every rule of a strict tree is here."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from cairnhub.core.errors import BadInput
from cairnhub.core.text import CONTROL, quoted
from cairnhub.hierarchies.label_tree.label_rules import Twins, check_names

ROOT = "root"
IntArray = npt.NDArray[np.int64]
Links = Sequence[tuple[str, str]]


def strict_levels(
    levels: Sequence[str], links: Sequence[Links], twins: Twins = "refuse"
) -> tuple[tuple[tuple[str, ...], ...], tuple[IntArray, ...]]:
    """Sort the labels of each level and number their parents.

    Args:
        levels: level names, fine to coarse.
        links: per level, (label, parent) pairs in any order; repeated pairs count once.
        twins: what is done with labels that differ only in case, spaces or Unicode form.

    Returns:
        Names per level in code point order; per level but the last, each name's parent as a class index.

    Raises:
        CairnError: two parents, a parent without a place, an inner node without a leaf, bad labels, no label.
    """
    check_levels(levels)
    parent_of = [_one_parent(level, pairs, twins) for level, pairs in zip(levels, links, strict=True)]
    names = tuple(tuple(sorted(parent)) for parent in parent_of)
    if not names[0]:
        raise BadInput("a tree needs at least one leaf; check the file it was read from")
    parents = []
    for depth, (fine, coarse) in enumerate(pairwise(names)):
        index = {name: i for i, name in enumerate(coarse)}
        used = set(parent_of[depth].values())
        if homeless := sorted(used - set(coarse)):
            raise BadInput(f"level {levels[depth + 1]!r} lacks the parent(s) {quoted(homeless)}; add them")
        if barren := sorted(set(coarse) - used):
            raise BadInput(
                f"level {levels[depth + 1]!r}: no leaf below {quoted(barren)}; leaves must be at full depth"
            )
        parents.append(np.array([index[parent_of[depth][name]] for name in fine], dtype=np.int64))
    return names, tuple(parents)


def _one_parent(level: str, pairs: Links, twins: Twins) -> dict[str, str]:
    parent: dict[str, str] = {}
    twice: dict[str, set[str]] = {}
    for name, above in pairs:
        if parent.setdefault(name, above) != above:
            twice.setdefault(name, {parent[name]}).add(above)
    if twice:
        listed = "; ".join(f"{n!r} under {quoted(sorted(p))}" for n, p in sorted(twice.items())[:5])
        more = f" and {len(twice) - 5:,} more" if len(twice) > 5 else ""
        raise BadInput(
            f"level {level!r}: {len(twice)} label(s) with two parents: {listed}{more}; keep one each, or tell them "
            "apart by their parents, as `qualify` does"
        )
    check_names(list(parent), level, twins)
    return parent


MAX_LEVELS = 100
"""More than any hierarchy of labels has; what draws a tree calls itself once per level."""


MAX_NODES = 2_000_000
"""Ten times the landmarks of GLDv2; a million take 0.8 GB."""


def check_levels(levels: Sequence[str]) -> None:
    """Raise `CairnError` unless the level names are different, not blank and none is the root's."""
    if not levels or len(set(levels)) != len(levels) or ROOT in levels or not all(map(str.strip, levels)):
        raise BadInput(
            f"levels need at least one name, each different and none {ROOT!r}; got {list(levels)[:20]}"
        )
    if hidden := [level for level in levels if CONTROL.search(level)]:
        raise BadInput(f"control characters in the name of level {quoted(hidden)}: rename it")
    if len(levels) > MAX_LEVELS:
        raise BadInput(f"{len(levels):,} levels; a label tree has at most {MAX_LEVELS}: leave some out")


def labels(column: "pd.Series[str]", level: str) -> "pd.Series[str]":
    """A column as text; nulls and blanks are errors that name the first rows."""
    blank = column.isna()
    text = column.astype("str")
    blank |= text.str.strip() == ""
    if blank.any():
        rows = ", ".join(str(i) for i in np.flatnonzero(blank.to_numpy())[:5])
        more = f" and {int(blank.sum()) - 5:,} more" if blank.sum() > 5 else ""
        raise BadInput(
            f"column {level!r}: {int(blank.sum())} empty label(s), first in row(s) {rows}{more} (from 0); give each "
            "row a label or leave it out"
        )
    return text


def depths(parent: Mapping[str, str]) -> dict[str, int]:
    """Depth of each label below the root; raises on cycles and on parents that lead nowhere."""
    if ROOT in parent:
        raise BadInput(
            f"a label is called {ROOT!r}, as the parent of the coarsest ones is: build the tree by from_table"
        )
    depth = {ROOT: 0}
    for start in parent:
        chain: dict[str, None] = {}
        label = start
        while label not in depth:
            if label in chain:
                loop = [*list(chain)[list(chain).index(label) :], label]
                raise BadInput(
                    f"a cycle: {' -> '.join(repr(name) for name in loop[:10])}; cut one of these links"
                )
            chain[label] = None
            if label not in parent:
                raise BadInput(f"{label!r} has no parent; give the coarsest labels the parent {ROOT!r}")
            label = parent[label]
        for name in reversed(chain):
            depth[name] = depth[parent[name]] + 1
    return depth
