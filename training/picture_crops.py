"""Training views cut from whole pictures, whatever their shape, in the workers that decode them."""

import math

import numpy as np
from PIL import Image
from torch import Tensor

from cairnhub.training.data import LabelledImages, to_square
from cairnhub.training.recipes.settings import Augment

N_TRIES = 10
Box = tuple[int, int, int, int]


class PictureCrops(LabelledImages):
    """A random part of each picture, (3, side, side) uint8: a share of its area, at a random place.

    A view depends on the seed, the epoch and its place in the epoch alone: not on workers, nor on where a run was
    interrupted.

    Args:
        images: pictures to cut from.
        settings: how far to go.
        side_px: of a view.
        seed: of the cuts.
    """

    def __init__(self, images: LabelledImages, settings: Augment, side_px: int, seed: int) -> None:
        self.images, self.labels, self.settings = images, images.labels, settings
        self.side_px, self.seed = side_px, seed

    def __getitem__(self, view: tuple[int, int, int]) -> Tensor:
        """The view of a row, in an epoch, at a place in it."""
        row, epoch, place = view
        picture = self.images.picture(row)
        if self.settings.shorter_side_px:
            picture = _resized(picture, self.settings.shorter_side_px)
        rng = np.random.default_rng([self.seed, epoch, place])
        box = random_box(picture.width, picture.height, self.settings, rng)
        return to_square(picture.crop(box), self.side_px, "stretch")


def random_box(width: int, height: int, settings: Augment, rng: np.random.Generator) -> Box:
    """A part of a picture, as left, upper, right, lower, in pixels.

    Its area is a uniform share of the picture's, the logarithm of its sides' ratio is uniform; of what does not lie in
    the picture another is drawn, and after ten the largest middle part with an allowed ratio is taken.
    """
    most = math.log(settings.max_aspect)
    for _ in range(N_TRIES):
        area = width * height * rng.uniform(settings.min_area, 1)
        ratio = math.exp(rng.uniform(-most, most))
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            left, upper = int(rng.integers(width - across + 1)), int(rng.integers(height - down + 1))
            return left, upper, left + across, upper + down
    across = min(width, max(1, round(height * settings.max_aspect)))
    down = min(height, max(1, round(width * settings.max_aspect)))
    left, upper = (width - across) // 2, (height - down) // 2
    return left, upper, left + across, upper + down


def _resized(picture: Image.Image, shorter_px: int) -> Image.Image:
    factor = shorter_px / min(picture.size)
    size = (max(1, int(picture.width * factor)), max(1, int(picture.height * factor)))
    return picture.resize(size, Image.Resampling.BILINEAR)
