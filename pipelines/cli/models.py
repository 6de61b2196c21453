"""`cairn retrieve`, `map`, `search`: what a trained model finds; `evaluate`, `benchmark`: what embeddings are worth."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cairnhub.core.errors import BadInput, printable
from cairnhub.core.files import write_text_atomic
from cairnhub.pipelines.cli.options import Dataset, Page, Scale, console, new_file, new_folder, table_of

app = typer.Typer()

Model = Annotated[str, typer.Argument(help="A model folder, or the dataset that `train` made it for.")]
Protocol = Annotated[
    str, typer.Option(help="Of the dataset's card; by default the first that goes by labels.")
]
Nearest = Annotated[int, typer.Option("-k", min=1, help="How many nearest images.")]


@app.command()
def retrieve(
    model: Model,
    dataset: Dataset,
    scale: Scale = None,
    protocol: Protocol = "",
    output: Page = Path("retrieval.html"),
) -> None:
    """Write one self-contained page: every query with what the model and its baselines find, any result as a query.

    Example: cairn retrieve gldv2 gldv2
    """
    from cairnhub.pipelines.result_pages import pages_of

    write_text_atomic(output, pages_of(model, dataset, scale, protocol).retrieval_page())
    console.print(f"{output}: open it in a browser")


@app.command("map")
def map_images(
    model: Model,
    dataset: Dataset,
    scale: Scale = None,
    protocol: Protocol = "",
    output: Page = Path("map.html"),
) -> None:
    """Write one self-contained page: all images on a plane, like near like, to colour, search and select by lasso.

    Example: cairn map gldv2 gldv2
    """
    from cairnhub.pipelines.result_pages import pages_of

    write_text_atomic(output, pages_of(model, dataset, scale, protocol).map_page())
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

    table = table_of("score", "image", "labels (fine to coarse)")
    for neighbour in neighbours(model, image, dataset or Path(model).name, scale, k):
        table.add_row(
            f"{neighbour.score:.3f}", printable(neighbour.image_id), Text(" < ".join(neighbour.path))
        )
    console.print(table)


@app.command()
def evaluate(
    embeddings: Annotated[
        Path, typer.Option(help="Vectors: .npy, .parquet or .safetensors, a row per image.")
    ],
    labels: Annotated[str, typer.Option(help="A CSV with a column per level, fine to coarse; or a dataset.")],
    gallery: Annotated[
        Path | None, typer.Option(help="Vectors of what is searched; else one another.")
    ] = None,
    gallery_labels: Annotated[Path | None, typer.Option(help="Their CSV.")] = None,
    levels: Annotated[str, typer.Option(help="Columns of the CSV, fine to coarse: species,genus.")] = "",
    protocol: Annotated[str | None, typer.Option(help="Of the dataset's card; the first by default.")] = None,
    split: Annotated[str | None, typer.Option(help="Of the dataset: its images search one another.")] = None,
    scale: Scale = None,
    json: Annotated[Path | None, typer.Option(help="Write all of it there.", callback=new_file)] = None,
) -> None:
    """Score embeddings of any network: H-AP, AP and R@1 with intervals, weak nodes, confused siblings.

    Example: cairn evaluate --embeddings vectors.npy --labels labels.csv --json scores.json
    """
    from cairnhub.pipelines.evaluate_command import Asked, evaluate_files

    columns = tuple(filter(None, levels.split(",")))
    asked = Asked(embeddings, labels, gallery, gallery_labels, columns, protocol, split, scale)
    result = evaluate_files(asked)
    console.print(str(result), soft_wrap=True)
    if json:
        write_text_atomic(json, result.to_json() + "\n")
        console.print(
            f"{json}: all metrics, {len(result.nodes):,} nodes, {len(result.confusions):,} confusions"
        )


@app.command()
def benchmark(
    models: Annotated[
        str,
        typer.Option(help="With commas: model folders, dataset names, or networks such as timm/resnet50."),
    ],
    datasets: Annotated[str, typer.Option(help="Published datasets, with commas.")],
    output: Annotated[
        Path,
        typer.Option(help="Folder for results; what it holds is not measured again.", callback=new_folder),
    ] = Path("benchmark"),
    scale: Scale = None,
    pooling: Annotated[
        str, typer.Option(help="Of networks as published: average, max, gem_fixed, cls.")
    ] = "average",
) -> None:
    """Measure models on published datasets by their protocols; write a leaderboard, as JSON and as a page.

    Example: cairn benchmark --models gldv2,runs/mine,efficientnet-lite0,timm/resnet50 --datasets gldv2,grocery
    """
    from cairnhub.pipelines.benchmark import LEADERBOARD, PAGE, run_benchmark

    named = [[name for name in text.split(",") if name] for text in (models, datasets)]
    if not all(named):
        raise BadInput("--models and --datasets need a name each")
    rows = run_benchmark(named[0], named[1], output, scale, pooling)
    table = table_of("model", "recipe", "seed", "mean H-AP")
    for row in rows:
        table.add_row(
            row["model"],
            row["recipe"],
            "" if row["seed"] is None else str(row["seed"]),
            f"{100 * row['mean_h_ap']:.1f}",
        )
    console.print(table)
    console.print(f"{output / LEADERBOARD}, {output / PAGE}")
