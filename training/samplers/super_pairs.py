"""Batches from a few superclasses each, every combination of them equally often."""

from itertools import combinations

import numpy as np
import numpy.typing as npt

from cairnhub.core.errors import BadInput
from cairnhub.training.recipes.settings import Batch
from cairnhub.training.samplers.batch_sampler import ClassBatches, shuffled_batches


class SuperPairs(ClassBatches):
    """As many batches of every pair of superclasses, half a batch from each (FastAP, Cakir et al., CVPR 2019).

    For each batch each superclass of the pair gives random classes, each class K random images; with repeats where it
    has fewer. SOP's 12 categories make 66 pairs: 330 batches with 5 of each (HAPPIER, SupRank), 660 with 10 (ROADMAP).
    A superclass with fewer classes than it would have to give is in no pair.

    Args:
        labels: (N, L) class indices, fine -> coarse; superclasses are those of the last column.
        batch: `size`, `images_per_class` (K), `n_superclasses` (2 for pairs), `n_batches_per_pair`, and
            `min_class_size`, below which a class is not drawn.
        seed: of the order.

    Raises:
        CairnError: as `ClassBatches`; the classes of a batch do not divide by its superclasses, or there are too few
            superclasses with enough classes.
    """

    def __init__(self, labels: npt.ArrayLike, batch: Batch, seed: int = 0) -> None:
        super().__init__(labels, batch, seed)
        self.n_from_each = self.classes_per_batch // batch.n_superclasses
        is_drawn = self.images.counts >= batch.min_class_size
        superclasses = np.unique(self.images.superclass[is_drawn])
        members = [np.flatnonzero(is_drawn & (self.images.superclass == label)) for label in superclasses]
        self.members = [classes for classes in members if len(classes) >= self.n_from_each]
        if self.classes_per_batch % batch.n_superclasses or batch.n_superclasses > len(self.members):
            raise BadInput(
                f"batch.n_superclasses {batch.n_superclasses} must divide the {self.classes_per_batch} classes of a "
                f"batch and not exceed the {len(self.members)} superclasses of the training split that have "
                f"{self.n_from_each} classes: lower it, or batch.size"
            )
        self.pairs = list(combinations(range(len(self.members)), batch.n_superclasses))

    def __len__(self) -> int:
        return len(self.pairs) * self.batch.n_batches_per_pair

    def batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch."""
        rng = self._chance(epoch)
        classes = np.concatenate(
            [
                rng.choice(self.members[place], self.n_from_each, replace=False)
                for pair in self.pairs
                for _ in range(self.batch.n_batches_per_pair)
                for place in pair
            ]
        )
        images = self.images.drawn(classes, self.batch.images_per_class, rng)
        return shuffled_batches(images.reshape(len(self), self.batch.size), rng)
