"""Is an image fit to publish: does `datasets` read it, and does `decode_image` show it?

A cheap look at JPEGs; what the look cannot vouch for is decoded as readers decode it.
"""

import warnings
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.decoding import (
    DECODING_FAULTS,
    decode_as_datasets,
    decode_image,
    open_image,
)
from cairnhub.datasets_hub.jpeg_structure import jpeg_size
from cairnhub.datasets_hub.readers import MAX_PIXELS


@dataclass(frozen=True)
class ImageCheck:
    """Which images are let in.

    Attributes:
        max_pixels: width times height; by default where Pillow begins to warn its users of a size bomb.
        decode: decode every image to the last pixel. Otherwise a JPEG passes by its structure, `jpeg_size`, and a size
            within `max_pixels`.
    """

    max_pixels: int = 89_478_485
    decode: bool = False

    def __post_init__(self) -> None:
        """Refuse a limit that readers do not have.

        Raises:
            BadInput: it is above `readers.MAX_PIXELS`.
        """
        if self.max_pixels > MAX_PIXELS:
            raise BadInput(
                f"max_pixels is {self.max_pixels:,}; Pillow, and so `datasets`, reads images of at most "
                f"{MAX_PIXELS:,} pixels: set it to that or less"
            )

    def fault(self, image: bytes) -> str | None:
        """Why an image is not fit to publish; None if it is."""
        size = None if self.decode else jpeg_size(image)
        if size is None:
            return self._decoding_fault(image)
        return self._size_fault(size)

    def _size_fault(self, size: tuple[int, int]) -> str | None:
        return "too many pixels" if size[0] * size[1] > self.max_pixels else None

    def _decoding_fault(self, image: bytes) -> str | None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of sizes, which are looked at here, and of odd metadata
                opened = open_image(image)
                fault = self._size_fault(opened.size)
                return fault or _readers_fault(opened)
        except UnidentifiedImageError as error:
            return str(error)
        except Image.DecompressionBombError:
            return "too many pixels"
        except DECODING_FAULTS as error:
            return _reason(error)


USUAL = ImageCheck()


def _readers_fault(opened: Image.Image) -> str | None:
    """Decode an image as readers do, and show it; what only its EXIF hinders is told apart."""
    opened.load()
    try:
        read = decode_as_datasets(opened)
    except DECODING_FAULTS as error:
        return f"`datasets` cannot read its EXIF ({_kind(error)})"
    decode_image(read)
    return None


def _reason(error: Exception) -> str:
    """One of few texts, so that they can be counted."""
    if "truncated" in str(error):
        return "truncated"
    if "MAX_TEXT" in str(error):
        return "more text in it than Pillow reads: remove its metadata"
    return f"cannot be decoded ({_kind(error)})"


def _kind(error: Exception) -> str:
    kind = type(error)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
