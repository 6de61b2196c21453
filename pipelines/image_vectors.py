"""A trained model over the splits of a published dataset; what it has embedded is kept and used again."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from cairnhub.core.errors import NotFound
from cairnhub.core.files import atomic_write
from cairnhub.core.portable import is_portable
from cairnhub.core.text import on_any_disk
from cairnhub.datasets_hub.mmap_images import EncodedSubset, OpenSplit
from cairnhub.pipelines.code import fingerprint
from cairnhub.pipelines.executors.local import HERE
from cairnhub.pipelines.paths import Paths, project_root
from cairnhub.training.cropped import CroppedImages, parse_boxes
from cairnhub.training.data import ImageDataset
from cairnhub.training.embedding import LoadEncoder, RunAll, embed_blocks, frozen_encoder, trained_encoder
from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.model_folder import model_files
from cairnhub.training.models import load_model, untrained_model
from cairnhub.training.published_splits import Splits
from cairnhub.training.recipes.settings import Network
from cairnhub.training.tensor_files import save_tensors

log = logging.getLogger(__name__)

BATCH_SIZE = 256
_VECTORS = "embeddings"
HERE_WITH_BAR: RunAll = partial(HERE.map, title="embed")


class View(NamedTuple):
    """How a split is looked at.

    Attributes:
        crop: the column of text with the box of each image, all that is seen of it; None: the whole image.
        scales: sizes at which images are embedded; none: the network's own.
        n_most: images at most, evenly spread over the split; None: all.
    """

    split: str
    crop: str | None = None
    scales: tuple[float, ...] = ()
    n_most: int | None = None


class ImageEmbedder:
    """Vectors are kept in `data/image_vectors` of a checkout, by what they depend on: model, images, and code.

    Beside `<key>-<split>.safetensors` lies `<key>-<split>.ids.parquet` with the id of each row.

    Args:
        folder: of the model.
        splits: the dataset.
        batch_size: images that pass the network at once.
        run_all: where blocks are embedded.

    Attributes:
        network: the model, in evaluation mode.
        description: what its folder says.

    Raises:
        CairnError: no such model.
    """

    def __init__(
        self, folder: Path, splits: Splits, batch_size: int = BATCH_SIZE, run_all: RunAll = HERE_WITH_BAR
    ) -> None:
        self.folder, self.splits, self.batch_size, self.run_all = folder, splits, batch_size, run_all
        self.network, self.description = load_model(folder)
        self.key = _key([path.read_bytes() for path in model_files(folder)], splits, batch_size)

    def images(self, view: View) -> ImageDataset:
        """Images of a split, as the network sees them.

        Raises:
            BrokenData: what should be a box is none.
        """
        network, opened = self.network.network, self.splits.open(view.split)
        rows = _shown(view, len(opened.labels))
        if len(rows) < len(opened.labels):
            opened = OpenSplit(EncodedSubset(opened.images, rows), opened.labels[rows])
        if view.crop is None:
            return ImageDataset(
                opened, network.decoded_side_px, network.ground, network.fit, network.interpolation
            )
        texts = self.splits.columns(view.split, [view.crop]).take(rows)[view.crop].to_pylist()
        boxes = parse_boxes(texts, view.crop)
        return CroppedImages(
            opened, network.decoded_side_px, boxes, network.ground, network.fit, network.interpolation
        )

    def embedded(self, view: View) -> EmbeddedSplit:
        """Embeddings of a split."""
        encoder, files = partial(trained_encoder, self.folder, view.scales), model_files(self.folder)
        seen = "" if view == View(view.split) else hashlib.sha256(repr(view).encode()).hexdigest()[:8]
        name = "-".join(part for part in (self.key, _on_disk(view.split), seen) if part)
        ids = partial(self._ids, view)
        n_dimensions = self.network.network.embedding_dim
        return _kept(
            name, self.images(view), ids, encoder, n_dimensions, self.batch_size, self.run_all, files
        )

    def _ids(self, view: View) -> pa.Table:
        ids = self.splits.columns(view.split, ["image_id"])
        return ids.take(_shown(view, len(ids)))


def _shown(view: View, n_images: int) -> npt.NDArray[np.int64]:
    """The rows of a split that a view shows, ascending."""
    n_shown = n_images if view.n_most is None else min(view.n_most, n_images)
    return np.arange(n_shown) * n_images // max(n_shown, 1)


def frozen_features(
    network: Network, splits: Splits, split: str, run_all: RunAll = HERE_WITH_BAR
) -> EmbeddedSplit:
    """What a network's frozen backbone sees in a split, which a head is trained on; kept like the vectors of a model.

    Args:
        network: of a recipe, with weights.
        splits: the dataset.
        split: its name.
        run_all: where blocks are embedded.

    Returns:
        Features (N, C) of any length, as `RetrievalModel.features` gives them.

    Raises:
        CairnError: the weights are not there.
    """
    images = ImageDataset(
        splits.open(split), network.decoded_side_px, network.ground, network.fit, network.interpolation
    )
    begun = untrained_model(network, seed=0)
    sides = network.image_side_px, network.decoded_side_px
    shown = f"{network.ground} {network.fit} {network.interpolation} {sides} {begun.colours}"
    seen = f"{network.backbone} {network.pooling} {shown}"
    key = _key([save(begun.backbone.state_dict()), seen.encode()], splits, BATCH_SIZE)
    ids, encoder = partial(splits.columns, split, ["image_id"]), partial(frozen_encoder, network)
    n_channels = begun.backbone.n_channels
    return _kept(f"{key}-{_on_disk(split)}", images, ids, encoder, n_channels, BATCH_SIZE, run_all)


def _on_disk(split: str) -> str:
    """A split in the name of a file, kept apart from others also where case does not count."""
    if split == on_any_disk(split):
        return split
    return f"{split}-{hashlib.sha256(split.encode()).hexdigest()[:8]}"


def _key(contents: Sequence[bytes], splits: Splits, batch_size: int) -> str:
    """What vectors depend on: what makes them, the images, and code."""
    code = fingerprint(["training.embedding", "training.cropped", "datasets_hub.mmap_images"])
    computed = f"{code} {torch.__version__} {batch_size} {is_portable()}"
    contents = [*contents, splits.fingerprint.encode(), computed.encode()]
    return hashlib.sha256(b"".join(contents)).hexdigest()[:20]


def _kept(
    name: str,
    images: ImageDataset,
    ids: Callable[[], pa.Table],
    encoder: LoadEncoder,
    n_dimensions: int,
    batch_size: int,
    run_all: RunAll,
    files: Sequence[Path] = (),
) -> EmbeddedSplit:
    """Vectors of images from their file, or made and kept there."""
    cached = _place(name)
    if cached and cached.is_file():
        vectors = _read_kept(cached, (len(images), n_dimensions))
        if vectors is not None:
            return EmbeddedSplit(vectors, images.labels)
        log.warning(f"{cached}: damaged, or not the vectors of these images: made again")
    embedded = embed_blocks(images, encoder, batch_size, run_all, files)
    if cached:
        try:
            with atomic_write(cached) as temporary:
                save_tensors(temporary, {_VECTORS: embedded.embeddings})
            with atomic_write(cached.with_suffix(".ids.parquet")) as temporary:
                pq.write_table(ids(), temporary)
        except (OSError, SafetensorError) as error:
            log.warning(f"{cached}: not kept, the next call embeds again: {error}")
    return embedded


def _read_kept(path: Path, shape: tuple[int, int]) -> torch.Tensor | None:
    """Vectors of a file, read only if it promises this shape; None if they are not what was written there."""
    try:
        with safe_open(path, framework="pt") as file:
            if list(file.keys()) != [_VECTORS] or tuple(file.get_slice(_VECTORS).get_shape()) != shape:
                return None
            vectors: torch.Tensor = file.get_tensor(_VECTORS)
    except (SafetensorError, OSError):
        return None
    is_sound = vectors.dtype == torch.float32 and bool(torch.isfinite(vectors).all())
    return vectors if is_sound else None


def _place(name: str) -> Path | None:
    try:
        return Paths(project_root(), "", "").image_vectors / f"{name}.safetensors"
    except NotFound:  # not in a checkout
        return None
