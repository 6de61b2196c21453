"""Embed the splits of a protocol and measure the ranking, for a model and for its baselines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader
from tqdm import tqdm

from cairnhub.training.data import LabelledImages, centre, normalise
from cairnhub.training.distributed import device
from cairnhub.training.metrics.bootstrap import bootstrap_intervals
from cairnhub.training.metrics.curves import precision_recall
from cairnhub.training.metrics.keys import H_AP, ByMetric, Interval, MetricKey
from cairnhub.training.metrics.retrieval import retrieval_metrics
from cairnhub.training.models import RetrievalModel

BINS_PER_CHANNEL = 8
Encoder = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Embedded:
    """A split as points.

    Attributes:
        embeddings: (N, d) unit vectors.
        labels: (N, L) class indices, fine -> coarse.
    """

    embeddings: Tensor
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """One protocol's result.

    Attributes:
        values: every metric that `retrieval_metrics` gives.
        intervals: 95 % intervals over queries, of H-AP and of each level's AP and R@1.
        per_query: every metric of every query, (Q,); NaN where a query does not count.
        levels: those measured, fine -> coarse.
    """

    values: ByMetric[float]
    intervals: ByMetric[Interval]
    per_query: ByMetric[npt.NDArray[np.float64]]
    levels: tuple[str, ...]


def model_encoder(model: RetrievalModel) -> Encoder:
    """Embed bytes (B, 3, H, W) with a network in evaluation mode, on the GPU if there is one."""
    network, where = model.network, device()
    model.to(where)

    def encoder(images: Tensor) -> Tensor:
        middle = centre(images.to(where), network.image_side_px)
        embeddings: Tensor = model(normalise(middle, network.colours))
        return embeddings.float().cpu()

    return encoder


def colour_histogram(images: Tensor) -> Tensor:
    """A baseline that sees no shape: joint RGB histogram, square roots (Hellinger), unit length.

    Args:
        images: (B, 3, H, W) uint8.

    Returns:
        (B, 512) unit vectors.
    """
    bins = (images.long() * BINS_PER_CHANNEL) // 256
    codes = (bins[:, 0] * BINS_PER_CHANNEL + bins[:, 1]) * BINS_PER_CHANNEL + bins[:, 2]
    counts = torch.zeros(len(images), BINS_PER_CHANNEL**3)
    counts.scatter_add_(1, codes.flatten(1), torch.ones_like(codes.flatten(1), dtype=torch.float))
    roots = torch.from_numpy(np.sqrt(counts.numpy()))  # torch's own root depends on the processor
    return functional.normalize(roots, dim=1)


@torch.inference_mode()
def embed_split(images: LabelledImages, encoder: Encoder, batch_size: int, n_workers: int) -> Embedded:
    """Embed a split in its own order."""
    loader = DataLoader(images, batch_size=batch_size, num_workers=n_workers)
    batches = [encoder(batch) for batch in tqdm(loader, desc="embed", unit="batch", leave=False)]
    return Embedded(torch.cat(batches), images.labels)


def evaluate(
    query: Embedded, gallery: Embedded | None, tree_levels: Sequence[str], levels: Sequence[str] = ()
) -> Measured:
    """Exact metrics of one protocol, with intervals.

    Args:
        query: what searches.
        gallery: what is searched; without one, each query ranks the other queries.
        tree_levels: names of the label columns, fine -> coarse.
        levels: those to measure; all by default.
    """
    measured = tuple(levels) or tuple(tree_levels)
    metrics = retrieval_metrics(*_tensors(query, gallery, tree_levels, measured), levels=measured)
    intervals = bootstrap_intervals({key: metrics.per_query[key] for key in headlines(measured)})
    return Measured(metrics.values, ByMetric(intervals), metrics.per_query, measured)


def headlines(levels: Sequence[str]) -> list[MetricKey]:
    """What tables show: H-AP, then AP and R@1 per level."""
    return [
        H_AP,
        *(MetricKey("ap", level) for level in levels),
        *(MetricKey("r_at", level, 1) for level in levels),
    ]


def precision_recall_curves(
    query: Embedded, gallery: Embedded | None, tree_levels: Sequence[str], levels: Sequence[str] = ()
) -> dict[str, npt.NDArray[np.float64]]:
    """Precision at `RECALLS`, by level; arguments as for `evaluate`."""
    measured = tuple(levels) or tuple(tree_levels)
    return precision_recall(*_tensors(query, gallery, tree_levels, measured), levels=measured)


def _tensors(
    query: Embedded, gallery: Embedded | None, tree_levels: Sequence[str], levels: Sequence[str]
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Embeddings and the labels of some levels, of both sides."""
    columns = [list(tree_levels).index(level) for level in levels]
    labels = torch.from_numpy(query.labels[:, columns])
    if gallery is None:
        return query.embeddings, labels, None, None
    return query.embeddings, labels, gallery.embeddings, torch.from_numpy(gallery.labels[:, columns])
