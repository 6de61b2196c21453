"""`cairn stage`: run one stage of the graph."""

import importlib
from pathlib import Path

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.text import did_you_mean
from cairnhub.pipelines.context import Context, make_context
from cairnhub.pipelines.paths import Paths, project_root
from cairnhub.pipelines.settings.train import Train
from cairnhub.pipelines.stage_graph import STAGES, Stage


def run_stage(name: str, dataset: str, scale: str) -> None:
    """Run one stage, for one dataset or, where it is a stage over all of them, once.

    Raises:
        CairnError: no such stage, dataset or scale, an input that no stage made yet, or what the stage raises.
    """
    stages = {stage.name: stage for stage in STAGES}
    if name not in stages:
        raise NotFound(f"no stage {name!r}{did_you_mean(name, stages)}; there are {', '.join(stages)}")
    root = project_root()
    if not stages[name].over:
        if dataset:
            raise BadInput(f"stage {name} works on all datasets at once: `cairn stage {name}`")
        importlib.import_module(f"cairnhub.pipelines.stages.{name}").run(root)
        return
    if not dataset:
        raise BadInput(f"stage {name} works on one dataset: `cairn stage {name} <dataset> [sample|full]`")
    context = make_context(dataset, scale, root)
    _check_fits(stages[name], context)
    _check_inputs(stages[name], context)
    importlib.import_module(f"cairnhub.pipelines.stages.{name}").run(context)


def _check_fits(stage: Stage, context: Context) -> None:
    """Refuse a stage of the other way to a tree, and training without a recipe."""
    if stage.over == "tree_from_text":
        context.params.require_tree_from_text(context.dataset)
    if stage.over == "tree_from_data" and context.dataset in context.params.tree_from_text:
        raise BadInput(
            f"the tree of {context.dataset!r} is proposed from texts (tree_from_text in params.yaml): run embed, "
            "cluster and review"
        )
    trained = context.paths.model_of if stage.over == "evaluate_on" else context.dataset
    if stage.over in ("train_on", "evaluate_on") and trained not in context.settings(Train).recipes:
        raise BadInput(
            f"params.yaml: {context.dataset!r} has no recipe under train.{context.scale}.recipes; name one there"
        )
    if stage.over == "evaluate_on" and not context.params.is_evaluated(context.dataset):
        raise BadInput(
            f"params.yaml: sources.{context.dataset}.protocols is []: it is trained on and never evaluated"
        )


def _check_inputs(stage: Stage, context: Context) -> None:
    """Refuse a stage whose inputs are not made yet, naming the stage that makes the first of them."""
    for path in (_path(name, context.paths) for name in stage.reads if "/" not in name):
        writer = _writer(path, context)
        if writer and not path.exists():
            made_for = context.paths.model_of if path == context.paths.model else context.dataset
            command = f"cairn stage {writer.name} {made_for} {context.scale}"
            raise NotFound(f"{path} is missing: stage {stage.name} reads it; run `{command}`, or `dvc repro`")


def _path(name: str, paths: Paths) -> Path:
    path: Path = getattr(paths, name)
    return path


def _writer(path: Path, context: Context) -> Stage | None:
    """The stage that makes a file for this dataset; None for what people write, such as decisions."""
    writers = [
        stage
        for stage in STAGES
        for out in stage.writes
        if hasattr(context.paths, out.path) and _path(out.path, context.paths) in (path, *path.parents)
    ]
    on_this_dataset = [
        stage for stage in writers if stage.over and context.dataset in getattr(context.params, stage.over)
    ]
    return next(iter(on_this_dataset or writers), None)
