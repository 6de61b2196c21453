"""`cairn`, also `cairnhub`: the command line. Each command imports what it needs when it runs."""

from importlib.metadata import version
from typing import Annotated

import typer

from cairnhub.core import logs
from cairnhub.pipelines.cli import datasets, decisions, exports, initialise, models, project, review, trees

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(datasets.app, name="datasets")
app.add_typer(trees.app, name="tree")
app.add_typer(decisions.app, name="decisions")
for commands in (initialise.app, datasets.sharing, exports.app, models.app, review.app, project.app):
    app.add_typer(commands)  # without a name of its own: its commands are ours


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"cairn {version('cairnhub')}")
        raise typer.Exit


@app.callback()
def cairn(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say everything.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what is wrong.")] = False,
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print it and end.")
    ] = False,
) -> None:
    """Hierarchical image-retrieval datasets: build, check and share them, review their label trees, train, search."""
    logs.configure(int(verbose) - int(quiet))
