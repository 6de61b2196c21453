"""What a model finds: its nearest images, and the queries that show most, with what is found for them."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from cairnhub.core.data_uri import data_uri
from cairnhub.datasets_hub.small_images import square
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.training.data import ImageDataset
from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.evaluation import ProtocolMetrics
from cairnhub.training.metrics.keys import H_AP, MetricKey
from cairnhub.training.retrieved import Grade, Picture, ShownQuery

IntArray = npt.NDArray[np.int64]
THUMBNAIL_PX = 104


@dataclass(frozen=True)
class Side:
    """Queries, or what is searched.

    Attributes:
        images: a split.
        embedded: its points and labels, in the same order.
    """

    images: ImageDataset
    embedded: EmbeddedSplit


def nearest(
    queries: Tensor, gallery: Tensor, k: int, self_index: Sequence[int] = ()
) -> tuple[Tensor, Tensor]:
    """The k best of a gallery: higher score first, then lower index.

    Args:
        queries: (Q, d).
        gallery: (N, d).
        k: how many; fewer where the gallery has fewer.
        self_index: gallery index of each query itself, which is left out; empty if none is there.

    Returns:
        Scores and gallery indices, (Q, k) each.
    """
    scores = queries @ gallery.T
    if self_index:
        scores[torch.arange(len(self_index)), torch.tensor(self_index)] = -torch.inf
    best = scores.sort(dim=1, descending=True, stable=True)
    k = min(k, len(gallery) - bool(self_index))
    return best.values[:, :k], best.indices[:, :k]


def instructive_queries(measured: ProtocolMetrics, n: int) -> dict[str, IntArray]:
    """The n worst, median and best queries by H-AP, and those where the finest level's AP says otherwise.

    Queries without a match are not measured, and not among them.
    """
    h_ap, ap = measured.per_query[H_AP], measured.per_query[MetricKey("ap", measured.levels[0])]
    counted = np.flatnonzero(~np.isnan(h_ap))
    order = np.argsort(h_ap, kind="stable")[: len(counted)]
    middle = max(0, (len(order) - n) // 2)
    gap = np.nan_to_num(np.abs(h_ap - ap)[counted], nan=-1.0)
    return {
        "Worst by H-AP": order[:n],
        "Median by H-AP": order[middle : middle + n],
        "Best by H-AP": order[::-1][:n],
        f"H-AP and AP of {measured.levels[0]} disagree most": counted[np.argsort(-gap, kind="stable")[:n]],
    }


def shown_queries(
    tree: LabelTree,
    measured: ProtocolMetrics,
    query: Side,
    gallery: Side | None,
    n_queries: int,
    k: int,
    image_side_px: int = THUMBNAIL_PX,
) -> list[ShownQuery]:
    """Instructive queries with what is found for them.

    Args:
        tree: names of the labels.
        measured: the protocol's metrics per query.
        query: what searches.
        gallery: what is searched; None: the other queries.
        n_queries: of each kind.
        k: images per query.
        image_side_px: of the pictures; 0 for none, where the licence lets nobody pass the images on.
    """
    searched = gallery or query
    columns = [tree.levels.index(level) for level in measured.levels]

    def picture(side: Side, index: int, note: str, grade: Grade) -> Picture:
        src = thumbnail(side.images.picture(index), image_side_px) if image_side_px else ""
        return Picture(src, _path(tree, side.embedded.labels[index]), note, grade)

    shown = []
    for heading, chosen in instructive_queries(measured, n_queries).items():
        rows = [int(row) for row in chosen]
        self_rows = () if gallery else rows
        best = nearest(query.embedded.embeddings[rows], searched.embedded.embeddings, k, self_rows)
        for row, scores, items in zip(rows, *best, strict=True):
            results = []
            for score, item in zip(scores.tolist(), items.tolist(), strict=True):
                same = searched.embedded.labels[item, columns] == query.embedded.labels[row, columns]
                note, grade = _shared(int(same.sum()), measured.levels)
                results.append(picture(searched, item, f"{score:.2f}, {note}", grade))
            asked = picture(query, row, _metrics(measured, row), "query")
            shown.append(ShownQuery(heading, asked, tuple(results)))
    return shown


def _metrics(measured: ProtocolMetrics, row: int) -> str:
    keys = {"H-AP": H_AP, "AP": MetricKey("ap", measured.levels[0])}
    values = {name: measured.per_query[key][row] for name, key in keys.items()}
    return ", ".join(
        f"{name} without a match" if np.isnan(value) else f"{name} {100 * value:.1f}"
        for name, value in values.items()
    )


def _path(tree: LabelTree, labels: IntArray) -> str:
    """Names of an image's labels, fine to coarse."""
    names = (tree.names[rank][index] for rank, index in enumerate(labels) if index >= 0)
    return " < ".join(names)


def _shared(n_shared: int, levels: Sequence[str]) -> tuple[str, Grade]:
    """The finest level that is shared, in words and as a grade."""
    if n_shared == 0:
        return "shares nothing", "none"
    grade: Grade = "near" if n_shared == len(levels) else "far" if n_shared == 1 else "mid"
    return f"same {levels[-n_shared]}", grade


def thumbnail(image: Image.Image, side_px: int) -> str:
    """A small square JPEG of an RGB picture as a data address."""
    buffer = io.BytesIO()
    square(image, side_px).save(buffer, "JPEG", quality=72, optimize=True)
    return data_uri(buffer.getvalue())
