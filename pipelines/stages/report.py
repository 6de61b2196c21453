"""report: the tree explorer, and the tree as text for the repository."""

import io
import logging

from rich.console import Console

from cairnhub.core.files import replace_folder, write_text_atomic
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.thumbnails import photos_per_leaf, why_no_photos
from cairnhub.hierarchies.explorer import View, write_explorer
from cairnhub.hierarchies.render import render_text, total_counts
from cairnhub.hierarchies.review.touches import read_touches
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.label_counts import images_per_split

log = logging.getLogger(__name__)

TEXT_WIDTH = 120


def run(context: Context) -> None:
    """Draw the tree with its images counted, its decisions and, where the licence lets, some photos."""
    published = describe(context.paths.hub)
    tree, counts = published.tree(), images_per_split(context.paths.hub)
    view = View(context.dataset, tree, counts, read_touches(context.paths.touches))
    with replace_folder(context.paths.pages) as folder:
        write_explorer(
            folder / "tree.html",
            f"{published.card.title} ({context.scale})",
            view,
            photos_per_leaf(published, tree),
            no_photos=why_no_photos(published),
        )
    text = io.StringIO()
    Console(file=text, width=TEXT_WIDTH).print(render_text(tree, counts=total_counts(counts)))
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    write_text_atomic(context.paths.results("report") / "tree.txt", "\n".join(lines) + "\n")
    log.info(f"{context.dataset}: {context.paths.pages / 'tree.html'}")
