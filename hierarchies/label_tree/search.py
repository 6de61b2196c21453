"""Fuzzy search over many labels."""

import heapq
from collections.abc import Sequence
from typing import TypeVar

from cairnhub.core.text import fold

T = TypeVar("T")
_SIMILAR = 0.25  # share of common trigrams below which two labels are not alike


def search(query: str, folded: Sequence[tuple[T, str]], limit: int) -> list[T]:
    """Things whose text is like `query`, best first: equal, starting, containing, then similar by trigrams.

    Args:
        query: what to look for; case and accents do not matter.
        folded: things with their text, passed through `fold`.
        limit: how many to return at most.
    """
    wanted = fold(query[:1000])
    if not wanted:
        return []
    scored: list[tuple[float, int, int]] = []
    for place, (_, text) in enumerate(folded):
        if wanted in text:
            score = 3.0 if text == wanted else 2.0 if text.startswith(wanted) else 1.0
            scored.append((-score, len(text), place))
    if len(scored) < limit:  # what is only similar comes after all these
        scored += _similar(wanted, folded)
    return [folded[place][0] for *_, place in heapq.nsmallest(limit, scored)]


def _similar(wanted: str, folded: Sequence[tuple[T, str]]) -> list[tuple[float, int, int]]:
    """Texts that share trigrams with the one wanted and do not contain it: minus similarity, length, place."""
    padded = f"  {wanted} "
    grams = frozenset(padded[i : i + 3] for i in range(len(padded) - 2))
    scored = []
    for place, (_, text) in enumerate(folded):
        padded = f"  {text} "
        n_common = sum([gram in padded for gram in grams])  # a list is quicker than a generator here
        score = n_common / (len(grams) + len(padded) - 2 - n_common)
        if score > _SIMILAR and wanted not in text:
            scored.append((-score, len(text), place))
    return scored
