"""From images to points: a model, a baseline without one, and a split embedded in its own order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader
from tqdm import tqdm

from cairnhub.training.data import LabelledImages, centre, normalise
from cairnhub.training.distributed import device
from cairnhub.training.models import RetrievalModel

BINS_PER_CHANNEL = 8
_SMOOTH: dict[str, Any] = {"mode": "bilinear", "align_corners": False, "antialias": True}
Encoder = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class EmbeddedSplit:
    """A split as points.

    Attributes:
        embeddings: (N, d) unit vectors.
        labels: (N, L) class indices, fine -> coarse.
    """

    embeddings: Tensor
    labels: npt.NDArray[np.int64]


def model_encoder(model: RetrievalModel, scales: Sequence[float] = ()) -> Encoder:
    """Embed bytes (B, 3, H, W) with a network in evaluation mode, on the GPU if there is one.

    Args:
        model: the network.
        scales: sizes at which images are embedded, relative to its own; see `at_scales`. None: its own.
    """
    return _encoder(model, model, scales)


def feature_encoder(model: RetrievalModel, scales: Sequence[float] = ()) -> Encoder:
    """Of bytes (B, 3, H, W), what the backbone sees, pooled (B, C): without the head, of any length."""
    return _encoder(model, model.features, scales)


def projection_encoder(model: RetrievalModel) -> Encoder:
    """Embed what `feature_encoder` gave: (B, C) to unit vectors."""
    where = device()
    model.settle(where)
    return lambda features: model.project(features.to(where)).float().cpu()


def _encoder(model: RetrievalModel, embed: Encoder, scales: Sequence[float]) -> Encoder:
    network, where = model.network, device()
    model.settle(where)

    def encoder(images: Tensor) -> Tensor:
        middle = centre(images.to(where), network.image_side_px)
        inputs = normalise(middle, model.colours)
        embeddings = at_scales(embed, inputs, scales) if scales else embed(inputs)
        return embeddings.float().cpu()

    return encoder


def at_scales(model: Callable[[Tensor], Tensor], images: Tensor, scales: Sequence[float]) -> Tensor:
    """One unit vector per image, (B, d): the mean of its vectors at several sizes, of unit length.

    Args:
        model: embeds images of any size.
        images: (B, 3, side, side), normalised.
        scales: relative sizes, such as 1, 2^-1/2, 2^1/2 (Radenovic et al., TPAMI 2019).
    """
    side_px = images.shape[-1]
    vectors = [
        model(
            images if scale == 1 else functional.interpolate(images, size=round(scale * side_px), **_SMOOTH)
        )
        for scale in scales
    ]
    return functional.normalize(torch.stack(vectors).mean(0), dim=1)


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
def embed_split(images: LabelledImages, encoder: Encoder, batch_size: int, n_workers: int) -> EmbeddedSplit:
    """Embed a split in its own order."""
    order = torch.Generator()  # its own: what is embedded moves no random number of a training run
    loader = DataLoader(images, batch_size=batch_size, num_workers=n_workers, generator=order)
    batches = [
        encoder(batch) for batch in tqdm(loader, desc="embed", unit="batch", leave=False, disable=None)
    ]
    return EmbeddedSplit(torch.cat(batches), images.labels)
