"""Which images make a batch: P classes, K images of each."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from hierarchies import CairnError

IntArray = npt.NDArray[np.int64]


class ClassSampler(Sampler[list[int]]):
    """Batches of `batch_size` images, `images_per_class` of each class drawn; every class once per epoch.

    A class with fewer images than `images_per_class` repeats some; classes come in a new order each epoch,
    and the last batch is filled up with classes from the start of that order. The order depends on `seed` and
    the epoch alone.

    Args:
        labels: (N,) class of each image.
        batch_size: images per batch, a multiple of `images_per_class`.
        images_per_class: images of a class in a batch.
        n_rounds: how often an epoch visits each class; by default as often as makes an epoch see about
            every image once.
        seed: of the order.

    Raises:
        CairnError: the batch does not divide, or asks for more classes than there are.
    """

    def __init__(
        self, labels: IntArray, batch_size: int, images_per_class: int, seed: int, n_rounds: int | None = None
    ) -> None:
        if batch_size % images_per_class:
            raise CairnError(
                f"batch.size {batch_size} is no multiple of batch.images_per_class {images_per_class}"
            )
        self.members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        self.classes_per_batch = batch_size // images_per_class
        if self.classes_per_batch > len(self.members):
            raise CairnError(
                f"a batch of {batch_size} with {images_per_class} images per class needs {self.classes_per_batch} "
                f"classes, but the training split has {len(self.members)}: lower batch.size in the recipe"
            )
        self.images_per_class = images_per_class
        self.n_rounds = n_rounds or max(1, round(len(labels) / (len(self.members) * images_per_class)))
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.n_rounds * -(-len(self.members) // self.classes_per_batch)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        for _ in range(self.n_rounds):
            order = rng.permutation(len(self.members))
            padded = np.resize(order, -(-len(order) // self.classes_per_batch) * self.classes_per_batch)
            for classes in padded.reshape(-1, self.classes_per_batch):
                yield [int(image) for label in classes for image in self._draw(self.members[label], rng)]

    def _draw(self, members: IntArray, rng: np.random.Generator) -> IntArray:
        return rng.choice(members, self.images_per_class, replace=len(members) < self.images_per_class)
