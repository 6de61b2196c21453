"""Which images make a batch: P classes, K images of each."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from cairnhub.core.errors import BadInput
from cairnhub.training.recipes.settings import Batch

IntArray = npt.NDArray[np.int64]


class ClassSampler:
    """Batches of `batch_size` images, `images_per_class` of each class drawn.

    A class with fewer images than `images_per_class` repeats some; classes come in a new order each round, and
    the last batch of a round is filled up with classes from the start of that order, so that all are full.
    The order depends on `seed` and the epoch alone: not on workers, nor on ranks, each of which takes its part of
    every batch.

    Args:
        labels: (N, L) labels, fine -> coarse; classes are those of column 0. Images without one (-1) are never drawn.
        batch: how batches are made.
        seed: of the order.

    Raises:
        CairnError: the batch does not divide, asks for more classes or superclasses than there are, or no class
            has two images.
    """

    def __init__(self, labels: IntArray, batch: Batch, seed: int) -> None:
        self.batch, self.seed = batch, seed
        classes, first, counts = np.unique(labels[:, 0], return_index=True, return_counts=True)
        is_class = classes >= 0
        classes, first, counts = classes[is_class], first[is_class], counts[is_class]
        self.members = [np.flatnonzero(labels[:, 0] == label) for label in classes]
        self.superclass = labels[first, -1]
        self.classes_per_batch = batch.size // batch.images_per_class
        self._check(counts)
        self.n_visits = self._visits(counts)
        self.n_batches = len(self.batches(0))  # any epoch has as many

    def __len__(self) -> int:
        return self.n_batches

    def batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        pools: dict[int, IntArray] = {}
        return [
            [int(image) for label in classes for image in self._draw(label, rng, pools)]
            for visit in range(int(self.n_visits.max()))
            for classes in self._rounds(np.flatnonzero(self.n_visits > visit), rng)
        ]

    def _check(self, counts: IntArray) -> None:
        batch = self.batch
        if batch.size % batch.images_per_class:
            raise BadInput(
                f"batch.size {batch.size} is no multiple of batch.images_per_class {batch.images_per_class}"
            )
        if self.classes_per_batch > len(self.members):
            raise BadInput(
                f"a batch of {batch.size} with {batch.images_per_class} images per class needs "
                f"{self.classes_per_batch} classes, but the training split has {len(self.members)}: "
                "lower batch.size in the recipe"
            )
        if counts.max(initial=0) < 2:
            raise BadInput(
                "every class of the training split has one image, so that no image has another to be ranked: "
                "train on a coarser level, or on a dataset with more images of a class"
            )
        n_super = batch.n_superclasses
        if n_super and (self.classes_per_batch % n_super or n_super > len(np.unique(self.superclass))):
            raise BadInput(
                f"batch.n_superclasses {n_super} must divide the {self.classes_per_batch} classes of a batch and "
                f"not exceed the {len(np.unique(self.superclass))} superclasses of the training split"
            )

    def _visits(self, counts: IntArray) -> IntArray:
        """How many batches of an epoch each class comes to."""
        per_visit = self.batch.images_per_class
        if self.batch.max_images_per_class:
            return -(-np.minimum(counts, self.batch.max_images_per_class) // per_visit)
        mean = max(1, round(int(counts.sum()) / (len(counts) * per_visit)))  # about every image once
        return np.full(len(counts), mean)

    def _rounds(self, classes: IntArray, rng: np.random.Generator) -> Iterator[IntArray]:
        """Batches of classes, (P,) each, in which each of `classes` comes once."""
        if self.batch.n_superclasses:
            yield from self._superclass_rounds(classes, rng)
            return
        yield from self._groups(classes, np.arange(len(self.members)), self.classes_per_batch, rng)

    def _superclass_rounds(self, classes: IntArray, rng: np.random.Generator) -> Iterator[IntArray]:
        """Batches from `n_superclasses` superclasses each; the fullest superclasses come first."""
        size = self.classes_per_batch // self.batch.n_superclasses
        members = {label: np.flatnonzero(self.superclass == label) for label in np.unique(self.superclass)}
        waiting = {
            label: list(self._groups(np.intersect1d(of_superclass, classes), of_superclass, size, rng))
            for label, of_superclass in members.items()
        }
        while any(waiting.values()):
            shuffled = rng.permutation(list(members))
            fullest = sorted(shuffled, key=lambda label: -len(waiting[label]))[: self.batch.n_superclasses]
            parts = [
                waiting[label].pop()
                if waiting[label]
                else next(self._groups(members[label], members[label], size, rng))
                for label in fullest
            ]
            yield np.concatenate(parts)

    def _groups(
        self, classes: IntArray, stand_ins: IntArray, size: int, rng: np.random.Generator
    ) -> Iterator[IntArray]:
        """`classes` in a random order, in groups; the last is filled up from the start of that order.

        Where there are fewer than a group holds, others of `stand_ins` complete it.
        """
        if len(classes) == 0:
            return
        order = rng.permutation(classes)
        if len(order) < size:
            order = np.concatenate([order, rng.permutation(np.setdiff1d(stand_ins, order))])[:size]
        yield from np.resize(order, -(-len(order) // size) * size).reshape(-1, size)

    def _draw(self, label: int, rng: np.random.Generator, pools: dict[int, IntArray]) -> IntArray:
        """Images of a class; with `max_images_per_class` an epoch does not repeat one before all have come."""
        members, size = self.members[label], self.batch.images_per_class
        if not self.batch.max_images_per_class:
            return rng.choice(members, size, replace=len(members) < size)
        pool = pools.get(label, members[:0])
        if len(pool) == 0:
            pool = rng.permutation(members)[: self.batch.max_images_per_class]
        drawn, pools[label] = pool[:size], pool[size:]
        return np.resize(drawn, size)
