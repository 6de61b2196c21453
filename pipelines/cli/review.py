"""`cairn review`: people decide what the machine doubts."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from cairnhub.core.errors import BadInput
from cairnhub.pipelines.cli.options import BuiltScale, console

app = typer.Typer()


@app.command()
def review(
    dataset: Annotated[
        str, typer.Argument(help="A dataset of params.yaml whose tree is proposed from texts.")
    ],
    scale: BuiltScale = "sample",
    author: Annotated[str, typer.Option(help="Written into each decision; your login by default.")] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help="In the terminal: stop after so many answers.")
    ] = None,
    in_browser: Annotated[bool, typer.Option("--app", help="Review in the browser, with photos.")] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Of the app, on 127.0.0.1; 0 takes one that is free.")
    ] = 0,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the app's page.")] = True,
    vectors: Annotated[
        Path | None,
        typer.Option(
            help="Vectors of photos (Parquet: label, vector): the nearest labelled photos are shown."
        ),
    ] = None,
) -> None:
    """Decide what the machine doubts; each decision is saved at once, as one line.

    In the terminal, or with --app on a page with photos and a live tree, served on this machine only until Ctrl-C. Both
    ask the same questions and write the same lines to decisions/<dataset>.jsonl, which git keeps and
    merges. Afterwards `dvc repro` runs review and what depends on it. docs/review.md tells more.

    Example: cairn review gldv2 --app
    """
    from cairnhub.pipelines.review_command import review_in_browser, review_in_terminal

    name = author or _login()
    if in_browser:
        written = review_in_browser(dataset, scale, name, port, open_browser, console, vectors)
    else:
        written = review_in_terminal(dataset, scale, name, limit, console, vectors)
    if written:
        console.print("Run `dvc repro` to see the effect: review and what depends on it run again.")


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # a container's user may have no name
        raise BadInput("your login has no name here: say who decides with --author") from error
