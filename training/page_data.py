"""What the scripts of the retrieval page and of the map read: the tree, the images, small pictures in sheets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cairnhub.core.data_uri import data_uri
from cairnhub.core.packed import packed
from cairnhub.datasets_hub.picture_sheets import COLUMNS, PER_SHEET, picture_sheets, side_of
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.label_tree.tree_rules import IntArray
from cairnhub.training.model_results import ModelResults

MOST_PICTURES = 50_000
"""In one page: some thirty megabytes."""


@dataclass(frozen=True)
class Sheets:
    """Small pictures of the images that `pictured` names, in their order.

    Attributes:
        files: JPEG files as addresses, `PER_SHEET` squares each; none where nothing may be shown.
        why_none: a sentence, where there is none.
        credits: of each image whom it is by and under which licence; empty where the dataset does not say.
    """

    files: Sequence[str] = ()
    why_none: str = ""
    credits: Sequence[str] = ()

    @classmethod
    def of(cls, images: Iterable[bytes], n_images: int, credits: Sequence[str] = ()) -> "Sheets":
        """From published files.

        Args:
            images: those that `pictured` names.
            n_images: of the page.
            credits: of each image of the page.
        """
        n_pictures = min(n_images, MOST_PICTURES)
        return cls([data_uri(sheet) for sheet in picture_sheets(images, side_of(n_pictures))], "", credits)


def pictured(n_images: int) -> IntArray:
    """Which images of a page have a picture: all of up to `MOST_PICTURES`, of more so many, spread evenly."""
    return np.unique(
        np.linspace(0, max(0, n_images - 1), min(n_images, MOST_PICTURES)).round().astype(np.int64)
    )


def told_of_pictures(results: ModelResults, sheets: Sheets) -> str:
    """Where not every image has a picture, how many do, as the end of a sentence."""
    n_images = len(results.image_ids)
    return f"; {MOST_PICTURES:,} have a picture here" if sheets.files and n_images > MOST_PICTURES else ""


def image_data(
    results: ModelResults, tree: LabelTree, sheets: Sheets, pages: Mapping[str, str]
) -> dict[str, object]:
    """JSON by the id of its element: `tree`, `images`, `ids`, `picture`, `pages`, and `sheet-<n>` for each sheet.

    Args:
        results: whose images are shown.
        tree: names of their labels.
        sheets: their pictures.
        pages: addresses of the dataset's other pages, by what they show.
    """
    known = sorted(set(sheets.credits))
    code = {text: i for i, text in enumerate(known)}
    n_images = len(results.image_ids)
    data: dict[str, object] = {
        "tree": {
            "levels": tree.levels,
            "names": tree.names,
            "parents": [parents.tolist() for parents in tree.parents],
        },
        "ids": results.image_ids,
        "images": {
            "n": n_images,
            "splits": results.splits,
            "split": packed(results.split, "u2"),
            "labels": [packed(column, "i4") for column in results.labels.T],
            "n_queries": int(results.is_query.sum()),
        },
        "picture": {
            "per_sheet": PER_SHEET,
            "columns": COLUMNS,
            "none": sheets.why_none,
            "credits": known,
            "credit": packed([code[text] for text in sheets.credits], "i4"),
            "of": packed(pictured(n_images), "i4") if sheets.files and n_images > MOST_PICTURES else "",
        },
        "pages": dict(pages),
    }
    return data | {f"sheet-{i}": sheet for i, sheet in enumerate(sheets.files)}
