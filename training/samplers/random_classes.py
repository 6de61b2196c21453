"""A fixed number of batches, each of random classes."""

import numpy as np
import numpy.typing as npt

from cairnhub.training.recipes.settings import Batch
from cairnhub.training.samplers.batch_sampler import ClassBatches, shuffled_batches


class RandomClasses(ClassBatches):
    """`batch.n_batches` batches an epoch, each of P random classes and K random images of each.

    Every class is as likely in every batch, whatever its number of images; one with fewer than K repeats some.

    Args:
        labels: (N,) or (N, L) class indices, fine -> coarse.
        batch: `size`, `images_per_class` (K), `n_batches`, and `min_class_size`, below which a class is not drawn.
        seed: of the order.

    Raises:
        CairnError: as `ClassBatches`; fewer than P classes.
    """

    def __init__(self, labels: npt.ArrayLike, batch: Batch, seed: int = 0) -> None:
        super().__init__(labels, batch, seed)
        self.classes = np.flatnonzero(self.images.counts >= batch.min_class_size)
        self._check_classes(len(self.classes))

    def __len__(self) -> int:
        return self.batch.n_batches

    def batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch."""
        rng = self._chance(epoch)
        classes = [rng.choice(self.classes, self.classes_per_batch, replace=False) for _ in range(len(self))]
        images = self.images.drawn(np.concatenate(classes), self.batch.images_per_class, rng)
        return shuffled_batches(images.reshape(len(self), self.batch.size), rng)
