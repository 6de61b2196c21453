"""`cairn export`, `cairn export-index`: a published dataset, or its vectors, in the formats of other tools."""

from pathlib import Path
from typing import Annotated

import typer

from cairnhub.pipelines.cli.options import Dataset, Scale, console, new_folder

app = typer.Typer()

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="The folder to write.", callback=new_folder)
]
Splits = Annotated[list[str] | None, typer.Option("--split", help="Only this split; again for more.")]
Levels = Annotated[list[str] | None, typer.Option("--level", help="Only this level; again for more.")]


@app.command()
def export(
    dataset: Dataset,
    to: Annotated[str, typer.Option(help="imagefolder, webdataset, coco, fiftyone, label-studio or tfds.")],
    output: Output = None,
    split: Splits = None,
    level: Levels = None,
    scale: Scale = None,
) -> None:
    """Write a published dataset for other tools: images as they are, ids, labels of every level, tree.json.

    By default into a folder called <dataset>-<format>. docs/hub.md says what each format holds.

    Example: cairn export gldv2 --to imagefolder --split test --output gldv2-test
    """
    from cairnhub.datasets_hub.export.export_dataset import export_dataset
    from cairnhub.pipelines.proposal_confidence import proposal_confidence

    confidence = proposal_confidence(dataset, scale) if to == "label-studio" else None
    done = export_dataset(
        dataset,
        to,
        output or Path(f"{Path(dataset).name}-{to}"),
        splits=split or (),
        levels=level or (),
        confidence=confidence,
        scale=scale,
    )
    console.print(f"{done.folder}: {done.n_images:,} images of {', '.join(done.splits)}", soft_wrap=True)


@app.command("export-index")
def export_index(
    model: Annotated[str, typer.Argument(help="A model folder, or the dataset that `train` made it for.")],
    to: Annotated[str, typer.Option(help="faiss, usearch or lancedb.")],
    dataset: Annotated[str, typer.Option(help="Whose images; by default the model's dataset.")] = "",
    output: Output = None,
    split: Splits = None,
    scale: Scale = None,
) -> None:
    """Embed a dataset and write an index that finds the nearest images, with ids.parquet beside it.

    Row i of ids.parquet is vector i of the index: image_id, split, a label per level. By default into a folder called
    <dataset>-<index>. The packages come with the extra `index`.

    Example: cairn export-index gldv2 --to faiss --output gldv2-index
    """
    from cairnhub.pipelines.export_index import export_index as write_index

    dataset = dataset or Path(model).name
    folder = output or Path(f"{Path(dataset).name}-{to}")
    done = write_index(model, dataset, to, folder, scale, split or ())
    console.print(
        f"{done.folder}: {done.n_vectors:,} vectors of {done.n_dimensions:,} numbers", soft_wrap=True
    )
