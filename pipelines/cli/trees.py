"""`cairn tree ...`: label trees, of published datasets or by themselves."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cairnhub.core.errors import NotFound
from cairnhub.pipelines.cli.options import Limit, Page, Scale, Tree, console

if TYPE_CHECKING:
    from cairnhub.hierarchies.explorer import View
    from cairnhub.hierarchies.label_tree.tree import LabelTree

app = typer.Typer(help="Look at label trees.", no_args_is_help=True)


@app.command()
def show(
    tree: Tree,
    scale: Scale = None,
    depth: Annotated[int | None, typer.Option(min=1, help="How many levels below the root to show.")] = None,
    min_count: Annotated[int, typer.Option(help="Hide nodes with fewer images.")] = 0,
    search: Annotated[str, typer.Option(help="Only labels that contain this text, and their kin.")] = "",
) -> None:
    """Print a label tree with counts, confidence and provenance.

    Example: cairn tree show gldv2 --search lake
    """
    from cairnhub.hierarchies.render import render_text

    drawn = render_text(_load(tree, scale), depth, min_count, search, _counts(tree, scale))
    console.print(drawn if drawn.children else "no label fits")


@app.command()
def find(tree: Tree, text: str, scale: Scale = None, limit: Limit = 10) -> None:
    """Find labels by part of their name; case, accents and small slips do not matter.

    Example: cairn tree find gldv2 "ponte vechio"
    """
    loaded = _load(tree, scale)
    nodes = loaded.find(text, limit)
    if not nodes:
        console.print(f"no label like {text!r}")
    for node in nodes:
        above = [ancestor.name for ancestor in loaded.ancestors(node.name, node.level)]
        console.print(" < ".join([f"{node.name} ({node.level})", *above]))


@app.command("diff")
def diff_trees(before: Tree, after: Tree, scale: Scale = None) -> None:
    """Say what changed between two trees: renamed, merged, split, moved, added, removed.

    Example: cairn tree diff old/tree.json gldv2
    """
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


@app.command()
def compare(tree: Tree, reference: Tree, scale: Scale = None, limit: Limit = 20) -> None:
    """Measure how far a tree agrees with a reference, per level, and list the largest disagreements.

    Each level has a line where every leaf counts once and, for a published dataset, one where it counts by its images.

    Example: cairn tree compare gldv2 reference/tree.json
    """
    from cairnhub.hierarchies.agreement import compare as agreement
    from cairnhub.hierarchies.agreement import disagreements

    ours, theirs, images = _load(tree, scale), _load(reference, scale), _counts(tree, scale)
    table = Table("level", "by", "V-measure", "ARI", "purity", "matched", "groups", "reference")
    weights = {"leaves": None} | ({} if images is None else {"images": images})
    for by, weight in weights.items():
        for level, agreed in agreement(ours, theirs, weight).items():
            figures = (agreed.v_measure, agreed.ari, agreed.purity, agreed.matched_accuracy)
            sizes = (agreed.n_groups, agreed.n_reference)
            table.add_row(level, by, *(f"{figure:.3f}" for figure in figures), *(f"{n:,}" for n in sizes))
    console.print(table)
    for disagreement in disagreements(ours, theirs, images, limit):
        console.print(f"  {disagreement}")


@app.command()
def export(
    tree: Tree,
    form: Annotated[str, typer.Option(help="csv, newick, graphml, dot or d3.")] = "csv",
    scale: Scale = None,
) -> None:
    """Print a tree in a format of other tools.

    Example: cairn tree export gldv2 --form newick
    """
    from cairnhub.hierarchies.export import export as as_text

    sys.stdout.write(as_text(_load(tree, scale), form))


@app.command()
def html(
    tree: Tree,
    compare: Annotated[str, typer.Option(help="A second tree, to be shown beside the first.")] = "",
    output: Page = Path("tree.html"),
    scale: Scale = None,
) -> None:
    """Write one self-contained page to explore a tree, or two trees side by side.

    Example: cairn tree html gldv2 --output tree.html
    """
    from cairnhub.datasets_hub.loader import describe
    from cairnhub.datasets_hub.thumbnails import photos_per_leaf
    from cairnhub.hierarchies.explorer import write_explorer

    view, beside = _view(tree, scale), _view(compare, scale) if compare else None
    photos = {} if tree.endswith(".json") else photos_per_leaf(describe(tree, scale=scale), view.tree)
    write_explorer(output, f"{tree} beside {compare}" if compare else tree, view, photos, beside)
    console.print(f"{output}: open it in a browser")


def _load(name: str, scale: str | None) -> "LabelTree":
    from cairnhub.datasets_hub.loader import load_tree
    from cairnhub.hierarchies.label_tree.tree import LabelTree

    return LabelTree.load(Path(name)) if name.endswith(".json") else load_tree(name, scale=scale)


def _counts(name: str, scale: str | None) -> dict[str, int] | None:
    """Images per leaf of a published dataset; None for a tree by itself."""
    from cairnhub.pipelines.label_counts import images_per_leaf

    return None if name.endswith(".json") else images_per_leaf(name, scale=scale)


def _view(name: str, scale: str | None) -> "View":
    """A tree for the explorer; a dataset of this checkout with the decisions that shaped it."""
    from cairnhub.datasets_hub.loader import describe
    from cairnhub.hierarchies.explorer import View
    from cairnhub.hierarchies.review.touches import read_touches
    from cairnhub.pipelines.label_counts import images_per_split
    from cairnhub.pipelines.paths import Paths, project_root

    if name.endswith(".json"):
        return View(name, _load(name, scale))
    published = describe(name, scale=scale)
    try:
        scale = Path(published.location.uri).parent.name
        touches = read_touches(Paths(project_root(), scale, name).touches)
    except NotFound:  # not in a checkout
        touches = ()
    return View(name, published.tree(), images_per_split(name, scale=scale), touches)
