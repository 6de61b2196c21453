"""Images class by class: one array and where each class begins in it, by a sort and no loop over classes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassImages:
    """Images by class of the finest level; those without a label (-1) are in none.

    Attributes:
        rows: (M,) images, class by class, ascending within a class.
        starts: (C,) where each class begins in `rows`.
        counts: (C,) images of each class.
        superclass: (C,) label of each class on the coarsest level.
    """

    rows: IntArray
    starts: IntArray
    counts: IntArray
    superclass: IntArray

    def __len__(self) -> int:
        return len(self.counts)

    def of(self, label: int) -> IntArray:
        """Images of one class, numbered 0..C - 1."""
        start = self.starts[label]
        return self.rows[start : start + self.counts[label]]

    def shuffled(self, rng: np.random.Generator) -> IntArray:
        """`rows` with the images of each class in a random order, (M,)."""
        n_images = len(self.rows)
        class_of = np.repeat(np.arange(len(self)), self.counts)
        return self.rows[np.argsort(class_of * n_images + rng.permutation(n_images))]  # no two keys are equal

    def drawn(self, classes: IntArray, n_each: int, rng: np.random.Generator) -> IntArray:
        """Random images of classes.

        Args:
            classes: (V,) classes 0..C - 1, one more than once too.
            n_each: images of each, distinct ones where the class has so many.
            rng: the source of chance.

        Returns:
            (V, n_each) images.
        """
        counts = self.counts[classes]
        is_small = counts < n_each
        chosen = np.empty((len(classes), n_each), dtype=np.int64)
        for place in range(n_each):
            pick = rng.integers(np.where(is_small, counts, counts - place))
            for taken in np.sort(chosen[:, :place], axis=1).T:
                pick += ~is_small & (pick >= taken)
            chosen[:, place] = pick
        images: IntArray = self.rows[self.starts[classes][:, None] + chosen]
        return images


def class_images(labels: npt.ArrayLike) -> ClassImages:
    """Group images by class.

    Args:
        labels: (N,) or (N, L) class indices, fine -> coarse; -1: no label.
    """
    by_level = np.asarray(labels, dtype=np.int64)
    by_level = by_level.reshape(len(by_level), -1)
    order = np.argsort(by_level[:, 0], kind="stable")
    rows = order[np.searchsorted(by_level[order, 0], 0) :]
    _, starts, counts = np.unique(by_level[rows, 0], return_index=True, return_counts=True)
    return ClassImages(rows, starts, counts, by_level[rows[starts], -1])
