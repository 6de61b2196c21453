"""What models find among the images of a dataset, as the retrieval page and the map show it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.node_results import Confusion, Measured, NodeMeasures, NodeResults
from cairnhub.training.evaluation import IntArray, ProtocolMetrics
from cairnhub.training.metrics.bootstrap import N_RESAMPLES
from cairnhub.training.metrics.keys import H_AP, Interval, MetricKey

FloatArray = npt.NDArray[np.float64]
_SCORES = 1 << 24  # held at once


@dataclass(frozen=True)
class SystemResults:
    """What one system finds.

    Attributes:
        h_ap: of the protocol, 0..1; NaN where no query has a match.
        per_image: H-AP of each image that is a query, (N,); NaN for the others.
        items: the images found for each image, best first, (N, K); as images of `ModelResults`.
        scores: their cosines, (N, K).
    """

    h_ap: float
    per_image: FloatArray
    items: IntArray
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True)
class ModelResults:
    """A model and its baselines on one protocol of a dataset.

    Attributes:
        dataset: its name.
        model: its name.
        protocol: its name.
        levels: those measured, fine -> coarse.
        image_ids: of N images: queries, gallery, others.
        splits: names.
        split: index of each image's split, (N,).
        rows: of each image in its split, (N,).
        labels: class indices (N, L) on every level of the tree, fine -> coarse.
        is_query: (N,).
        systems: by name; `trained` first.
        places: of the trained model's vectors on the unit square, (N, 2).
        nodes: what the trained model reaches at the nodes of the tree.
    """

    dataset: str
    model: str
    protocol: str
    levels: tuple[str, ...]
    image_ids: tuple[str, ...]
    splits: tuple[str, ...]
    split: IntArray
    rows: IntArray
    labels: IntArray
    is_query: npt.NDArray[np.bool_]
    systems: Mapping[str, SystemResults]
    places: npt.NDArray[np.float32]
    nodes: NodeResults


def best_items(
    images: Tensor, gallery: Tensor, k: int, own: IntArray
) -> tuple[IntArray, npt.NDArray[np.float32]]:
    """The k best of a gallery for each image: higher score first, then lower index.

    Args:
        images: (N, d).
        gallery: (M, d).
        k: how many; fewer where the gallery has fewer.
        own: index in the gallery of each image itself, -1 where it is not there, (N,); it is left out.

    Returns:
        Gallery indices and scores, (N, k) each; where an image leaves itself out and nothing else is left, -1.
    """
    k = min(k, len(gallery))
    items, scores = np.empty((len(images), k), np.int64), np.empty((len(images), k), np.float32)
    step = max(1, _SCORES // max(1, len(gallery)))
    for first in range(0, len(images), step):
        block = images[first : first + step] @ gallery.T
        mine = torch.from_numpy(own[first : first + step])
        rows = (mine >= 0).nonzero()[:, 0]
        block[rows, mine[rows]] = -torch.inf
        best = block.topk(k, dim=1)
        found, values = best.indices.numpy(), best.values.numpy()
        order = np.lexsort((found, -values), axis=1)
        items[first : first + step] = np.take_along_axis(found, order, axis=1)
        scores[first : first + step] = np.take_along_axis(values, order, axis=1)
    items[np.isneginf(scores)] = -1
    return items, scores


def node_results(
    name: str, measured: ProtocolMetrics, labels: IntArray, names: tuple[tuple[str, ...], ...],
    levels: tuple[str, ...], confusions: pd.DataFrame,
) -> NodeResults:  # fmt: skip
    """H-AP, AP and R@1 of the queries of each node, the latter two at its own level.

    Args:
        name: what was measured, in words.
        measured: with metrics per query.
        labels: class indices of the queries (Q, L), fine -> coarse.
        names: of the classes of each level.
        levels: names of the label columns.
        confusions: as `confusion_table` gives them.
    """
    nodes = {}
    for level in measured.levels:
        rank = levels.index(level)
        keys = {
            "H-AP": H_AP,
            f"AP {level}": MetricKey("ap", level),
            f"R@1 {level}": MetricKey("r_at", level, 1),
        }
        columns = np.column_stack([measured.per_query[key] for key in keys.values()])
        counted = (labels[:, rank] >= 0) & ~np.isnan(columns[:, 1])
        order = np.flatnonzero(counted)[np.argsort(labels[counted, rank], kind="stable")]
        codes, starts = np.unique(labels[order, rank], return_index=True)
        for code, rows in zip(codes.tolist(), np.split(order, starts[1:]), strict=True):
            values = columns[rows]
            measures = {words: _measured(values[:, column]) for column, words in enumerate(keys)}
            nodes[Node(level, names[rank][code])] = NodeMeasures(len(rows), measures)
    rows_of = confusions[["level", "node", "found", "n_queries"]].astype(object).to_numpy().tolist()
    found = (Confusion(Node(level, node), other, n) for level, node, other, n in rows_of)
    return NodeResults(name, nodes, tuple(found))


def _measured(values: FloatArray) -> Measured:
    ends = interval_of_mean(values)
    return Measured(float(values.mean()), ends.low, ends.high)


def interval_of_mean(values: FloatArray, coverage: float = 0.95, seed: int = 0) -> Interval:
    """The percentile interval of a mean (Efron, 1979).

    Args:
        values: (Q,), without NaN.
        coverage: of the interval, 0..1.
        seed: of the resamples.
    """
    rng, n = np.random.default_rng(seed), len(values)
    step = max(1, 4_000_000 // n)
    sizes = [min(step, N_RESAMPLES - first) for first in range(0, N_RESAMPLES, step)]
    means = np.concatenate([values[rng.integers(n, size=(size, n))].mean(axis=1) for size in sizes])
    tail = 100 * (1 - coverage) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return Interval(float(low), float(high))
