"""What a model finds, as one self-contained page."""

import math
from pathlib import Path

from cairnhub.core.html import PAGES, fill
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.training.evaluation import ProtocolMetrics
from cairnhub.training.metrics.keys import H_AP
from cairnhub.training.nearest import Side, shown_queries


def render_page(
    title: str,
    tree: LabelTree,
    measured: ProtocolMetrics,
    query: Side,
    gallery: Side | None,
    n_queries: int,
    k: int,
) -> str:
    """The page as HTML; `title` is its heading, the other arguments are those of `shown_queries`."""
    n_queries_in_all, h_ap = len(measured.per_query[H_AP]), measured.values[H_AP]
    means = (
        f"none of {n_queries_in_all:,} queries has a match"
        if math.isnan(h_ap)
        else f"H-AP {100 * h_ap:.1f} over {n_queries_in_all:,} queries"
    )
    shown = shown_queries(tree, measured, query, gallery, n_queries, k)
    values = {"title": title, "means": means, "levels": measured.levels, "found": shown}
    return fill(Path(__file__).with_name("retrieval.html"), values, styles=[PAGES / "retrieved.css"])
