"""What every sampler of batches is: P classes and K images of each, by seed and epoch alone."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from cairnhub.core.errors import BadInput
from cairnhub.training.recipes.settings import Batch
from cairnhub.training.samplers.class_images import IntArray, class_images


class ClassBatches(Sampler[list[int]], ABC):
    """Batches of `batch.size` images, `batch.images_per_class` of each class drawn; all are full.

    Goes into `DataLoader(batch_sampler=...)`. The order depends on `seed` and the epoch alone: not on workers, nor on
    ranks, each of which takes its part of every batch.

    Args:
        labels: (N,) or (N, L) class indices, fine -> coarse; classes are those of column 0. Images without one (-1)
            are never drawn.
        batch: how batches are made.
        seed: of the order.

    Raises:
        CairnError: the batch does not divide, asks for more classes or superclasses than there are, or no class
            has two images.
    """

    def __init__(self, labels: npt.ArrayLike, batch: Batch, seed: int = 0) -> None:
        super().__init__()
        self.batch, self.seed, self.epoch = batch, seed, 0
        self.images = class_images(labels)
        self.classes_per_batch = batch.size // batch.images_per_class
        if batch.size % batch.images_per_class:
            raise BadInput(
                f"batch.size {batch.size} is no multiple of batch.images_per_class {batch.images_per_class}"
            )
        if self.images.counts.max(initial=0) < 2:
            raise BadInput(
                "every class of the training split has one image, so that no image has another to be ranked: "
                "train on a coarser level, or on a dataset with more images of a class"
            )

    def __iter__(self) -> Iterator[list[int]]:
        yield from self.batches(self.epoch)

    @abstractmethod
    def __len__(self) -> int:
        """Batches of the epoch that `set_epoch` has set."""

    @abstractmethod
    def batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0, that iterating gives."""
        self.epoch = epoch

    def _chance(self, epoch: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, epoch])

    def _check_classes(self, n_classes: int, which: str = "") -> None:
        batch = self.batch
        if self.classes_per_batch > n_classes:
            raise BadInput(
                f"a batch of {batch.size} with {batch.images_per_class} images per class needs "
                f"{self.classes_per_batch} classes, but the training split has {n_classes}{which}: "
                "lower batch.size in the recipe"
            )


def shuffled_batches(images: IntArray, rng: np.random.Generator) -> list[list[int]]:
    """Batches (B, size) in a random order, and their images too."""
    batches: list[list[int]] = rng.permutation(rng.permuted(images, axis=1)).tolist()
    return batches
