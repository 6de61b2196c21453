"""`cairn datasets ...`: what is published; `push` and `rollback`: what is sent elsewhere."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cairnhub.pipelines.cli.options import Dataset, Scale, console, new_file, table_of

app = typer.Typer(
    help="Published datasets: without a command a list of them; check or compare them.",
    invoke_without_command=True,
)
sharing = typer.Typer()

To = Annotated[str, typer.Option(help="/path, s3://bucket/prefix, gs://... or hf://org/name.")]
Message = Annotated[str, typer.Option(help="A line for its changelog.")]
DryRun = Annotated[bool, typer.Option(help="Only say what would travel.")]
Private = Annotated[
    bool,
    typer.Option("--private", help="Only you read the place: images go there whatever their licence says."),
]
LabelsOnly = Annotated[bool, typer.Option("--labels-only", help="Send labels and splits without images.")]


@app.callback()
def datasets(context: typer.Context) -> None:
    """List the published datasets of the hub.

    Example: cairn datasets
    """
    if context.invoked_subcommand:
        return
    from cairnhub.datasets_hub.loader import list_datasets

    table = table_of("dataset", "scale", "images", "splits", "levels (fine to coarse)", "licence")
    listed = list_datasets()
    for published in listed:
        stats, card = published.stats, published.card
        splits = ", ".join(f"{name} {split.n_images:,}" for name, split in stats.splits.items())
        levels = ", ".join(f"{level} {stats.n_names[level]:,}" for level in card.levels)
        scale = Path(published.location.uri).parent.name
        table.add_row(card.name, scale, f"{stats.n_images:,}", splits, levels, card.licence)
    console.print(table if listed else "The hub is empty: run `dvc repro` first.")


@app.command()
def check(
    dataset: Dataset,
    scale: Scale = None,
    page: Annotated[
        Path | None, typer.Option(help="Write the first look-alikes, as HTML.", callback=new_file)
    ] = None,
    duplicates: Annotated[
        Path | None,
        typer.Option(
            help="Write all pairs of images that are the same or look so, as Parquet.", callback=new_file
        ),
    ] = None,
) -> None:
    """Hold a published dataset, anybody's, against the contract; exit with 1 if it is broken.

    Example: cairn datasets check s3://bucket/gldv2 --page look_alikes.html
    """
    from cairnhub.datasets_hub.check import check_dataset

    report = check_dataset(dataset, scale=scale)
    console.print(str(report), soft_wrap=True)
    if page:
        report.save_page(page)
        console.print(f"{page}: open it in a browser")
    if duplicates:
        report.save_duplicates(duplicates)
        console.print(f"{duplicates}: {report.duplicates.num_rows:,} pairs")
    if not report.ok:
        raise typer.Exit(1)


@app.command("diff")
def diff(
    before: Dataset,
    after: Dataset,
    scale: Scale = None,
    revision_before: Annotated[str | None, typer.Option(help="An earlier version, such as v1.")] = None,
    revision_after: Annotated[str | None, typer.Option(help="Likewise; the present one by default.")] = None,
) -> None:
    """Say what changed between two datasets, or versions of one: images and labels added, removed, moved.

    Example: cairn datasets diff s3://bucket/gldv2 gldv2 --revision-before v1
    """
    from cairnhub.datasets_hub.dataset_diff import diff_datasets

    difference = diff_datasets(
        before, after, scale=scale, revision_before=revision_before, revision_after=revision_after
    )
    console.print(str(difference), soft_wrap=True)


@sharing.command()
def push(
    dataset: Annotated[str, typer.Argument(help="A dataset (name, folder), or the folder of a model.")],
    to: To,
    scale: Scale = None,
    message: Message = "",
    dry_run: DryRun = False,
    private: Private = False,
    labels_only: LabelsOnly = False,
    licence: Annotated[str, typer.Option(help="Of a model: the licence of its weights.")] = "",
    evaluation: Annotated[
        Path | None, typer.Option(help="Of a model: the folder that `evaluate` wrote, if not its own.")
    ] = None,
    trained_on: Annotated[str, typer.Option(help="Of a model: its dataset, if not that of its folder.")] = "",
) -> None:
    """Push a dataset of this hub, or a model, elsewhere; only changed files travel, readers switch at the end.

    Images that the card says may not be passed on do not leave this machine, unless --private says that only you
    read the place; --labels-only sends what is not images. A model goes with a model card.

    Example: cairn push gldv2 --to s3://bucket/gldv2 --message "Bridges reviewed"

    Example: cairn push models/full/gldv2 --to hf://org/gldv2-resnet50 --licence apache-2.0
    """
    from cairnhub.core.errors import BadInput
    from cairnhub.datasets_hub.push import push as push_dataset

    if (Path(dataset) / "model.json").is_file():
        from cairnhub.pipelines.push_model import push_model

        if scale or message or labels_only:
            raise BadInput(
                "--scale, --message and --labels-only are for datasets; a model is pushed by its folder"
            )
        model = push_model(
            Path(dataset),
            to,
            dataset=trained_on,
            evaluation=evaluation,
            licence=licence,
            dry_run=dry_run,
            private=private,
        )
        console.print(str(model), soft_wrap=True)
        return
    if licence or evaluation or trained_on:
        raise BadInput(
            f"--licence, --evaluation and --trained-on are for models: {dataset} is no model's folder"
        )
    pushed = push_dataset(
        dataset, to, scale=scale, message=message, dry_run=dry_run, private=private, labels_only=labels_only
    )
    console.print(str(pushed), soft_wrap=True)


@sharing.command(hidden=True)
def publish(
    dataset: Dataset, to: To, scale: Scale = None, message: Message = "", dry_run: DryRun = False
) -> None:
    """Former name of `push`, until the next release.

    Example: cairn push gldv2 --to s3://bucket/gldv2
    """
    print("`cairn publish` is now `cairn push`; the old name goes with the next release", file=sys.stderr)
    push(dataset, to, scale, message, dry_run)


@sharing.command()
def rollback(
    to: Annotated[str, typer.Argument(help="Where the dataset was pushed.")],
    version: Annotated[str, typer.Argument(help="The version to show again, such as v2.")],
) -> None:
    """Let readers see an earlier version again; nothing is deleted.

    Example: cairn rollback s3://bucket/gldv2 v1
    """
    from cairnhub.datasets_hub.push import rollback as switch_back

    switch_back(to, version)
    console.print(f"{to}: readers see {version}")
