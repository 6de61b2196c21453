"""One module per DVC stage, each with `run(context)`; they read, call a package and write."""

from dataclasses import dataclass

from cairnhub.pipelines.executors.local import Executor, LocalExecutor
from cairnhub.pipelines.executors.ray import RayExecutor
from cairnhub.pipelines.params import Params
from cairnhub.pipelines.paths import Paths

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
