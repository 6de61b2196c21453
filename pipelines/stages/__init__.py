"""One module per DVC stage, each with `run(context)`; they read, call a package and write."""

import importlib
from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.errors import CairnError
from cairnhub.core.text import did_you_mean
from cairnhub.pipelines.executors.local import Executor, LocalExecutor
from cairnhub.pipelines.executors.ray import RayExecutor
from cairnhub.pipelines.params import Params, check_scale, load_params
from cairnhub.pipelines.paths import Paths, project_root

STAGES = {
    "fetch": "Download (or take from a mirror) and verify a dataset's files.",
    "index": "List its images: where each lies, its split and its labels.",
    "taxonomy": "Make the label tree that the data itself gives.",
    "embed": "Embed its label texts with a sentence-transformers model.",
    "cluster": "Propose categories and kinds for its landmarks.",
    "review": "Apply the human decisions to the proposal: the label tree.",
    "publish": "Write the Parquet shards, the card and the tree tables to the hub.",
    "check": "Hold the published dataset against its contract; any violation fails.",
    "train": "Train a model by the dataset's recipe.",
    "evaluate": "Measure the model and its baselines, exactly, per level.",
    "report": "Write the tree explorer, and the tree as text.",
}
OVER_ALL = {
    "summary": "Write the project's report over all datasets and scales."
}  # `run(root)`, in place of a context


@dataclass(frozen=True)
class Context:
    """What a stage works on."""

    dataset: str
    scale: str
    params: Params
    paths: Paths

    @property
    def executor(self) -> Executor:
        """Where per-archive work runs, as `params.yaml` says."""
        settings = getattr(self.params.executor, self.scale)
        if settings.kind == "ray":
            return RayExecutor(settings.n_workers, settings.address, settings.storage)
        return LocalExecutor(settings.n_workers)


def make_context(dataset: str, scale: str, root: Path) -> Context:
    """What a stage works on.

    Raises:
        CairnError: unknown dataset or scale, or faulty `params.yaml`.
    """
    check_scale(scale)
    params = load_params(root / "params.yaml")
    params.source(dataset)
    return Context(dataset, scale, params, Paths(root, scale, dataset, params.files_of(dataset)))


def run_stage(name: str, dataset: str, scale: str) -> None:
    """Run one stage.

    Raises:
        CairnError: no such stage, dataset or scale, or what the stage raises.
    """
    if name not in STAGES and name not in OVER_ALL:
        known = [*STAGES, *OVER_ALL]
        raise CairnError(f"no stage {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}")
    module = importlib.import_module(f"cairnhub.pipelines.stages.{name}")
    root = project_root()
    if name in OVER_ALL:
        module.run(root)
        return
    if not dataset:
        raise CairnError(f"stage {name} works on one dataset: `cairn stage {name} <dataset> [sample|full]`")
    context = make_context(dataset, scale, root)
    _check_stage(name, context)
    module.run(context)


def _check_stage(stage: str, context: Context) -> None:
    """Refuse a stage of the other way to a tree."""
    if stage in ("embed", "cluster", "review"):
        context.params.require_tree_from_text(context.dataset)
    if stage == "taxonomy" and context.dataset in context.params.tree_from_text:
        raise CairnError(
            f"the tree of {context.dataset!r} is proposed from texts (tree_from_text in params.yaml): run embed, "
            "cluster and review"
        )
