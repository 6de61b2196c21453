"""`cairn`: the command line for people. Each command imports what it needs when it runs."""

import getpass
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cairnhub.core.errors import CairnError, printable, run_command_line
from cairnhub.core.files import write_text_atomic

if TYPE_CHECKING:
    from cairnhub.hierarchies.explorer import View
    from cairnhub.hierarchies.tree import LabelTree

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
datasets_app = typer.Typer(
    help="Published datasets: without a command a list of them; check or compare them.",
    invoke_without_command=True,
)
tree_app = typer.Typer(help="Look at label trees.", no_args_is_help=True)
app.add_typer(datasets_app, name="datasets")
app.add_typer(tree_app, name="tree")
console = Console(markup=False)  # what a dataset or label says is text, whatever brackets it has

Dataset = Annotated[str, typer.Argument(help="A name in the hub, a folder, or a URI.")]
Tree = Annotated[str, typer.Argument(help="A dataset (name, folder, URI) or a tree.json.")]
Scale = Annotated[str, typer.Option(help="sample or full.")]
Limit = Annotated[int, typer.Option(min=1, help="How many at most.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"cairn {version('cairn')}")
        raise typer.Exit


@app.callback()
def cairn(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print it and end.")
    ] = False,
) -> None:
    """Hierarchical image-retrieval datasets: list and check them, look at their label trees, review, publish."""


# ---- datasets ---------------------------------------------------------------------------------------------


@datasets_app.callback()
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


@datasets_app.command()
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


@datasets_app.command("diff")
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


@app.command()
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


@app.command()
def rollback(
    to: Annotated[str, typer.Argument(help="Where the dataset was published.")],
    version: Annotated[str, typer.Argument(help="The version to show again, such as v2.")],
) -> None:
    """Let readers see an earlier version again; nothing is deleted."""
    from cairnhub.datasets_hub.push import rollback as switch_back

    switch_back(to, version)
    console.print(f"{to}: readers see {version}")


# ---- trees ------------------------------------------------------------------------------------------------


@tree_app.command()
def show(
    tree: Tree,
    scale: Scale = "sample",
    depth: Annotated[int | None, typer.Option(min=1, help="How many levels below the root to show.")] = None,
    min_count: Annotated[int, typer.Option(help="Leave out nodes with fewer images.")] = 0,
    search: Annotated[str, typer.Option(help="Only labels that contain this text, and their kin.")] = "",
) -> None:
    """Print a label tree with counts, confidence and provenance."""
    from cairnhub.hierarchies.render import render_text

    drawn = render_text(_load(tree, scale), depth, min_count, search, _counts(tree, scale))
    console.print(drawn if drawn.children else "no label fits")


@tree_app.command()
def find(tree: Tree, text: str, scale: Scale = "sample", limit: Limit = 10) -> None:
    """Find labels by part of their name; case, accents and small slips do not matter."""
    loaded = _load(tree, scale)
    found_nodes = loaded.find(text, limit)
    if not found_nodes:
        console.print(f"no label like {text!r}")
    for node in found_nodes:
        above = [found.name for found in loaded.ancestors(node.name, node.level)]
        console.print(" < ".join([f"{node.name} ({node.level})", *above]))


@tree_app.command("diff")
def diff_trees(before: Tree, after: Tree, scale: Scale = "sample") -> None:
    """Say what changed between two trees: renamed, merged, split, moved, added, removed."""
    from cairnhub.hierarchies.tree_diff import diff

    images = _counts(after, scale)
    changes = diff(_load(before, scale), _load(after, scale), images)
    if not changes:
        console.print("no difference")
    for change in changes:
        names = " -> ".join(name for name in (change.before, change.after) if name)
        more = ", ..." if change.n_labels > len(change.examples) else ""
        examples = f": {', '.join(change.examples)}{more}" if change.examples else ""
        size = (
            f"{change.n_leaves:,} leaves, {change.n_images:,} images"
            if images
            else f"{change.n_leaves:,} leaves"
        )
        console.print(
            f"{change.level} {change.what}: {names} ({size}){examples}".replace("  ", " "),
            highlight=False,
        )


@tree_app.command()
def compare(tree: Tree, reference: Tree, scale: Scale = "sample", limit: Limit = 20) -> None:
    """Measure how far a tree agrees with a reference, per level, and list the largest disagreements.

    Each level has a line where every leaf counts once and, for a published dataset, one where it counts by its images.
    """
    from cairnhub.hierarchies.agreement import compare as agreement
    from cairnhub.hierarchies.agreement import disagreements

    ours, theirs, images = _load(tree, scale), _load(reference, scale), _counts(tree, scale)
    table = Table("level", "by", "V-measure", "ARI", "purity", "matched", "groups", "reference")
    weights = {"leaves": None} | ({} if images is None else {"images": images})
    for by, weight in weights.items():
        for level, found in agreement(ours, theirs, weight).items():
            figures = (found.v_measure, found.ari, found.purity, found.matched_accuracy)
            sizes = (found.n_groups, found.n_reference)
            table.add_row(level, by, *(f"{figure:.3f}" for figure in figures), *(f"{n:,}" for n in sizes))
    console.print(table)
    for disagreement in disagreements(ours, theirs, images, limit):
        console.print(f"  {disagreement}")


@tree_app.command()
def export(
    tree: Tree,
    form: Annotated[str, typer.Option(help="csv, newick, graphml, dot or d3.")] = "csv",
    scale: Scale = "sample",
) -> None:
    """Print a tree in a format of other tools."""
    from cairnhub.hierarchies.export import export as as_text

    sys.stdout.write(as_text(_load(tree, scale), form))


@tree_app.command()
def html(
    tree: Tree,
    compare: Annotated[str, typer.Option(help="A second tree, to be shown beside the first.")] = "",
    output: Annotated[Path, typer.Option(help="The page to write.")] = Path("tree.html"),
    scale: Scale = "sample",
) -> None:
    """Write one self-contained page to explore a tree, or two trees side by side."""
    from cairnhub.datasets_hub.loader import describe
    from cairnhub.datasets_hub.thumbnails import photos_per_leaf
    from cairnhub.hierarchies.explorer import write_explorer

    view, beside = _view(tree, scale), _view(compare, scale) if compare else None
    photos = {} if tree.endswith(".json") else photos_per_leaf(describe(tree, scale), view.tree)
    write_explorer(output, f"{tree} beside {compare}" if compare else tree, view, photos, beside)
    console.print(f"{output}: open it in a browser")


def _load(name: str, scale: str) -> "LabelTree":
    from cairnhub.datasets_hub.loader import load_tree
    from cairnhub.hierarchies.tree import LabelTree

    return LabelTree.load(Path(name)) if name.endswith(".json") else load_tree(name, scale)


def _counts(name: str, scale: str) -> dict[str, int] | None:
    """Images per leaf of a published dataset; None for a tree by itself."""
    from cairnhub.pipelines.label_counts import images_per_leaf

    return None if name.endswith(".json") else images_per_leaf(name, scale)


def _view(name: str, scale: str) -> "View":
    """A tree for the explorer; a dataset of this checkout with the decisions that shaped it."""
    from cairnhub.hierarchies.explorer import View
    from cairnhub.hierarchies.review.provenance import read_touches
    from cairnhub.pipelines.label_counts import images_per_split
    from cairnhub.pipelines.paths import Paths, project_root

    tree = _load(name, scale)
    if name.endswith(".json"):
        return View(name, tree)
    try:
        touches = read_touches(Paths(project_root(), scale, name).touches)
    except CairnError:  # not in a checkout
        touches = ()
    return View(name, tree, images_per_split(name, scale), touches)


# ---- models ------------------------------------------------------------------------------------------------

Model = Annotated[str, typer.Argument(help="A model folder, or the dataset that `train` made it for.")]
Nearest = Annotated[int, typer.Option("-k", min=1, help="How many nearest images.")]


@app.command()
def retrieve(
    model: Model,
    dataset: Dataset,
    scale: Scale = "sample",
    protocol: Annotated[str, typer.Option(help="Of the dataset's card; the first by default.")] = "",
    output: Annotated[Path, typer.Option(help="The page to write.")] = Path("retrieval.html"),
    n_queries: Annotated[int, typer.Option(min=1, help="Queries of each kind.")] = 4,
    k: Nearest = 10,
) -> None:
    """Write one self-contained page: what a model finds for its worst, median and best queries."""
    from cairnhub.pipelines.retrieval_commands import retrieval_page

    write_text_atomic(output, retrieval_page(model, dataset, scale, protocol, n_queries, k))
    console.print(f"{output}: open it in a browser")


@app.command()
def search(
    model: Model,
    image: Annotated[Path, typer.Argument(help="The picture to search with.")],
    dataset: Annotated[str, typer.Option(help="Where to search; by default the model's dataset.")] = "",
    scale: Scale = "sample",
    k: Nearest = 10,
) -> None:
    """List the images of a dataset that are nearest to a picture, with their paths in the tree."""
    from cairnhub.pipelines.retrieval_commands import search as neighbours

    table = Table("score", "image", "labels (fine to coarse)")
    for found in neighbours(model, image, dataset or Path(model).name, scale, k):
        table.add_row(f"{found.score:.3f}", printable(found.image_id), Text(" < ".join(found.path)))
    console.print(table)


# ---- review and doctor ------------------------------------------------------------------------------------


@app.command()
def review(
    dataset: Annotated[
        str, typer.Argument(help="A dataset of params.yaml whose tree is proposed from texts.")
    ],
    scale: Scale = "sample",
    author: Annotated[str, typer.Option(help="Written into each decision; your login by default.")] = "",
    limit: Annotated[int | None, typer.Option(help="In the terminal: stop after so many answers.")] = None,
    in_browser: Annotated[bool, typer.Option("--app", help="Review in the browser, with photos.")] = False,
    port: Annotated[int, typer.Option(help="Of the app, on 127.0.0.1; 0 takes one that is free.")] = 0,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the app's page.")] = True,
) -> None:
    """Decide what the machine doubts; each decision is saved at once, as one line.

    In the terminal, or with --app on a page with photos and a live tree, served on this machine only until Ctrl-C. Both
    ask the same questions and write the same lines to hierarchies/decisions/<dataset>.jsonl, which git keeps and
    merges. Afterwards `dvc repro` runs review and what depends on it. docs/review.md tells more.
    """
    from cairnhub.pipelines.review_command import review_in_browser, review_in_terminal

    name = author or _login()
    if in_browser:
        written = review_in_browser(dataset, scale, name, port, open_browser, console)
    else:
        written = review_in_terminal(dataset, scale, name, limit, console)
    if written:
        console.print("Run `dvc repro` to see the effect: review and what depends on it run again.")


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # a container's user may have no name
        raise CairnError("your login has no name here: say who decides with --author") from error


@app.command()
def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Read the store, published datasets, models and caches too.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="With --deep: mend what can safely be mended.")
    ] = False,
) -> None:
    """Check this machine: Python, packages, free disk, cache links, GPU.

    With --deep, everything that was fetched and built is read and held against its hashes: files of the store,
    shards and schemas, models and their trees, DVC's cache, decisions; leftovers of killed runs are listed, versions
    compared with constraints.txt, free space with what is still to come. Nothing is changed, unless --repair is given:
    then leftovers older than a day are removed, and damaged files are moved to a folder `.quarantine`, so that
    `dvc repro` makes them anew. Decisions are never touched. Exits with 1 when a problem is left.
    """
    from cairnhub.pipelines.doctor import examine, examine_deep
    from cairnhub.pipelines.paths import project_root

    if repair and not deep:
        raise CairnError("--repair goes with --deep: `cairn doctor --deep --repair`")
    findings = [*examine(), *(examine_deep(project_root()) if deep else ())]
    table = Table("what", "found", "verdict")
    for finding in findings:
        table.add_row(*map(Text, (finding.what, finding.found, finding.verdict)))
    console.print(table)
    problems = [finding for finding in findings if finding.is_problem]
    repairs = [finding.repair for finding in problems if finding.repair]
    for mend in repairs if repair else ():
        console.print(Text(mend.apply()))
    if repairs and not repair:
        console.print(f"`cairn doctor --deep --repair` mends {len(repairs)} of {len(problems)} problems.")
    if len(problems) > (len(repairs) if repair else 0):
        raise typer.Exit(1)


def main() -> None:
    """Run it."""
    run_command_line(app)
