"""`python -m pipelines <stage> <dataset> [<scale>]`: what `dvc repro` runs, one stage at a time."""

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from hierarchies import CairnError
from pipelines.config import SCALES, load_params
from pipelines.include import include_dataset
from pipelines.paths import Paths, project_root
from pipelines.stages import STAGES, Context

app = typer.Typer(
    help="Run one stage for one dataset. `dvc repro` runs all that is stale, in order.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def run_stage(stage: str, dataset: str, scale: str, root: Path) -> None:
    """Run one stage.

    Raises:
        CairnError: unknown dataset or scale, or the stage refuses its input.
    """
    if scale not in SCALES:
        raise CairnError(f"no scale {scale!r}; choose one of {', '.join(SCALES)}")
    params = load_params(root / "params.yaml")
    params.source(dataset)
    context = Context(dataset, scale, params, Paths(root, scale, dataset))
    importlib.import_module(f"pipelines.stages.{stage}").run(context)


def _add_command(stage: str, summary: str) -> None:
    def command(
        dataset: Annotated[str, typer.Argument(help="A dataset of params.yaml, such as gldv2.")],
        scale: Annotated[str, typer.Argument(help="sample or full.")] = "sample",
    ) -> None:
        run_stage(stage, dataset, scale, project_root())

    app.command(stage, help=summary)(command)


for _stage, _summary in STAGES.items():
    _add_command(_stage, _summary)


@app.command()
def include(
    dataset: Annotated[str, typer.Argument(help="A dataset declared under sources, such as grocery.")],
    mirror: Annotated[str, typer.Option(help="The folder or URL that holds its files.")],
    scale: Annotated[str, typer.Option(help="sample or full.")] = "sample",
) -> None:
    """Add a declared dataset to the lists of params.yaml, so that `dvc repro` builds it."""
    include_dataset(project_root() / "params.yaml", dataset, mirror, scale)


def main() -> None:
    """Run the command line; a user's mistake is one message, not a traceback."""
    try:
        app()
    except CairnError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
