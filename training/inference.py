"""Embeddings of any images by a trained model, for use elsewhere."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.decoding import DECODING_FAULTS
from cairnhub.training.data import to_tensor
from cairnhub.training.encoders import model_encoder
from cairnhub.training.models import RetrievalModel, load_model
from cairnhub.training.recipes.settings import Network


@torch.inference_mode()
def encode(
    images: Sequence[Image.Image | Path | str], model: RetrievalModel | Path | str, batch_size: int = 64
) -> Tensor:
    """Embed images.

    Args:
        images: pictures, or files that hold one.
        model: a model in evaluation mode, or the folder of a trained one.
        batch_size: images that pass the network at once.

    Returns:
        (N, d) unit vectors on the CPU, in the order of `images`; their dot products are cosines.

    Raises:
        CairnError: no list of images is given, a file holds none, or the folder holds no model.
    """
    if isinstance(images, str) or not images:
        raise BadInput("images must be a list of one or more pictures")
    network = model if isinstance(model, RetrievalModel) else load_model(Path(model))[0]
    encoder, settings = model_encoder(network), network.network
    return torch.cat(
        [
            encoder(torch.stack([_tensor(image, settings) for image in images[i : i + batch_size]]))
            for i in range(0, len(images), batch_size)
        ]
    )


def _tensor(image: Image.Image | Path | str, settings: Network) -> Tensor:
    opened = Path(image) if isinstance(image, str) else image
    try:
        return to_tensor(
            opened, settings.decoded_side_px, settings.ground, settings.fit, settings.interpolation
        )
    except DECODING_FAULTS as error:
        name = (
            image if isinstance(image, str | Path) else f"an image of {image.width} x {image.height} pixels"
        )
        raise BadInput(f"{name}: holds no image that can be read: {error}; give another picture") from error
