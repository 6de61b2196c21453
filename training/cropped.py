"""Images of which a box is seen, such as the queries of landmark benchmarks."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.mmap_images import OpenSplit
from cairnhub.training.data import ImageDataset


class CroppedImages(ImageDataset):
    """Each image cut to its box.

    Args:
        opened: a split as `open_split` gives it.
        image_side_px: as for `ImageDataset`, and so `ground`, `fit` and `interpolation`.
        boxes: left, top, right, bottom in pixels, (N, 4); whole pixels nearest to them are cut.

    Raises:
        BrokenData: on access, a box lies outside its image.
    """

    def __init__(
        self,
        opened: OpenSplit,
        image_side_px: int,
        boxes: npt.NDArray[np.float64],
        ground: str = "white",
        fit: str = "crop",
        interpolation: str = "bilinear",
    ) -> None:
        super().__init__(opened, image_side_px, ground, fit, interpolation)
        self.boxes = boxes

    def picture(self, index: int, draft_px: int | None = None) -> Image.Image:
        """What is in the box, in the image's own size."""
        whole = super().picture(index)
        left, top, right, bottom = (round(float(end)) for end in self.boxes[index])
        left, top, right, bottom = (
            max(left, 0),
            max(top, 0),
            min(right, whole.width),
            min(bottom, whole.height),
        )
        if left >= right or top >= bottom:
            raise BrokenData(
                f"row {index:,} of a split: its box {self.boxes[index].tolist()} lies outside its picture of "
                f"{whole.width} x {whole.height} pixels"
            )
        return whole.crop((left, top, right, bottom))


def parse_boxes(texts: Sequence[str | None], column: str) -> npt.NDArray[np.float64]:
    """Boxes (N, 4) from words `left top right bottom`.

    Raises:
        BrokenData: one is no box; names its row.
    """
    boxes = np.empty((len(texts), 4))
    for row, text in enumerate(texts):
        try:
            boxes[row] = [float(word) for word in (text or "").split()]
        except ValueError as error:
            raise BrokenData(
                f"row {row:,}: {column} is {text!r}, not four numbers `left top right bottom`"
            ) from error
        if not np.isfinite(boxes[row]).all():
            raise BrokenData(f"row {row:,}: {column} is {text!r}, not four numbers `left top right bottom`")
    return boxes
