"""`cairn datasets ...`: what is published; `push` and `rollback`: what is sent elsewhere."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cairnhub.pipelines.cli.options import Dataset, Scale, console

app = typer.Typer(
    help="Published datasets: without a command a list of them; check or compare them.",
    invoke_without_command=True,
)
sharing = typer.Typer()


@app.callback()
def datasets(context: typer.Context) -> None:
    """List the published datasets of the hub."""
    if context.invoked_subcommand:
        return
    from cairnhub.datasets_hub.loader import list_datasets

    table = Table("dataset", "scale", "images", "splits", "levels (fine to coarse)", "licence")
    published = list_datasets()
    for found in published:
        stats, card = found.stats, found.card
        splits = ", ".join(f"{name} {split.n_images:,}" for name, split in stats.splits.items())
        levels = ", ".join(f"{level} {stats.n_names[level]:,}" for level in card.levels)
        scale = Path(found.location.uri).parent.name
        table.add_row(card.name, scale, f"{stats.n_images:,}", splits, levels, card.licence)
    console.print(table if published else "The hub is empty: run `dvc repro` first.")


@app.command()
def check(
    dataset: Dataset,
    scale: Scale = "sample",
    page: Annotated[Path | None, typer.Option(help="Write look-alikes of different splits, as HTML.")] = None,
) -> None:
    """Hold a published dataset, anybody's, against the contract; exit with 1 if it is broken."""
    from cairnhub.datasets_hub.check import check_dataset

    report = check_dataset(dataset, scale)
    console.print(str(report), soft_wrap=True)
    if page:
        report.save_page(page)
        console.print(f"{page}: open it in a browser")
    if not report.ok:
        raise typer.Exit(1)


@app.command("diff")
def diff_datasets(
    before: Dataset,
    after: Dataset,
    scale: Scale = "sample",
    revision_before: Annotated[str | None, typer.Option(help="An earlier version, such as v1.")] = None,
    revision_after: Annotated[str | None, typer.Option(help="Likewise; the present one by default.")] = None,
) -> None:
    """Say what changed between two datasets, or versions of one: images and labels added, removed, moved."""
    from cairnhub.datasets_hub import dataset_diff as diff

    found = diff.diff_datasets(
        before, after, scale, revision_before=revision_before, revision_after=revision_after
    )
    console.print(str(found), soft_wrap=True)


@sharing.command()
def publish(
    dataset: Dataset,
    to: Annotated[str, typer.Option(help="/path, s3://bucket/prefix, gs://... or hf://org/name.")],
    scale: Scale = "sample",
    message: Annotated[str, typer.Option(help="A line for its changelog.")] = "",
    dry_run: Annotated[bool, typer.Option(help="Only say what would travel.")] = False,
) -> None:
    """Publish a dataset of this hub elsewhere; only changed files travel, readers switch at the end."""
    from cairnhub.datasets_hub.push import publish as send

    done = send(dataset, to, scale=scale, message=message, dry_run=dry_run)
    console.print(str(done), soft_wrap=True)


@sharing.command()
def rollback(
    to: Annotated[str, typer.Argument(help="Where the dataset was published.")],
    version: Annotated[str, typer.Argument(help="The version to show again, such as v2.")],
) -> None:
    """Let readers see an earlier version again; nothing is deleted."""
    from cairnhub.datasets_hub.push import rollback as switch_back

    switch_back(to, version)
    console.print(f"{to}: readers see {version}")
