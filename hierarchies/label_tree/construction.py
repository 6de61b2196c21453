"""From what people have, tables and parent links, to the links per level that a strict tree is built from."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.text import quoted
from cairnhub.hierarchies.label_tree.tree_rules import ROOT, IntArray, check_levels, depths, labels


def links_of_table(frame: pd.DataFrame, levels: Sequence[str]) -> list[list[tuple[str, str]]]:
    """The different (label, parent) pairs of each level, fine to coarse, of a table with one column per level.

    Raises:
        CairnError: a column is missing, a label is empty or the table has no row.
    """
    missing = [level for level in levels if level not in frame.columns]
    if missing:
        raise NotFound(
            f"no column for level {quoted(missing)}; the table has {quoted(map(str, frame.columns))}"
        )
    check_levels(levels)
    if frame.empty:
        raise BadInput("the table has no row, so no tree; check the file it was read from")
    links: list[list[tuple[str, str]]] = []
    columns = [labels(frame[level], level) for level in levels] + [pd.Series(ROOT, index=frame.index)]
    for fine, coarse in pairwise(columns):
        pairs = pd.DataFrame({"fine": fine, "coarse": coarse}).drop_duplicates()
        links.append(list(zip(pairs["fine"], pairs["coarse"], strict=True)))
    return links


def links_of_parents(
    links: Mapping[str, str] | Iterable[tuple[str, str]], levels: Sequence[str]
) -> list[list[tuple[str, str]]]:
    """The (label, parent) pairs of each level, fine to coarse, of `child -> parent` links in any order.

    Raises:
        CairnError: a cycle, a label with two parents, a leaf that is not at full depth.
    """
    check_levels(levels)
    parent: dict[str, str] = {}
    for child, above in links.items() if isinstance(links, Mapping) else links:
        if parent.setdefault(child, above) != above:
            raise BadInput(f"{child!r} has two parents, {parent[child]!r} and {above!r}; keep one")
    depth_of = depths(parent)
    by_level: list[list[tuple[str, str]]] = [[] for _ in levels]
    inner = set(parent.values())
    for child, above in parent.items():
        if depth_of[child] > len(levels) or (child not in inner and depth_of[child] < len(levels)):
            raise BadInput(
                f"{child!r} is {depth_of[child]} below the root, but the tree has {len(levels)} levels "
                f"({', '.join(levels)}): every leaf must be at full depth"
            )
        by_level[len(levels) - depth_of[child]].append((child, above))
    return by_level


def reordered(
    levels: Sequence[str],
    names: Sequence[Sequence[str]],
    parents: Sequence[IntArray],
    orders: Mapping[str, Sequence[str]],
) -> tuple[tuple[tuple[str, ...], ...], tuple[IntArray, ...]]:
    """Names and parents under other class indices; levels that `orders` does not name keep theirs.

    Raises:
        BadInput: an order has other names than its level, or one twice.
    """
    ordered = tuple(tuple(orders.get(level, own)) for level, own in zip(levels, names, strict=True))
    places = []
    for level, own, wanted in zip(levels, names, ordered, strict=True):
        place = {name: i for i, name in enumerate(wanted)}
        if len(place) != len(wanted) or place.keys() != set(own):
            raise BadInput(f"level {level!r}: its order must name each of its {len(own):,} labels once")
        places.append(np.array([place[name] for name in own], dtype=np.int64))
    return ordered, tuple(
        above[old][np.argsort(here)] for old, (here, above) in zip(parents, pairwise(places), strict=True)
    )
