"""Labels whose words speak for one group and whose photographs for another."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cairnhub.hierarchies.proposal.neighbours import nearest_labels

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_N_VOTERS = 10
_CLEAR = 0.5  # share of the votes from which they speak for a group


def spoken_for(vectors: FloatArray, groups: IntArray) -> IntArray:
    """The group that the labels most like each label are in, (n,); -1 where they do not agree.

    Args:
        vectors: rows of unit length, or zero where nothing is known, (n, d).
        groups: group of each label, numbered from 0, (n,).
    """
    n = len(groups)
    nearest, alike = nearest_labels(vectors, _N_VOTERS)
    votes = np.zeros((n, int(groups.max(initial=0)) + 1))
    np.add.at(votes, (np.arange(n)[:, None], groups[nearest]), np.maximum(alike.round(6), 0))
    best = votes.argmax(axis=1)
    share = votes[np.arange(n), best] / np.maximum(votes.sum(axis=1), 1e-9)
    return np.where(share >= _CLEAR, best, -1)


def disagreements(
    words: FloatArray, views: Sequence[FloatArray], groups: IntArray
) -> dict[int, tuple[int, str]]:
    """Labels about which words and photographs disagree: row -> a group that one of them speaks for, and which.

    Args:
        words: vectors of what the labels say, (n, d).
        views: vectors of what their photographs show, (n, d) each; zeros where there are none.
        groups: where each label stands, (n,).

    Returns:
        Per row in doubt another group than its own, and `photographs` or `words`, whichever speaks for it.
    """
    found: dict[int, tuple[int, str]] = {}
    if not views:
        return found
    by_words = spoken_for(words, groups)
    for view in views:
        by_view = spoken_for(view, groups)
        for row in np.flatnonzero((by_words >= 0) & (by_view >= 0) & (by_words != by_view)).tolist():
            other = (by_words[row], "words") if by_view[row] == groups[row] else (by_view[row], "photographs")
            found.setdefault(row, (int(other[0]), other[1]))
    return found
