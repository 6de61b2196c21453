"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cairnhub.core.console import text_console
from cairnhub.core.errors import BadInput
from cairnhub.core.files import check_new_file, check_new_folder

console = text_console()
MAX_PROPOSED_LEVELS = 20
"""More than any taxonomy of things that are photographed has; every further one would repeat the last."""


def new_file(path: Path | None) -> Path | None:
    """A file to write, before hours of work are lost for a name that cannot be one."""
    if path is not None:
        check_new_file(path)
    return path


def new_folder(path: Path | None) -> Path | None:
    """Likewise a folder."""
    if path is not None:
        check_new_folder(path)
    return path


Dataset = Annotated[str, typer.Argument(help="A name in the hub, a folder, or a URI.")]
Declared = Annotated[str, typer.Argument(help="A dataset of params.yaml, such as gldv2.")]
Tree = Annotated[str, typer.Argument(help="A dataset (name, folder, URI) or a tree.json.")]
Scale = Annotated[
    str | None, typer.Option(help="sample or full; by default full where it is published, else sample.")
]
BuiltScale = Annotated[str, typer.Option(help="sample or full.")]
Limit = Annotated[int, typer.Option(min=1, help="How many at most.")]
Page = Annotated[Path, typer.Option(help="The page to write.", callback=new_file)]
Levels = Annotated[str, typer.Option(help="Columns of the labels, fine to coarse, such as species,genus.")]
Texts = Annotated[
    str, typer.Option(help="Columns that say what a label is: its name in words, then descriptions.")
]
Known = Annotated[str, typer.Option(help="Columns with groups that are known; empty cells are proposed.")]
TreeLevels = Annotated[
    str, typer.Option(help="Levels to propose above the labels, such as group,department.")
]
Sizes = Annotated[str, typer.Option(help="How many groups each of them gets, such as 20,4.")]
Depth = Annotated[
    int | None, typer.Option(min=1, max=MAX_PROPOSED_LEVELS, help="How many levels to propose.")
]
Pack = Annotated[str, typer.Option(help="What is known of words: auto, places or none.")]


def table_of(*heads: str) -> Table:
    """A table whose heads stay whole on a narrow terminal, and whose cells go on in the next line."""
    table = Table()
    for head in heads:
        table.add_column(head, min_width=max(map(len, head.split())), overflow="fold")
    return table


def read_sizes(text: str) -> list[int]:
    """Numbers separated by commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(f"--sizes is {text!r}; give whole numbers, fine to coarse, such as 20,4") from None
