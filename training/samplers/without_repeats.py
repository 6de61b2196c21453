"""Batches in which no image of an epoch comes twice."""

from heapq import heapreplace

import numpy as np
import numpy.typing as npt

from cairnhub.training.recipes.settings import Batch
from cairnhub.training.samplers.batch_sampler import ClassBatches, shuffled_batches
from cairnhub.training.samplers.class_images import IntArray


class WithoutRepeats(ClassBatches):
    """No image comes twice in an epoch (Smooth-AP, Brown et al., ECCV 2020, and after it ROADMAP, HAPPIER, SupRank).

    Classes stand in a random order. Each batch takes K images that have not come yet of the first P classes that still
    have K; the epoch ends where fewer than P have. So a class is drawn from in proportion to its images, and classes
    with fewer than K images never come; where classes are about equally large, those at the end of the order hardly
    do: with 100 classes of about 59 images and P = 64 an epoch has 14 batches. Batches are then put in a random order.
    An epoch's number of batches depends a little on the order of the classes.

    Args:
        labels: (N,) or (N, L) class indices, fine -> coarse.
        batch: `size`, `images_per_class` (K), and `max_images_per_class`, which lets a class give no more to an epoch.
        seed: of the order.

    Raises:
        CairnError: as `ClassBatches`; fewer than P classes with K images.

    Example:
        >>> import numpy as np
        >>> from cairnhub.training.recipes.settings import Batch
        >>> from cairnhub.training.samplers import WithoutRepeats
        >>> sampler = WithoutRepeats(np.arange(80) // 10, Batch(sampler="without_repeats", size=16))
        >>> len(sampler), len(set(sum(sampler, [])))
        (4, 64)
    """

    def __init__(self, labels: npt.ArrayLike, batch: Batch, seed: int = 0) -> None:
        super().__init__(labels, batch, seed)
        most = batch.max_images_per_class or len(self.images.rows)
        self.n_visits = np.minimum(self.images.counts, most) // batch.images_per_class
        self._check_classes(int((self.n_visits > 0).sum()), f" with {batch.images_per_class} images")

    def __len__(self) -> int:
        return self._plan(self._chance(self.epoch))[1]

    def batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch."""
        rng, size = self._chance(epoch), self.batch.images_per_class
        first_batch, n_batches = self._plan(rng)
        n_visits = np.clip(n_batches - first_batch, 0, self.n_visits)
        label = np.repeat(np.arange(len(n_visits)), n_visits)
        visit = np.arange(len(label)) - np.repeat(np.cumsum(n_visits) - n_visits, n_visits)
        places = (self.images.starts[label] + visit * size)[:, None] + np.arange(size)
        by_batch = np.argsort(first_batch[label] + visit, kind="stable")
        drawn = self.images.shuffled(rng)[places[by_batch]]
        return shuffled_batches(drawn.reshape(n_batches, self.batch.size), rng)

    def _plan(self, rng: np.random.Generator) -> tuple[IntArray, int]:
        """The batch in which each class comes first, (C,), and the number of full batches.

        From there on a class comes in every batch until its images are used up; so a batch has P places, and a class
        waits for the place that is free first.
        """
        order = rng.permutation(np.flatnonzero(self.n_visits))
        free_from = [0] * self.classes_per_batch  # a heap
        starts = [
            heapreplace(free_from, free_from[0] + n_visits) for n_visits in self.n_visits[order].tolist()
        ]
        first_batch = np.zeros(len(self.n_visits), dtype=np.int64)
        first_batch[order] = starts
        return first_batch, free_from[0]
