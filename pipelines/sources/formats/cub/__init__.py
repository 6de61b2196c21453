"""CUB-200-2011: its lists and archive, and the families and orders of its species."""

from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.settings.sources import CUBSource, Subset
from cairnhub.pipelines.sources.formats.cub.cub_reader import CUB


def make(dataset: str, source: CUBSource, subset: Subset, executor: Executor) -> CUB:
    """See `formats`."""
    return CUB(source.levels)
