"""Raw data as its authors publish it: which files, and one row per image out of them."""

from cairnhub.pipelines.executors.local import HERE, Executor
from cairnhub.pipelines.params import Params
from cairnhub.pipelines.settings.sources import (
    CUBSource,
    DyMLSource,
    GLDv2Source,
    INat2018Source,
    SOPSource,
    Source,
    Subset,
    TableSource,
    VehicleIDSource,
)
from cairnhub.pipelines.sources import cub, dyml, gldv2, inat2018, sop, table, vehicleid
from cairnhub.pipelines.sources.listing import Listing, SourceReader

__all__ = ["Listing", "SourceReader", "reader", "subset_of"]


def reader(params: Params, dataset: str, scale: str, executor: Executor = HERE) -> SourceReader:
    """The reader of `dataset` as `params.yaml` declares it; it scans archives by `executor`."""
    source: Source = params.source(dataset)
    match source:
        case GLDv2Source():
            return gldv2.GLDv2(source, getattr(source.subset, scale), executor)
        case INat2018Source():
            return inat2018.INat2018(source)
        case DyMLSource():
            return dyml.DyML(dataset)
        case SOPSource():
            return sop.SOP()
        case CUBSource():
            return cub.CUB()
        case VehicleIDSource():
            return vehicleid.VehicleID()
        case TableSource():
            return table.Table(dataset, source, executor)


def subset_of(params: Params, dataset: str, scale: str) -> Subset:
    """The part of `dataset` that is built at `scale`."""
    subset: Subset = getattr(params.source(dataset).subset, scale)
    return subset
