"""Images and label arrays, straight from a published dataset."""

import datasets
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from datasets_hub import label_array
from hierarchies import LabelTree
from training.recipes import Augment


class ImageDataset(Dataset[Tensor]):
    """Decoded images of one split.

    Args:
        split: a published split with all its level columns.
        tree: its label tree.
        image_side_px: images come as (3, side, side): the shorter side resized, the centre kept.

    Attributes:
        labels: (N, L) class indices, fine -> coarse.
    """

    def __init__(self, split: "datasets.Dataset", tree: LabelTree, image_side_px: int) -> None:
        self.images = split.select_columns(["image"])
        self.labels: npt.NDArray[np.int64] = label_array(split, tree)
        self.image_side_px = image_side_px

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Tensor:
        """The image as (3, side, side) uint8."""
        return to_tensor(self.images[index]["image"], self.image_side_px)


def to_tensor(image: Image.Image, side_px: int) -> Tensor:
    """Resize the shorter side to `side_px`, keep the centre; (3, side, side) uint8."""
    image.draft("RGB", (side_px, side_px))
    square = ImageOps.fit(image.convert("RGB"), (side_px, side_px), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)


def normalise(images: Tensor) -> Tensor:
    """Bytes 0..255 to floats around -1..1."""
    return images.float() / 127.5 - 1


def augment(images: Tensor, settings: Augment, generator: torch.Generator) -> Tensor:
    """Random crop, flip, brightness and contrast of a normalised batch, each image its own.

    Args:
        images: (B, 3, H, W) floats.
        settings: how far to go.
        generator: the source of chance, so that a seed fixes the batch whatever the number of workers.
    """
    n_images = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n_images, generator=generator)

    scale = uniform(settings.min_area, 1).sqrt()
    shift_x, shift_y = uniform(-1, 1) * (1 - scale), uniform(-1, 1) * (1 - scale)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) if settings.flip else torch.ones(n_images)
    zero = torch.zeros(n_images)
    rows = [torch.stack([scale * mirror, zero, shift_x], 1), torch.stack([zero, scale, shift_y], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    views = functional.grid_sample(images, grid.to(images), padding_mode="reflection", align_corners=False)
    contrast = uniform(1 - settings.brightness, 1 + settings.brightness)
    brightness = uniform(-settings.brightness, settings.brightness)
    return views * contrast.to(images)[:, None, None, None] + brightness.to(images)[:, None, None, None]
