"""Small photos of a published dataset, a few per label, for pages."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cairnhub.datasets_hub.filesystems import filesystem_of
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.datasets_hub.parquet_files import read_parquet
from cairnhub.datasets_hub.schema import class_indices
from cairnhub.datasets_hub.small_images import open_small, read_images, square
from cairnhub.hierarchies.label_tree.tree import LabelTree

IntArray = npt.NDArray[np.int64]
SIDE_PX, PER_LEAF = 96, 6
BUDGET_BYTES = 5_000_000  # of JPEG; in a page they take a third more
_TYPICAL_BYTES = 2_600


def leaf_codes(published: PublishedDataset, tree: LabelTree) -> dict[str, list[IntArray]]:
    """Class indices on the finest level, per split and file, in row order; -1 for an image without a label."""
    finest = tree.levels[:1]

    def read(uri: str) -> IntArray:
        filesystem, path = filesystem_of(uri, **published.location.options)
        with filesystem.open(path, "rb") as file:
            return class_indices(read_parquet([file], finest), finest)[:, 0]

    return {split: [read(uri) for uri in uris] for split, uris in published.data_files["default"].items()}


def photos_per_leaf(
    published: PublishedDataset, tree: LabelTree, budget_bytes: int = BUDGET_BYTES
) -> dict[str, list[bytes]]:
    """Square JPEG files of `SIDE_PX` per leaf name, the same for the same dataset.

    The first photo of the largest label of each parent comes first, then that of the second largest, and so on
    round by round, until the budget is spent: the upper levels are well shown however many leaves there are.

    Args:
        published: the dataset. One whose images may not be passed on, or which is not on this machine, gives none.
        tree: its label tree.
        budget_bytes: of all files together.
    """
    if why_no_photos(published):
        return {}
    files = [Path(uri) for uris in published.data_files["default"].values() for uri in uris]
    columns = [codes for shards in leaf_codes(published, tree).values() for codes in shards]
    rows, leaves = _chosen(np.concatenate(columns), tree, budget_bytes // _TYPICAL_BYTES)
    jpegs = _jpegs(files, [len(codes) for codes in columns], np.sort(rows).tolist())
    photos: dict[str, list[bytes]] = {}
    left = budget_bytes
    for row, leaf in zip(rows.tolist(), leaves.tolist(), strict=True):
        jpeg = jpegs.get(row)
        if jpeg and len(jpeg) <= left:
            photos.setdefault(tree.names[0][leaf], []).append(jpeg)
            left -= len(jpeg)
    return dict(sorted(photos.items()))


def why_no_photos(published: PublishedDataset) -> str:
    """A sentence that says why `photos_per_leaf` gives none; empty where it may."""
    if not published.card.redistributable:
        return f"No photos here: the licence ({published.card.licence}) lets nobody pass these images on."
    if not published.stats.with_images:
        return "No photos here: this dataset is published without its images."
    if not published.location.is_local:
        return "No photos here: the images are not on this machine."
    return ""


def _chosen(codes: IntArray, tree: LabelTree, n: int) -> tuple[IntArray, IntArray]:
    """Rows to show and their leaves, the most wanted first."""
    labelled = np.flatnonzero(codes >= 0)
    counts = np.bincount(codes[labelled], minlength=len(tree))
    parents = tree.codes[:, 1] if len(tree.levels) > 1 else np.zeros(len(tree), dtype=np.int64)
    place = _places(np.lexsort((-counts, parents)), parents)  # among siblings, the largest first
    by_leaf = labelled[np.argsort(codes[labelled], kind="stable")]
    turn = _places(np.arange(len(by_leaf)), codes[by_leaf])
    chosen = by_leaf[turn < PER_LEAF]
    leaves = codes[chosen]
    order = np.lexsort((leaves, place[leaves], turn[turn < PER_LEAF]))[:n]
    return chosen[order], leaves[order]


def _places(order: npt.NDArray[np.intp], groups: IntArray) -> IntArray:
    """Position of each thing within its group, given an order in which groups are contiguous."""
    ordered = groups[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    lengths = np.diff(np.append(starts, len(ordered)))
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    return places


def _jpegs(files: Sequence[Path], n_rows: Sequence[int], rows: Sequence[int]) -> dict[int, bytes]:
    """Small JPEG files by row over all files; images that do not open are left out."""
    jpegs = {}
    for file, first, n in zip(files, np.cumsum([0, *n_rows]), n_rows, strict=False):
        in_file = [row for row in rows if first <= row < first + n]
        images = read_images(file, [row - int(first) for row in in_file])
        for row, image in zip(in_file, images, strict=True):
            small = open_small(image, SIDE_PX)
            if small is not None:
                jpegs[row] = _jpeg(square(small, SIDE_PX))
    return jpegs


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=75, optimize=True)
    return out.getvalue()
