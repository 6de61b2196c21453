"""The map of a dataset's images as a model sees them, as one self-contained page."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cairnhub.core.html import PAGES as SHARED
from cairnhub.core.html import fill
from cairnhub.core.packed import packed
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.training.map_detail import detail_levels
from cairnhub.training.model_results import ModelResults
from cairnhub.training.page_data import Sheets, image_data, told_of_pictures

PAGES = Path(__file__).parent / "pages"
_LARGEST = 65_535


def render_map_page(
    results: ModelResults, tree: LabelTree, sheets: Sheets, pages: Mapping[str, str] | None = None
) -> str:
    """The page as HTML.

    Args:
        results: whose places are drawn.
        tree: names of the labels.
        sheets: small pictures of the images.
        pages: addresses of the dataset's other pages, by what they show: `tree`, `retrieval`.
    """
    data = image_data(results, tree, sheets, pages or {})
    places = (_centred(results) * _LARGEST).round().astype(np.uint16)
    data["places"] = packed(places, "u2")
    levels = detail_levels(places)
    data["detail"] = [level.side for level in levels]
    for number, level in enumerate(levels):
        data[f"detail-{number}"] = {"items": packed(level.items, "i4"), "starts": packed(level.starts, "i4")}
    data["nearest"] = packed(next(iter(results.systems.values())).items[:, 0], "i4")
    values = {
        "title": f"{results.dataset}: map of the images as {results.model} sees them",
        "means": f"{len(results.image_ids):,} images; like lies near like: the trained vectors, laid out by t-SNE"
        + told_of_pictures(results, sheets),
        "levels": tree.levels,
        "measured": results.levels,
        "pages": pages or {},
        "no_pictures": sheets.why_none,
    }
    return fill(
        PAGES / "map.html",
        values,
        data,
        styles=[PAGES / "pictures.css", PAGES / "map.css"],
        scripts=[SHARED / "elements.js", PAGES / "pictures.js", PAGES / "embedding_map.js"],
    )


def _centred(results: ModelResults) -> npt.NDArray[np.float32]:
    """Places with the middle of their extent in the middle of the square."""
    places = results.places
    if not len(places):
        return places
    shift = (1 - places.max(axis=0)) / 2
    return np.asarray((places + shift).clip(0, 1), np.float32)
