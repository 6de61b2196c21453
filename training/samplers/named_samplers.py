"""The sampler that a recipe asks for."""

from collections.abc import Mapping

import numpy.typing as npt

from cairnhub.training.recipes.settings import Batch
from cairnhub.training.samplers.batch_sampler import ClassBatches
from cairnhub.training.samplers.class_sampler import ClassSampler
from cairnhub.training.samplers.random_classes import RandomClasses
from cairnhub.training.samplers.super_pairs import SuperPairs
from cairnhub.training.samplers.without_repeats import WithoutRepeats

SAMPLERS: Mapping[str, type[ClassBatches]] = {
    "classes": ClassSampler,
    "without_repeats": WithoutRepeats,
    "super_pairs": SuperPairs,
    "random_classes": RandomClasses,
}


def make_sampler(labels: npt.ArrayLike, batch: Batch, seed: int = 0) -> ClassBatches:
    """The sampler that `batch.sampler` names.

    Args:
        labels: (N,) or (N, L) class indices, fine -> coarse; -1: no label.
        batch: how batches are made.
        seed: of the order.

    Returns:
        For `DataLoader(batch_sampler=...)`; call its `set_epoch` before each epoch.

    Raises:
        CairnError: the labels do not allow such batches.

    Example:
        >>> import numpy as np
        >>> from cairnhub.training.recipes.settings import Batch
        >>> from cairnhub.training.samplers import make_sampler
        >>> sampler = make_sampler(np.arange(80) // 10, Batch(size=16))
        >>> sampler.set_epoch(1)
        >>> [len(batch) for batch in sampler]
        [16, 16, 16, 16]
    """
    return SAMPLERS[batch.sampler](labels, batch, seed)
