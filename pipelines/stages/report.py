"""report: the tree page, and the tree as text for the repository."""

import io
from collections import Counter

from rich.console import Console

from datasets_hub import label_array, load_dataset, load_tree
from hierarchies import LabelTree
from hierarchies.files import replace_folder, write_text_atomic
from hierarchies.render import render_html, render_text
from pipelines.stages import Context

TEXT_WIDTH = 120


def run(context: Context) -> None:
    """Draw the tree with the images of all splits counted."""
    tree = load_tree(context.paths.hub)
    counts = images_per_leaf(context, tree)
    with replace_folder(context.paths.pages) as folder:
        render_html(tree, folder / "tree.html", f"{context.dataset} ({context.scale})", counts)
    text = io.StringIO()
    Console(file=text, width=TEXT_WIDTH).print(render_text(tree, counts=counts))
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    write_text_atomic(context.paths.results("report") / "tree.txt", "\n".join(lines) + "\n")
    print(f"{context.dataset}: {context.paths.pages / 'tree.html'}")


def images_per_leaf(context: Context, tree: LabelTree) -> dict[str, int]:
    """How many published images show each leaf."""
    splits = load_dataset(context.paths.hub)
    leaves = tree.at_level(tree.levels[0])
    counts: Counter[str] = Counter()
    for split in splits.values():
        finest = label_array(split, tree)[:, 0]
        counts.update(leaves[index] for index in finest if index >= 0)
    return dict(counts)
