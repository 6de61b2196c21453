"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from cairnhub.core.console import text_console
from cairnhub.core.errors import BadInput

console = text_console()

Dataset = Annotated[str, typer.Argument(help="A name in the hub, a folder, or a URI.")]
Declared = Annotated[str, typer.Argument(help="A dataset of params.yaml, such as gldv2.")]
Tree = Annotated[str, typer.Argument(help="A dataset (name, folder, URI) or a tree.json.")]
Scale = Annotated[
    str | None, typer.Option(help="sample or full; by default full where it is published, else sample.")
]
BuiltScale = Annotated[str, typer.Option(help="sample or full.")]
Limit = Annotated[int, typer.Option(min=1, help="How many at most.")]
Page = Annotated[Path, typer.Option(help="The page to write.")]


def read_sizes(text: str) -> list[int]:
    """Numbers separated by commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(f"--sizes is {text!r}; give whole numbers, fine to coarse, such as 20,4") from None
