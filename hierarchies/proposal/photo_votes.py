"""Votes of photographs: the categories of the typed landmarks whose photographs are most like those of a landmark.

So H-GLDv2's authors placed landmarks without a type: by what looks like them (Ramzi et al., TPAMI 2025). How far such
votes are to be trusted is tried out on landmarks with a type (`name_model.fit`).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cairnhub.hierarchies.proposal.name_model import Votes
from cairnhub.hierarchies.proposal.neighbours import nearest_among

_N_VOTERS = 10


def photo_votes(
    names: Sequence[str], vectors: npt.NDArray[np.float64], categories: Sequence[str | None]
) -> Votes:
    """Per landmark with photographs, the share of its nearest typed landmarks that each category has, 0..1.

    Args:
        names: of the landmarks, n.
        vectors: what their photographs show, of any length; zeros where nothing is known, (n, d).
        categories: of the landmarks with a type; None of the others.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.where(lengths > 0, lengths, 1)
    is_known = lengths[:, 0] > 0
    voters = np.flatnonzero(is_known & np.array([category is not None for category in categories]))
    nearest, alike = nearest_among(units, voters, _N_VOTERS)
    votes: dict[str, dict[str, float]] = {}
    for row in np.flatnonzero(is_known).tolist():
        likeness = np.maximum(alike[row].round(6), 0)
        if likeness.sum() > 0:
            shares = votes.setdefault(names[row], {})
            for voter, share in zip(nearest[row].tolist(), likeness / likeness.sum(), strict=True):
                category = str(categories[voter])
                shares[category] = shares.get(category, 0.0) + float(share)
    return votes
