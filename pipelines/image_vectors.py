"""A trained model over the splits of a published dataset; what it has embedded is kept and used again."""

import hashlib
import logging
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from cairnhub.core.errors import NotFound
from cairnhub.core.files import atomic_write
from cairnhub.core.portable import is_portable
from cairnhub.pipelines.code import fingerprint
from cairnhub.pipelines.executors.local import HERE
from cairnhub.pipelines.paths import Paths, project_root
from cairnhub.training.cropped import CroppedImages, parse_boxes
from cairnhub.training.data import ImageDataset
from cairnhub.training.embedding import RunAll, embed_blocks, trained_encoder
from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.models import load_model, model_files
from cairnhub.training.published_points import Splits
from cairnhub.training.tensor_files import save_tensors

log = logging.getLogger(__name__)

BATCH_SIZE = 256
HERE_WITH_BAR: RunAll = partial(HERE.map, title="embed")


class View(NamedTuple):
    """How a split is looked at.

    Attributes:
        crop: the column of text with the box of each image, all that is seen of it; None: the whole image.
        scales: sizes at which images are embedded; none: the network's own.
    """

    split: str
    crop: str | None = None
    scales: tuple[float, ...] = ()


class ImageEmbedder:
    """Vectors are kept in `data/image_vectors` of a checkout, by what they depend on: model, images, and code.

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
        code = fingerprint(["training.embedding", "training.cropped", "datasets_hub.mmap_images"])
        contents = [path.read_bytes() for path in model_files(folder)]
        computed = f"{code} {torch.__version__} {batch_size} {is_portable()}"
        contents += [splits.fingerprint.encode(), computed.encode()]
        self.key = hashlib.sha256(b"".join(contents)).hexdigest()[:20]

    def images(self, view: View) -> ImageDataset:
        """Images of a split, as the network sees them.

        Raises:
            BrokenData: what should be a box is none.
        """
        network, opened = self.network.network, self.splits.open(view.split)
        if view.crop is None:
            return ImageDataset(opened, network.decoded_side_px, network.ground, network.fit)
        texts = self.splits.columns(view.split, [view.crop])[view.crop].to_pylist()
        boxes = parse_boxes(texts, view.crop)
        return CroppedImages(opened, network.decoded_side_px, boxes, network.ground, network.fit)

    def embedded(self, view: View) -> EmbeddedSplit:
        """Embeddings of a split."""
        images, cached = self.images(view), self._cached(view)
        if cached and cached.is_file():
            try:
                return EmbeddedSplit(load_file(cached)["embeddings"], images.labels)
            except SafetensorError:
                log.warning(f"{cached}: damaged, made again")
        encoder = partial(trained_encoder, self.folder, view.scales)
        files = [
            path for pattern in ("*.json", "*.safetensors") for path in sorted(self.folder.rglob(pattern))
        ]
        embedded = embed_blocks(images, encoder, self.batch_size, self.run_all, files)
        if cached:
            try:
                with atomic_write(cached) as temporary:
                    save_tensors(temporary, {"embeddings": embedded.embeddings})
            except (OSError, SafetensorError) as error:
                log.warning(f"{cached}: not kept, the next call embeds again: {error}")
        return embedded

    def _cached(self, view: View) -> Path | None:
        seen = "" if view == View(view.split) else hashlib.sha256(repr(view).encode()).hexdigest()[:8]
        name = "-".join(part for part in (self.key, view.split, seen) if part)
        try:
            return Paths(project_root(), "", "").image_vectors / f"{name}.safetensors"
        except NotFound:  # not in a checkout
            return None
