"""`cairn stage`: run one stage of the graph."""

import importlib

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.text import did_you_mean
from cairnhub.pipelines.context import Context, make_context
from cairnhub.pipelines.paths import project_root
from cairnhub.pipelines.stage_graph import STAGES, Stage


def run_stage(name: str, dataset: str, scale: str) -> None:
    """Run one stage, for one dataset or, where it is a stage over all of them, once.

    Raises:
        CairnError: no such stage, dataset or scale, or what the stage raises.
    """
    stages = {stage.name: stage for stage in STAGES}
    if name not in stages:
        raise NotFound(f"no stage {name!r}{did_you_mean(name, stages)}; there are {', '.join(stages)}")
    root = project_root()
    module = importlib.import_module(f"cairnhub.pipelines.stages.{name}")
    if not stages[name].over:
        module.run(root)
        return
    if not dataset:
        raise BadInput(f"stage {name} works on one dataset: `cairn stage {name} <dataset> [sample|full]`")
    context = make_context(dataset, scale, root)
    _check_way_to_tree(stages[name], context)
    module.run(context)


def _check_way_to_tree(stage: Stage, context: Context) -> None:
    """Refuse a stage of the other way to a tree."""
    if stage.over == "tree_from_text":
        context.params.require_tree_from_text(context.dataset)
    if stage.over == "tree_from_data" and context.dataset in context.params.tree_from_text:
        raise BadInput(
            f"the tree of {context.dataset!r} is proposed from texts (tree_from_text in params.yaml): run embed, "
            "cluster and review"
        )
