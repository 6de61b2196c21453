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

from training.data import ImageDataset, centre, normalise
from training.metrics import retrieval_metrics
from training.models import RetrievalModel

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


def model_encoder(model: RetrievalModel) -> Encoder:
    """Embed bytes with a network in evaluation mode."""
    network = model.network
    return lambda images: model(normalise(centre(images, network.image_side_px), network.colours))


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
    return functional.normalize(counts.sqrt(), dim=1)


@torch.inference_mode()
def encode(images: ImageDataset, encoder: Encoder, batch_size: int, n_workers: int) -> Embedded:
    """Embed a split in its own order."""
    loader = DataLoader(images, batch_size=batch_size, num_workers=n_workers)
    batches = [encoder(batch) for batch in tqdm(loader, desc="encode", unit="batch", leave=False)]
    return Embedded(torch.cat(batches), images.labels)


def evaluate(
    query: Embedded, gallery: Embedded | None, tree_levels: Sequence[str], levels: Sequence[str] = ()
) -> dict[str, float]:
    """Exact metrics of one protocol.

    Args:
        query: what searches.
        gallery: what is searched; without one, each query ranks the other queries.
        tree_levels: names of the label columns, fine -> coarse.
        levels: those to measure; all by default.

    Returns:
        `h_ap`, then `ap_<level>` and `r_at_1_<level>` per level, and the rest that `retrieval_metrics` gives.
    """
    measured = tuple(levels) or tuple(tree_levels)
    columns = [list(tree_levels).index(level) for level in measured]
    metrics = retrieval_metrics(
        query.embeddings,
        torch.from_numpy(query.labels[:, columns]),
        gallery.embeddings if gallery else None,
        torch.from_numpy(gallery.labels[:, columns]) if gallery else None,
        levels=measured,
    )
    return dict(metrics.values)
