"""`cairn decisions ...`: what people decided elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from cairnhub.core.errors import BadInput
from cairnhub.pipelines.cli.options import BuiltScale, console

app = typer.Typer(help="Decisions about label trees that were made elsewhere.", no_args_is_help=True)


@app.command("import")
def import_(
    form: Annotated[str, typer.Argument(help="Where they come from: label-studio.")],
    answers: Annotated[Path, typer.Argument(help="The JSON that it exports.")],
    dataset: Annotated[
        str, typer.Option(help="It must be about this dataset of params.yaml; by default whichever it is.")
    ] = "",
    scale: BuiltScale = "sample",
    author: Annotated[str, typer.Option(help="Who decided; by default the user that the answers name.")] = "",
) -> None:
    """Append answers of Label Studio to decisions/<dataset>.jsonl, all or none; the same answers count once.

    An answer that leaves a label in its group is written as `accept`, another one as `move`. The tasks come from
    `cairn export <dataset> --to label-studio`.

    Example: cairn decisions import label-studio answers.json
    """
    from cairnhub.pipelines.import_answers import import_label_studio

    if form != "label-studio":
        raise BadInput(f"no decisions come from {form!r}; label-studio is known")
    done = import_label_studio(answers, scale, dataset, author)
    known = f", {done.n_known:,} were there" if done.n_known else ""
    console.print(f"{done.path}: {len(done.added):,} decisions added{known}", soft_wrap=True)
    if done.added:
        console.print("Run `dvc repro` to see the effect: review and what depends on it run again.")
