"""Images and label arrays, straight from a published dataset."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from cairnhub.core.errors import BadInput, BrokenData
from cairnhub.datasets_hub.decoding import DECODING_FAULTS, decode_image
from cairnhub.datasets_hub.mmap_images import OpenSplit
from cairnhub.training.image_processor import UNIT, Colours
from cairnhub.training.recipes.settings import Augment

log = logging.getLogger(__name__)


class LabelledImages(Dataset[Tensor]):
    """Decoded images, (3, side, side) uint8 each, and what they show.

    Attributes:
        labels: (N, L) class indices, fine -> coarse.
    """

    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def picture(self, index: int) -> Image.Image:
        """The image itself, in its own shape where that is known."""
        return Image.fromarray(self[index].permute(1, 2, 0).numpy())


class ImageDataset(LabelledImages):
    """Images of a published split, decoded when they are asked for.

    Args:
        opened: a split as `open_split` gives it.
        image_side_px: images come as (3, side, side).
        ground: the colour behind what is transparent.
        fit: how they become squares; see `to_square`.
        interpolation: likewise.
    """

    def __init__(
        self,
        opened: OpenSplit,
        image_side_px: int,
        ground: str = "white",
        fit: str = "crop",
        interpolation: str = "bilinear",
    ) -> None:
        self.images, self.labels = opened.images, opened.labels
        self.image_side_px, self.ground, self.fit = image_side_px, ground, fit
        self.interpolation = interpolation

    def __getitem__(self, index: int) -> Tensor:
        """The image as (3, side, side) uint8.

        Raises:
            BrokenData: it does not decode.
        """
        picture = self.picture(index, self.image_side_px)
        return to_square(picture, self.image_side_px, self.fit, self.interpolation)

    def files(self, start: int, stop: int) -> Sequence[Path]:
        """Where images `start` to `stop` (exclusive) lie."""
        return self.images.files(start, stop)

    def picture(self, index: int, draft_px: int | None = None) -> Image.Image:
        """The image as the network sees it, but in its own size; see `decode_image`.

        Raises:
            BrokenData: it does not decode.
        """
        try:
            return decode_image(self.images[index], draft_px=draft_px, ground=self.ground)
        except DECODING_FAULTS as error:
            raise BrokenData(
                f"row {index:,} of a split of {len(self):,} images cannot be decoded ({error}): "
                "`cairn datasets check` names what is broken; publish the dataset again"
            ) from error


class ImageSubset(LabelledImages):
    """Some rows of a dataset."""

    def __init__(self, images: LabelledImages, rows: npt.NDArray[np.int64]) -> None:
        self.images, self.rows, self.labels = images, rows, images.labels[rows]

    def __getitem__(self, index: int) -> Tensor:
        return self.images[int(self.rows[index])]

    def picture(self, index: int) -> Image.Image:
        """The image in its own shape."""
        return self.images.picture(int(self.rows[index]))


def labelled(images: LabelledImages) -> LabelledImages:
    """The images that have a label on every level; says how many have not: they are no class of their own.

    Raises:
        BadInput: none has one.
    """
    is_labelled = (images.labels >= 0).all(axis=1)
    if is_labelled.all():
        return images
    if not is_labelled.any():
        raise BadInput(f"none of the {len(images):,} images has a label: train on a split that has")
    log.info(f"{int((~is_labelled).sum()):,} of {len(images):,} images have no label (-1) and are left out")
    return ImageSubset(images, np.flatnonzero(is_labelled))


def to_tensor(
    image: Image.Image | bytes | Path,
    side_px: int,
    ground: str = "white",
    fit: str = "crop",
    interpolation: str = "bilinear",
) -> Tensor:
    """An image as networks see it: (3, side, side) uint8; see `decode_image` and `to_square`.

    A JPEG of more than twice the size is decoded at half, a quarter or an eighth of it, which costs far less.

    Raises:
        OSError: it is broken or no image; and the rest of `DECODING_FAULTS`.
    """
    return to_square(decode_image(image, draft_px=side_px, ground=ground), side_px, fit, interpolation)


def to_square(
    picture: Image.Image, side_px: int, fit: str = "crop", interpolation: str = "bilinear"
) -> Tensor:
    """An RGB picture as (3, side, side) uint8.

    Args:
        picture: of any shape.
        side_px: of the square.
        fit: `crop` resizes the shorter side and keeps the centre; `stretch` keeps all, out of proportion.
        interpolation: `bilinear` or `bicubic`.
    """
    resampling = Image.Resampling[interpolation.upper()]
    size = (side_px, side_px)
    square = picture.resize(size, resampling) if fit == "stretch" else ImageOps.fit(picture, size, resampling)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)


def normalise(images: Tensor, colours: Colours = UNIT) -> Tensor:
    """Bytes 0..255 to floats, as an image processor says; `UNIT` gives -1..1."""
    if colours == UNIT:
        return images.float() / 127.5 - 1
    pairs = (colours.mean, colours.deviation)
    mean, deviation = (images.new_tensor(x, dtype=torch.float)[:, None, None] for x in pairs)
    return (images / 255 - mean) / deviation


def centre(images: Tensor, side_px: int) -> Tensor:
    """The middle (B, 3, side, side) of larger images."""
    top, left = ((length - side_px) // 2 for length in images.shape[2:])
    return images[:, :, top : top + side_px, left : left + side_px]


@dataclass(frozen=True)
class Views:
    """How each image of a batch is looked at.

    Attributes:
        affine: (B, 2, 3), from the view's coordinates to the image's, both -1..1.
        contrast: (B,), a factor.
        brightness: (B,), added.
    """

    affine: Tensor
    contrast: Tensor
    brightness: Tensor

    def __getitem__(self, rows: slice) -> "Views":
        return Views(self.affine[rows], self.contrast[rows], self.brightness[rows])


def draw_views(n_images: int, settings: Augment, generator: torch.Generator) -> Views:
    """Random crop, flip, brightness and contrast, each image its own.

    Args:
        n_images: B, of all ranks together: each then takes its rows.
        settings: how far to go.
        generator: the source of chance, so that a seed fixes the batch whatever the number of workers.
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n_images, generator=generator)

    is_cut = settings.cut_from == "picture"  # before the batch was made: see `PictureCrops`
    area = uniform(1 if is_cut else settings.min_area, 1)
    width = height = torch.from_numpy(np.sqrt(area.numpy()))  # torch's own root depends on the processor
    if settings.max_aspect > 1 and not is_cut:
        stretch = (uniform(-1, 1) * math.log(settings.max_aspect) / 2).exp()
        width, height = (width * stretch).clamp(max=1), (height / stretch).clamp(max=1)
    shift_x, shift_y = uniform(-1, 1) * (1 - width), uniform(-1, 1) * (1 - height)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) if settings.flip else torch.ones(n_images)
    zero = torch.zeros(n_images)
    rows = [torch.stack([width * mirror, zero, shift_x], 1), torch.stack([zero, height, shift_y], 1)]
    contrast = uniform(1 - settings.brightness, 1 + settings.brightness)
    return Views(torch.stack(rows, 1), contrast, uniform(-settings.brightness, settings.brightness))


def augment(images: Tensor, views: Views, side_px: int) -> Tensor:
    """Look at normalised images (B, 3, H, W) through views: (B, 3, side, side)."""
    shape = [len(images), 3, side_px, side_px]
    grid = functional.affine_grid(views.affine.to(images), shape, align_corners=False)
    seen = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    contrast, brightness = (x.to(images)[:, None, None, None] for x in (views.contrast, views.brightness))
    return seen * contrast + brightness
