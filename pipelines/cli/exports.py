"""`cairn export`, `cairn export-index`: a published dataset, or its vectors, in the formats of other tools."""

from pathlib import Path
from typing import Annotated

import typer

from cairnhub.pipelines.cli.options import Dataset, Scale, console

app = typer.Typer()

Output = Annotated[Path | None, typer.Option("--output", "-o", help="The folder to write.")]
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
