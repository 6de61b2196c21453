"""Which images make a batch: samplers for `DataLoader(batch_sampler=...)`, each built from an array of labels.

A recipe names one under `batch.sampler`; `make_sampler` gives it. Names are imported when they are first used.
"""

from typing import TYPE_CHECKING

from cairnhub.core.lazy import lazy_names

if TYPE_CHECKING:
    from cairnhub.training.samplers.batch_sampler import ClassBatches
    from cairnhub.training.samplers.class_sampler import ClassSampler
    from cairnhub.training.samplers.named_samplers import make_sampler
    from cairnhub.training.samplers.random_classes import RandomClasses
    from cairnhub.training.samplers.super_pairs import SuperPairs
    from cairnhub.training.samplers.without_repeats import WithoutRepeats

__all__ = ["ClassBatches", "ClassSampler", "RandomClasses", "SuperPairs", "WithoutRepeats", "make_sampler"]
_HERE = "cairnhub.training.samplers"
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ClassBatches": f"{_HERE}.batch_sampler",
        "ClassSampler": f"{_HERE}.class_sampler",
        "RandomClasses": f"{_HERE}.random_classes",
        "SuperPairs": f"{_HERE}.super_pairs",
        "WithoutRepeats": f"{_HERE}.without_repeats",
        "make_sampler": f"{_HERE}.named_samplers",
    },
)
