"""`cairn retrieve`, `cairn search`: what a trained model finds."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from cairnhub.core.errors import printable
from cairnhub.core.files import write_text_atomic
from cairnhub.pipelines.cli.options import Dataset, Page, Scale, console

app = typer.Typer()

Model = Annotated[str, typer.Argument(help="A model folder, or the dataset that `train` made it for.")]
Nearest = Annotated[int, typer.Option("-k", min=1, help="How many nearest images.")]


@app.command()
def retrieve(
    model: Model,
    dataset: Dataset,
    scale: Scale = None,
    protocol: Annotated[str, typer.Option(help="Of the dataset's card; the first by default.")] = "",
    output: Page = Path("retrieval.html"),
    n_queries: Annotated[int, typer.Option(min=1, help="Queries of each kind.")] = 4,
    k: Nearest = 10,
) -> None:
    """Write one self-contained page: what a model finds for its worst, median and best queries.

    Example: cairn retrieve gldv2 gldv2
    """
    from cairnhub.pipelines.retrieval_commands import retrieval_page

    write_text_atomic(output, retrieval_page(model, dataset, scale, protocol, n_queries, k))
    console.print(f"{output}: open it in a browser")


@app.command()
def search(
    model: Model,
    image: Annotated[Path, typer.Argument(help="The picture to search with.")],
    dataset: Annotated[str, typer.Option(help="Where to search; by default the model's dataset.")] = "",
    scale: Scale = None,
    k: Nearest = 10,
) -> None:
    """List the images of a dataset that are nearest to a picture, with their paths in the tree.

    Example: cairn search gldv2 bridge.jpg
    """
    from cairnhub.pipelines.retrieval_commands import search as neighbours

    table = Table("score", "image", "labels (fine to coarse)")
    for neighbour in neighbours(model, image, dataset or Path(model).name, scale, k):
        table.add_row(
            f"{neighbour.score:.3f}", printable(neighbour.image_id), Text(" < ".join(neighbour.path))
        )
    console.print(table)
