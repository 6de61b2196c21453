"""Labels to groups that a person named: the nearest name, or `other`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
OTHER = "other"
_FLOOR = 0.05  # likeness below which a label goes to no name; what has nothing in common stands near 0
_N_NEAREST = 10


@dataclass(frozen=True)
class NamedGroup:
    """A group that is wanted: its name and, if there are any, labels or words that belong to it."""

    name: str
    examples: tuple[str, ...] = ()


def nearest_names(vectors: FloatArray, names: Sequence[NamedGroup], of_names: FloatArray) -> list[str]:
    """The nearest wanted group of each label.

    Some names are near to everything (hubs): likeness is corrected by how like a name is to the labels nearest to it,
    and a label to its nearest names (CSLS, Conneau et al. 2018).

    Args:
        vectors: of the labels, (n, d).
        names: the groups.
        of_names: vectors of each name followed by its examples, group by group.
    """
    ends = np.cumsum([1 + len(group.examples) for group in names])
    means = np.stack([part.mean(axis=0) for part in np.split(of_names, ends[:-1])])
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
    alike = vectors @ means.T
    corrected = 2 * alike - _mean_of_largest(alike, 1) - _mean_of_largest(alike, 0)
    best = np.argmax(corrected.round(6), axis=1)
    floor = alike[np.arange(len(best)), best] >= _FLOOR
    return [names[at].name if near else OTHER for at, near in zip(best.tolist(), floor.tolist(), strict=True)]


def _mean_of_largest(alike: FloatArray, axis: int) -> FloatArray:
    n = min(_N_NEAREST, alike.shape[axis])
    return np.asarray(np.sort(alike, axis=axis).take(range(-n, 0), axis=axis).mean(axis=axis, keepdims=True))
