"""Batches in which each class comes about equally often."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from cairnhub.core.errors import BadInput
from cairnhub.training.recipes.settings import Batch
from cairnhub.training.samplers.batch_sampler import ClassBatches
from cairnhub.training.samplers.class_images import IntArray


class ClassSampler(ClassBatches):
    """Each class comes about equally often, all of them in every epoch.

    A class with fewer images than `images_per_class` repeats some; classes come in a new order each round, and
    the last batch of a round is filled up with classes from the start of that order, so that all are full.

    Args:
        labels: (N,) or (N, L) class indices, fine -> coarse.
        batch: `size`, `images_per_class`, and `n_superclasses` and `max_images_per_class` where they are wanted.
        seed: of the order.

    Raises:
        CairnError: as `ClassBatches`; fewer classes than a batch has, or superclasses that do not divide them.
    """

    def __init__(self, labels: npt.ArrayLike, batch: Batch, seed: int = 0) -> None:
        super().__init__(labels, batch, seed)
        self.superclass = self.images.superclass
        self._check_classes(len(self.images))
        self._check_superclasses()
        self.n_visits = self._visits()

    def __len__(self) -> int:
        rounds = [np.flatnonzero(self.n_visits > visit) for visit in range(int(self.n_visits.max()))]
        if self.batch.n_superclasses:
            return sum(map(self._n_superclass_batches, rounds))
        return sum(-(-len(classes) // self.classes_per_batch) for classes in rounds)

    def batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch."""
        rng = self._chance(epoch)
        pools: dict[int, IntArray] = {}
        return [
            np.concatenate([self._draw(label, rng, pools) for label in classes]).tolist()
            for visit in range(int(self.n_visits.max()))
            for classes in self._rounds(np.flatnonzero(self.n_visits > visit), rng)
        ]

    def _check_superclasses(self) -> None:
        n_super, n_there = self.batch.n_superclasses, len(np.unique(self.superclass))
        if n_super and (self.classes_per_batch % n_super or n_super > n_there):
            raise BadInput(
                f"batch.n_superclasses {n_super} must divide the {self.classes_per_batch} classes of a batch and "
                f"not exceed the {n_there} superclasses of the training split"
            )

    def _visits(self) -> IntArray:
        """How many batches of an epoch each class comes to."""
        per_visit, counts = self.batch.images_per_class, self.images.counts
        if self.batch.max_images_per_class:
            return -(-np.minimum(counts, self.batch.max_images_per_class) // per_visit)
        mean = max(1, round(int(counts.sum()) / (len(counts) * per_visit)))  # about every image once
        return np.full(len(counts), mean)

    def _n_superclass_batches(self, classes: IntArray) -> int:
        """How many batches `_superclass_rounds` gives, whichever of two equally full superclasses comes first."""
        n_super = self.batch.n_superclasses
        n_of_superclass = np.unique(self.superclass[classes], return_counts=True)[1]
        waiting = sorted((-(-n_of_superclass // (self.classes_per_batch // n_super))).tolist())
        n_batches = 0
        while waiting:
            left = [n - 1 for n in waiting[-n_super:] if n > 1]
            waiting, n_batches = sorted(waiting[:-n_super] + left), n_batches + 1
        return n_batches

    def _rounds(self, classes: IntArray, rng: np.random.Generator) -> Iterator[IntArray]:
        """Batches of classes, (P,) each, in which each of `classes` comes once."""
        if self.batch.n_superclasses:
            yield from self._superclass_rounds(classes, rng)
            return
        yield from self._groups(classes, np.arange(len(self.images)), self.classes_per_batch, rng)

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
        members, size = self.images.of(label), self.batch.images_per_class
        if not self.batch.max_images_per_class:
            return rng.choice(members, size, replace=len(members) < size)
        pool = pools.get(label, members[:0])
        if len(pool) == 0:
            pool = rng.permutation(members)[: self.batch.max_images_per_class]
        drawn, pools[label] = pool[:size], pool[size:]
        return np.resize(drawn, size)
