"""The reader of a dataset, made by the format that `params.yaml` declares for it."""

import importlib

from cairnhub.pipelines.executors.local import HERE, Executor
from cairnhub.pipelines.params import Params
from cairnhub.pipelines.settings.sources import Subset
from cairnhub.pipelines.sources.source_reader import SourceReader


def reader(params: Params, dataset: str, scale: str, executor: Executor = HERE) -> SourceReader:
    """The reader of `dataset` as `params.yaml` declares it; it scans archives by `executor`.

    The format is one that `params.yaml` may name, and its module is imported here and nowhere else: what is edited
    in one format makes no dataset of another stale.
    """
    source = params.source(dataset)
    module = importlib.import_module(f"cairnhub.pipelines.sources.formats.{source.format}")
    made: SourceReader = module.make(dataset, source, subset_of(params, dataset, scale), executor)
    return made


def subset_of(params: Params, dataset: str, scale: str) -> Subset:
    """The part of `dataset` that is built at `scale`."""
    subset: Subset = getattr(params.source(dataset).subset, scale)
    return subset
