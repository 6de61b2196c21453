"""Fuzzy search over many labels."""

import heapq
from collections.abc import Sequence
from typing import TypeVar

from hierarchies.names import fold

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
    grams = _trigrams(wanted)
    scored: list[tuple[float, int, int]] = []
    for place, (_, text) in enumerate(folded):
        if wanted in text:
            score = 3.0 if text == wanted else 2.0 if text.startswith(wanted) else 1.0
        else:
            other = _trigrams(text)
            score = len(grams & other) / len(grams | other)
        if score > _SIMILAR:
            scored.append((-score, len(text), place))
    return [folded[place][0] for *_, place in heapq.nsmallest(limit, scored)]


def _trigrams(text: str) -> frozenset[str]:
    padded = f"  {text} "
    return frozenset(padded[i : i + 3] for i in range(len(padded) - 2))
