"""Google Landmarks v2: its tables and tars, the hashes beside them, and the types that Wikimedia knows."""

from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.settings.sources import GLDv2Source, GLDv2Subset
from cairnhub.pipelines.sources.formats.gldv2.reader import GLDv2


def make(dataset: str, source: GLDv2Source, subset: GLDv2Subset, executor: Executor) -> GLDv2:
    """See `formats`."""
    return GLDv2(source, subset, executor)
