"""What a stage works on: a dataset at a scale, its parameters, its files, and where its work runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cairnhub.pipelines.executors.local import Executor as AnyExecutor
from cairnhub.pipelines.executors.local import LocalExecutor
from cairnhub.pipelines.executors.ray import RayExecutor
from cairnhub.pipelines.params import Params, PerScale, check_scale, load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.settings.executor import Executor

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Context:
    """What a stage works on."""

    dataset: str
    scale: str
    params: Params
    paths: Paths

    def settings(self, kind: type[Settings]) -> Settings:
        """A stage's settings at this scale, by their type."""
        every = (getattr(self.params, name) for name in type(self.params).model_fields)
        scaled = (getattr(values, self.scale) for values in every if isinstance(values, PerScale))
        return next(values for values in scaled if isinstance(values, kind))

    @property
    def executor(self) -> AnyExecutor:
        """Where per-archive work runs, as `params.yaml` says."""
        settings = self.settings(Executor)
        if settings.kind == "ray":
            return RayExecutor(settings.n_workers, settings.address, settings.storage)
        return LocalExecutor(settings.n_workers)


def make_context(dataset: str, scale: str, root: Path) -> Context:
    """The context of one dataset in a project.

    Raises:
        CairnError: unknown dataset or scale, or faulty `params.yaml`.
    """
    check_scale(scale)
    params = load_params(root / "params.yaml")
    params.source(dataset)
    paths = Paths(root, scale, dataset, params.files_of(dataset), params.model_of(dataset, scale))
    return Context(dataset, scale, params, paths)
