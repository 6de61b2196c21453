"""`python -m pipelines <stage> <dataset> [<scale>]`: what `dvc repro` runs, one stage at a time."""

import importlib
from pathlib import Path
from typing import Annotated

import typer

from cairnhub.core.errors import CairnError, run_command_line
from cairnhub.core.files import write_text_atomic
from cairnhub.pipelines.include import include_dataset
from cairnhub.pipelines.params import check_scale, load_params
from cairnhub.pipelines.paths import Paths, project_root
from cairnhub.pipelines.stages import OVER_ALL, STAGES, Context

app = typer.Typer(
    help="Run one stage for one dataset. `dvc repro` runs all that is stale, in order.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def make_context(dataset: str, scale: str, root: Path) -> Context:
    """What a stage works on.

    Raises:
        CairnError: unknown dataset or scale, or faulty `params.yaml`.
    """
    check_scale(scale)
    params = load_params(root / "params.yaml")
    params.source(dataset)
    return Context(dataset, scale, params, Paths(root, scale, dataset, params.files_of(dataset)))


def _add_command(stage: str, summary: str) -> None:
    def command(
        dataset: Annotated[str, typer.Argument(help="A dataset of params.yaml, such as gldv2.")],
        scale: Annotated[str, typer.Argument(help="sample or full.")] = "sample",
    ) -> None:
        context = make_context(dataset, scale, project_root())
        _check_stage(stage, context)
        importlib.import_module(f"cairnhub.pipelines.stages.{stage}").run(context)

    app.command(stage, help=summary)(command)


def _check_stage(stage: str, context: Context) -> None:
    """Refuse a stage of the other way to a tree."""
    if stage in ("embed", "cluster", "review"):
        context.params.require_tree_from_text(context.dataset)
    if stage == "taxonomy" and context.dataset in context.params.tree_from_text:
        raise CairnError(
            f"the tree of {context.dataset!r} is proposed from texts (tree_from_text in params.yaml): run embed, "
            "cluster and review"
        )


def _add_command_over_all(stage: str, summary: str) -> None:
    def command() -> None:
        importlib.import_module(f"cairnhub.pipelines.stages.{stage}").run(project_root())

    app.command(stage, help=summary)(command)


for _stage, _summary in STAGES.items():
    _add_command(_stage, _summary)
for _stage, _summary in OVER_ALL.items():
    _add_command_over_all(_stage, _summary)


@app.command()
def include(
    dataset: Annotated[str, typer.Argument(help="A dataset declared under sources, such as cub or grocery.")],
    mirror: Annotated[
        str | None, typer.Option(help="The folder or URL that holds its files, where it has one.")
    ] = None,
    scale: Annotated[str, typer.Option(help="sample or full.")] = "sample",
) -> None:
    """Add a declared dataset to the lists of params.yaml, so that `dvc repro` builds it."""
    lists = include_dataset(project_root() / "params.yaml", dataset, mirror, scale)
    print(f"params.yaml: {dataset} is listed under {', '.join(lists)}; `dvc repro` builds it")
    if "train_on" not in lists:
        print(f"It is not trained on: it has no recipe under train.{scale}.recipes")


@app.command()
def register(
    dataset: Annotated[str, typer.Argument(help="A dataset with a registry, such as gldv2.")],
    scale: Annotated[str, typer.Argument(help="The scale whose mirror and timeouts are used.")] = "full",
) -> None:
    """Record the hashes that the authors publish into the registry, for review and commit."""
    from cairnhub.pipelines.sources.fetching import register as record_hashes

    n_recorded = record_hashes(make_context(dataset, scale, project_root()))
    print(f"{dataset}: {n_recorded:,} hashes recorded")


@app.command()
def recipes() -> None:
    """Write results/recipes.md: what each recipe's paper reports beside what was reproduced here."""
    from cairnhub.pipelines.recipe_table import recipe_table

    root = project_root()
    table = recipe_table(load_params(root / "params.yaml"), root / "results")
    write_text_atomic(root / "results/recipes.md", table)
    print(root / "results/recipes.md")


def main() -> None:
    """Run it."""
    run_command_line(app)
