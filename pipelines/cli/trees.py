"""`cairn tree ...`: label trees, of published datasets or by themselves."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cairnhub.core.console import text_console
from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.text import quoted
from cairnhub.pipelines.cli.options import (
    MAX_PROPOSED_LEVELS,
    BuiltScale,
    Declared,
    Limit,
    Page,
    Scale,
    Tree,
    console,
    new_file,
    read_sizes,
    table_of,
)

if TYPE_CHECKING:
    from cairnhub.hierarchies.explorer import View
    from cairnhub.hierarchies.label_tree.tree import LabelTree

T = TypeVar("T")
log = logging.getLogger(__name__)
app = typer.Typer(help="Propose label trees and look at them.", no_args_is_help=True)
_FEW_NODES = 400  # a larger tree is shown without its labels


@app.command()
def show(
    tree: Tree,
    scale: Scale = None,
    depth: Annotated[int | None, typer.Option(min=1, help="How many levels below the root to show.")] = None,
    min_count: Annotated[int, typer.Option(min=0, help="Hide nodes with fewer images.")] = 0,
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
    Groups are those of the tree / of the reference.

    Example: cairn tree compare gldv2 reference/tree.json
    """
    from cairnhub.hierarchies.agreement import compare as agreement
    from cairnhub.hierarchies.agreement import disagreements

    ours, theirs, images = _load(tree, scale), _load(reference, scale), _counts(tree, scale)
    table = table_of("level", "by", "V-measure", "ARI", "purity", "matched", "groups")
    weights = {"leaves": None} | ({} if images is None else {"images": images})
    for by, weight in weights.items():
        for level, agreed in agreement(ours, theirs, weight).items():
            figures = (agreed.v_measure, agreed.ari, agreed.purity, agreed.matched_accuracy)
            sizes = f"{agreed.n_groups:,} / {agreed.n_reference:,}"
            table.add_row(level, by, *(f"{figure:.3f}" for figure in figures), sizes)
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
    from cairnhub.datasets_hub.thumbnails import photos_per_leaf, why_no_photos
    from cairnhub.hierarchies.explorer import write_explorer

    view, beside = _view(tree, scale), _view(compare, scale) if compare else None
    named = next((name for name in (tree, compare) if name and not name.endswith(".json")), None)
    published = describe(named, scale=scale) if named else None
    photos = photos_per_leaf(published, published.tree()) if published else {}
    why = why_no_photos(published) if published else "No photos here: a tree by itself has no images."
    write_explorer(output, f"{tree} beside {compare}" if compare else tree, view, photos, beside, why)
    console.print(f"{output}: open it in a browser")


@app.command()
def propose(
    labels: Annotated[Path, typer.Argument(help="A text file with a label in each line, or a .csv or .tsv.")],
    column: Annotated[str | None, typer.Option(help="Column of the labels; by default the first.")] = None,
    text: Annotated[str | None, typer.Option(help="Column that says in words what a label is.")] = None,
    description: Annotated[str | None, typer.Option(help="Column with a sentence on each label.")] = None,
    known: Annotated[
        list[str] | None,
        typer.Option(help="Column of groups that are known; where it is empty they are proposed."),
    ] = None,
    levels: Annotated[
        str, typer.Option(help="Names of the levels above the labels, fine to coarse: a,b.")
    ] = "",
    sizes: Annotated[str, typer.Option(help="How many groups they have, fine to coarse: 20,4.")] = "",
    depth: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_PROPOSED_LEVELS, help="How many levels, where neither says it; else 2."),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option(help="File with wanted groups of the first level, such as `fruit: apple, pear`."),
    ] = None,
    pack: Annotated[
        str,
        typer.Option(
            help="What is known of words: auto (WordNet, if installed; places, if most labels are), places or none."
        ),
    ] = "auto",
    language: Annotated[
        str, typer.Option(help="Of the labels: en, many (any other, or several), or auto, which looks.")
    ] = "auto",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The tree to write.", callback=new_file)
    ] = Path("tree.json"),
    reasons: Annotated[
        Path | None,
        typer.Option(help="Also write why and how sure each label stands where it does.", callback=new_file),
    ] = None,
) -> None:
    """Propose a tree for a list of labels: groups, groups of groups, and names for them.

    Example: cairn tree propose names.txt --sizes 20,4 -o tree.json
    """
    from cairnhub.hierarchies.proposal.label_trees import PACKS, LabelTable, propose_labels
    from cairnhub.hierarchies.proposal.language import LANGUAGES
    from cairnhub.hierarchies.proposal.usual_levels import usual_levels
    from cairnhub.hierarchies.render import render_text
    from cairnhub.pipelines.label_list import read_labels, read_names

    listed = read_labels(labels, column, text, description, known or ())
    numbers = read_sizes(sizes) if sizes else None
    above = [name.strip() for name in levels.split(",") if name.strip()] or list(listed.known)
    above = above or [*usual_levels(depth or (len(numbers) if numbers else 2))]
    if depth is not None and depth != len(above):
        raise BadInput(f"--depth is {depth}, but {len(above)} levels are named: {quoted(above)}")
    table = LabelTable(
        listed.labels,
        [column or "label", *above],
        listed.texts,
        listed.descriptions,
        listed.known,
        numbers,
        read_names(names) if names else (),
    )
    with text_console(stderr=True).status(f"reading {len(listed.labels):,} labels"):
        proposal = propose_labels(
            table, pack=_one_of("pack", pack, PACKS), language=_one_of("language", language, LANGUAGES)
        )
    tree = proposal.tree()
    tree.save(output)
    if reasons:
        proposal.save(reasons)
    console.print(render_text(tree, None if len(tree) <= _FEW_NODES else len(tree.levels) - 1, 0, "", None))
    counts = ", ".join(f"{len(tree.at_level(level)):,} of {level}" for level in tree.levels)
    console.print(f"{output}: {counts}; look at it with `cairn tree html {output}`", soft_wrap=True)
    for note in proposal.notes:
        log.warning(note)


@app.command()
def ask(
    dataset: Declared,
    scale: BuiltScale = "sample",
    url: Annotated[
        str,
        typer.Option(
            help="An OpenAI-compatible endpoint, such as http://localhost:8000/v1; by default CAIRN_LLM_URL."
        ),
    ] = "",
    model: Annotated[
        str, typer.Option(help="Who is asked; by default the only model that the endpoint serves.")
    ] = "",
    below: Annotated[float, typer.Option(help="Ask about places less sure than this, 0.6 at most.")] = 0.2,
    limit: Annotated[int | None, typer.Option(min=1, help="How many questions at most.")] = None,
) -> None:
    """Ask a language model to name groups and to place labels of which the proposal is not sure.

    Sent to the endpoint: labels (of types, where those place the labels) and names of groups; no images, no other
    files. Nothing but this command ever asks. A key comes from the environment variable CAIRN_LLM_KEY only. Each answer
    is a line of decisions/<dataset>.evidence.jsonl, which git keeps and the stage `cluster` replays without asking;
    what is answered is not asked again. People's decisions come after it. docs/trees.md tells more.

    Example: cairn tree ask mine --url http://localhost:8000/v1 --limit 20
    """
    from cairnhub.pipelines.ask_command import ask_model
    from cairnhub.pipelines.chat import Chat

    asked = ask_model(dataset, scale, Chat.configured(url), model, below, limit)
    if not asked.n_kept + asked.n_refused:
        console.print(f"nothing is left to ask: no name is a guess, no place is less sure than {below:g}")
        return
    console.print(f"{asked.n_kept:,} answers kept in {asked.path}", soft_wrap=True)
    if asked.n_refused:
        log.warning(
            f"{asked.n_refused:,} answers refused: none of the choices, or no name (`cairn -v` shows them)"
        )
    if asked.n_kept:
        console.print("`cairn graph` and `dvc repro` replay them: cluster and what depends on it run again.")


def _one_of(option: str, text: str, known: Mapping[str, T]) -> T:
    if text not in known:
        raise BadInput(f"--{option} is {text!r}; give one of {quoted(known)}")
    return known[text]


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
