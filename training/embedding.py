"""A split embedded in blocks, each by any worker on any machine."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, Subset

from cairnhub.core.portable import settle_torch
from cairnhub.training.encoders import (
    EmbeddedSplit,
    Encoder,
    colour_histogram,
    feature_encoder,
    model_encoder,
)
from cairnhub.training.models import load_model, untrained_model
from cairnhub.training.recipes.settings import Network

N_BATCHES = 16
"""Batches in a block. A vector's last bits depend on its batch, so batches do not depend on who works."""
FloatArray = npt.NDArray[np.float32]
LoadEncoder = Callable[[], Encoder]
"""Gives an encoder; travels to a worker where the encoder itself is too large."""


class Images(Protocol):
    """What `ImageDataset` offers; travels to a worker."""

    labels: npt.NDArray[np.int64]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Tensor: ...

    def files(self, start: int, stop: int, /) -> Sequence[Path]:
        """Where images `start` to `stop` (exclusive) lie."""


def trained_encoder(folder: Path, scales: Sequence[float] = ()) -> Encoder:
    """That of a trained model."""
    return model_encoder(load_model(folder)[0], scales)


def untrained_encoder(network: Network, seed: int, scales: Sequence[float] = ()) -> Encoder:
    """The network as training finds it."""
    return model_encoder(untrained_model(network, seed), scales)


def off_the_shelf_encoder(network: Network, scales: Sequence[float] = ()) -> Encoder:
    """The pretrained backbone alone: pooled, of unit length, without a head, which is yet to be learnt."""
    features = feature_encoder(untrained_model(network, seed=0), scales)
    return lambda images: functional.normalize(features(images), dim=1)


def frozen_encoder(network: Network) -> Encoder:
    """What a head on a frozen backbone is trained on; see `RetrievalModel.features`."""
    return feature_encoder(untrained_model(network, seed=0))


def colour_encoder() -> Encoder:
    """The baseline that sees no shape."""
    return colour_histogram


@dataclass(frozen=True)
class EmbedBlock:
    """Images `start` to `stop` (exclusive) of a split; `model` are the files that `load` opens."""

    images: Images
    load: LoadEncoder
    start: int
    stop: int
    batch_size: int
    model: tuple[Path, ...]

    def __str__(self) -> str:
        return f"images {self.start:,} to {self.stop:,}"

    def reads(self) -> tuple[Path, ...]:
        """The model and the shards with the images."""
        return (*self.model, *self.images.files(self.start, self.stop))


RunAll = Callable[[Callable[[EmbedBlock], FloatArray], Sequence[EmbedBlock]], Iterable[FloatArray]]
"""Applies a function to every block and gives the results in their order, as the built-in `map` does."""


@torch.inference_mode()
def embed_block(block: EmbedBlock) -> FloatArray:
    """Vectors (stop - start, d), computed on one thread: several add up in another order."""
    settle_torch()
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        encoder = block.load()
        images: Dataset[Tensor] = Subset(block.images, range(block.start, block.stop))  # type: ignore[arg-type]
        batches = DataLoader(images, batch_size=block.batch_size)
        return np.concatenate([encoder(batch).numpy() for batch in batches])
    finally:
        torch.set_num_threads(n_threads)


def embed_blocks(
    images: Images, load: LoadEncoder, batch_size: int, run_all: RunAll = map, model: Sequence[Path] = ()
) -> EmbeddedSplit:
    """Embed a split in its own order; the vectors do not depend on `run_all`.

    Args:
        images: the split.
        load: gives the encoder where it is needed.
        batch_size: images per forward pass.
        run_all: runs the blocks.
        model: files that `load` opens, for machines that do not have them.
    """
    step = N_BATCHES * batch_size
    starts = range(0, len(images), step)
    blocks = [
        EmbedBlock(images, load, start, min(start + step, len(images)), batch_size, tuple(model))
        for start in starts
    ]
    parts = iter(run_all(embed_block, blocks))
    first = next(parts)
    vectors = np.empty(
        (len(images), first.shape[1]), np.float32
    )  # once: beside a list of parts it would be there twice
    for block, part in zip(blocks, chain([first], parts), strict=True):
        vectors[block.start : block.stop] = part
    return EmbeddedSplit(torch.from_numpy(vectors), images.labels)
