"""What models find, as one self-contained page: every query, the results of each system, any result as a query."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cairnhub.core.html import PAGES as SHARED
from cairnhub.core.html import fill
from cairnhub.core.packed import packed
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.training.model_results import ModelResults, SystemResults
from cairnhub.training.page_data import Sheets, image_data, told_of_pictures

PAGES = Path(__file__).parent / "pages"
_PIECE = 500  # images whose results the script reads at once
_NONE = 65_535


def render_retrieval_page(
    results: ModelResults, tree: LabelTree, sheets: Sheets, pages: Mapping[str, str] | None = None
) -> str:
    """The page as HTML.

    Args:
        results: what was found.
        tree: names of the labels.
        sheets: small pictures of the images.
        pages: addresses of the dataset's other pages, by what they show: `tree`, `map`.
    """
    data = image_data(results, tree, sheets, pages or {})
    data["systems"] = [_system(name, system) for name, system in results.systems.items()]
    for name, system in results.systems.items():
        data |= _pieces(name, system)
    values = {
        "title": f"{results.dataset}, {results.protocol}: what {results.model} finds",
        "means": _means(results) + told_of_pictures(results, sheets),
        "levels": results.levels,
        "pages": pages or {},
        "k": next(iter(results.systems.values())).items.shape[1],
        "no_pictures": sheets.why_none,
    }
    return fill(
        PAGES / "retrieval.html",
        values,
        data,
        styles=[SHARED / "retrieved.css", PAGES / "pictures.css", PAGES / "retrieval.css"],
        scripts=[SHARED / "elements.js", PAGES / "pictures.js", PAGES / "retrieval.js"],
    )


def _means(results: ModelResults) -> str:
    n_queries = int(results.is_query.sum())
    if math.isnan(next(iter(results.systems.values())).h_ap):
        return f"none of {n_queries:,} queries has a match"
    each = ", ".join(
        f"{name.replace('_', ' ')} {100 * system.h_ap:.1f}" for name, system in results.systems.items()
    )
    return f"H-AP over {n_queries:,} queries: {each}"


def _system(name: str, system: SystemResults) -> dict[str, object]:
    """H-AP per image in hundredths of a percent."""
    known = np.nan_to_num(10_000 * system.per_image, nan=_NONE).round()
    return {
        "name": name,
        "per_image": packed(known, "u2"),
        "k": system.items.shape[1],
        "piece": _PIECE,
    }


def _pieces(name: str, system: SystemResults) -> dict[str, object]:
    """Results of some images each, so that the page opens before all are read; none where nothing was looked for."""
    scores = (system.scores.clip(-1, 1) * 32_767).round()
    return {
        f"found-{name}-{piece}": {
            "items": packed(system.items[first : first + _PIECE], "i4"),
            "scores": packed(scores[first : first + _PIECE], "i2"),
        }
        for piece, first in enumerate(range(0, len(scores), _PIECE))
        if (system.items[first : first + _PIECE] >= 0).any()
    }
