"""report: the tree page, and the tree as text for the repository."""

import io

from rich.console import Console

from datasets_hub import load_tree
from hierarchies.files import replace_folder, write_text_atomic
from hierarchies.render import render_html, render_text
from pipelines.counts import images_per_leaf
from pipelines.stages import Context

TEXT_WIDTH = 120


def run(context: Context) -> None:
    """Draw the tree with the images of all splits counted."""
    tree = load_tree(context.paths.hub)
    counts = images_per_leaf(context.paths.hub)
    with replace_folder(context.paths.pages) as folder:
        render_html(tree, folder / "tree.html", f"{context.dataset} ({context.scale})", counts)
    text = io.StringIO()
    Console(file=text, width=TEXT_WIDTH).print(render_text(tree, counts=counts))
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    write_text_atomic(context.paths.results("report") / "tree.txt", "\n".join(lines) + "\n")
    print(f"{context.dataset}: {context.paths.pages / 'tree.html'}")
