"""Labels with the published numbers of images and classes, for samplers: the counts are public, the tails are drawn.

Class sizes follow a log-normal of the width that makes the samplers of the papers draw what they are known to draw.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import norm

from cairnhub.training.samplers.class_images import IntArray


@dataclass(frozen=True)
class Counts:
    """A training split.

    Attributes:
        n_classes: of the finest level.
        n_images: of all classes.
        width: of the log-normal; 0: classes as large as each other.
        sizes: of the smallest and the largest class.
        n_superclasses: of the coarsest level.
    """

    n_classes: int
    n_images: int
    width: float = 0.0
    sizes: tuple[int, int] = (1, 10**5)
    n_superclasses: int = 1


COUNTS = {
    "sop": Counts(11318, 59551, 0.5, (2, 12), 12),
    "cub": Counts(100, 5864),
    "inat2018": Counts(5690, 325846, 1.16, (8, 1003), 13),
    "gldv2": Counts(81313, 1580470, 1.1),
}


def class_sizes(counts: Counts) -> IntArray:
    """Images of each class, (C,)."""
    tail = np.exp(counts.width * norm.ppf((np.arange(counts.n_classes) + 0.5) / counts.n_classes))
    low, high = 0.0, float(counts.n_images)
    for _ in range(60):
        scale = (low + high) / 2
        sizes = np.clip(np.round(scale * tail), *counts.sizes).astype(np.int64)
        low, high = (scale, high) if sizes.sum() < counts.n_images else (low, scale)
    missing = counts.n_images - int(sizes.sum())
    free = np.flatnonzero((sizes > counts.sizes[0]) & (sizes < counts.sizes[1]))
    sizes[free[: abs(missing)]] += np.sign(missing)
    return sizes


@cache
def published_labels(name: str) -> IntArray:
    """Labels (N, 2) of a dataset's training split, in a random order."""
    counts, rng = COUNTS[name], np.random.default_rng(0)
    sizes = rng.permutation(class_sizes(counts))
    superclass = np.arange(counts.n_classes) % counts.n_superclasses
    fine = rng.permutation(np.repeat(np.arange(counts.n_classes), sizes))
    return np.column_stack([fine, superclass[fine]])


@dataclass(frozen=True)
class Drawn:
    """What an epoch draws.

    Attributes:
        n_batches: in the epoch.
        share_seen: of the images.
        share_of_largest: of the draws, those from the tenth of the classes that is largest.
    """

    n_batches: int
    share_seen: float
    share_of_largest: float


def drawn(labels: IntArray, batches: list[list[int]]) -> Drawn:
    """What batches hold."""
    rows, sizes = np.concatenate(batches), np.bincount(labels[:, 0])
    largest = np.argsort(-sizes, kind="stable")[: len(sizes) // 10]
    of_largest = np.isin(np.arange(len(sizes)), largest)[labels[rows, 0]].mean()
    return Drawn(len(batches), len(np.unique(rows)) / len(labels), float(of_largest))
