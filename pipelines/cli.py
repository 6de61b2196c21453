"""`cairn`: the command line for people. Each command imports what it needs when it runs."""

import importlib.util
import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hierarchies import CairnError

app = typer.Typer(
    help="Hierarchical image-retrieval datasets: list them, look at their label trees, check this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
tree_app = typer.Typer(help="Look at label trees.", no_args_is_help=True)
app.add_typer(tree_app, name="tree")
console = Console()

Dataset = Annotated[str, typer.Argument(help="A name in the hub, a folder, or a URI.")]
Scale = Annotated[str, typer.Option(help="sample or full.")]
MIN_FREE_GB = 5


@app.command()
def datasets() -> None:
    """List the published datasets of the hub."""
    from datasets_hub import list_datasets

    table = Table("dataset", "scale", "images", "splits", "levels (fine to coarse)", "licence")
    published = list_datasets()
    for found in published:
        stats, card = found.stats, found.card
        splits = ", ".join(f"{name} {split.n_images:,}" for name, split in stats.splits.items())
        levels = ", ".join(f"{level} {stats.n_names[level]:,}" for level in card.levels)
        scale = Path(found.location.uri).parent.name
        table.add_row(card.name, scale, f"{stats.n_images:,}", splits, levels, card.licence)
    console.print(table if published else "The hub is empty: run `dvc repro` first.")


@tree_app.command()
def show(
    dataset: Dataset,
    scale: Scale = "sample",
    depth: Annotated[int | None, typer.Option(help="How many levels below the root to show.")] = None,
    min_count: Annotated[int, typer.Option(help="Leave out nodes with fewer images.")] = 0,
    search: Annotated[str, typer.Option(help="Only labels that contain this text, and their kin.")] = "",
) -> None:
    """Print a dataset's label tree with images per node."""
    from datasets_hub import load_tree
    from hierarchies.render import render_text

    console.print(render_text(load_tree(dataset, scale), depth, min_count, search))


@app.command()
def doctor() -> None:
    """Check this machine: Python, packages, free disk, cache links, GPU."""
    table = Table("what", "found", "verdict")
    problems = 0
    for what, found, verdict in [_python(), _disk(), _links(), _gpu(), *_packages()]:
        problems += verdict.startswith("problem")
        table.add_row(what, found, verdict)
    console.print(table)
    if problems:
        raise typer.Exit(1)


Finding = tuple[str, str, str]


def _python() -> Finding:
    version = platform.python_version()
    return "Python", version, "ok" if sys.version_info >= (3, 11) else "problem: needs 3.11 or newer"


def _disk() -> Finding:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    verdict = "ok" if free_gb > MIN_FREE_GB else f"problem: the sample wants {MIN_FREE_GB} GB"
    return "free disk here", f"{free_gb:,.0f} GB", verdict


def _links() -> Finding:
    """How DVC can share a file between its cache and the workspace."""
    with TemporaryDirectory(dir=Path.cwd(), prefix=".cairn-doctor-") as folder:
        source, target = Path(folder) / "a", Path(folder) / "b"
        source.write_bytes(b"cairn")
        try:
            os.link(source, target)
        except OSError:
            return "cache links", "copy", "ok, but every built file takes its space twice"
    return "cache links", "hardlink", "ok"


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return "GPU", "torch is not installed", "ok: only training needs it (pip install 'cairn[train]')"
    import torch

    if not torch.cuda.is_available():
        return "GPU", "none", "ok for the sample; scale full wants one"
    return "GPU", torch.cuda.get_device_name(), "ok"


def _packages() -> list[Finding]:
    """Versions of the packages that decide what works."""
    wanted = {
        "datasets": "loading",
        "pyarrow": "loading",
        "networkx": "trees",
        "dvc": "building",
        "sentence-transformers": "building",
        "torch": "training",
    }
    findings = []
    for name, use in wanted.items():
        try:
            findings.append((name, metadata.version(name), "ok"))
        except metadata.PackageNotFoundError:
            needed = use == "loading"
            findings.append((name, "absent", f"{'problem' if needed else 'ok'}: only {use} needs it"))
    return findings


def main() -> None:
    """Run the command line; a user's mistake is one message, not a traceback."""
    try:
        app()
    except CairnError as error:
        sys.exit(f"error: {error}")
