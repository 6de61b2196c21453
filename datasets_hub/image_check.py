"""Is an image fit to publish: does `datasets` read it, and does `decode_image` show it?

A cheap look at JPEGs; what the look cannot vouch for is decoded as readers decode it.
"""

import warnings
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.decoding import (
    DECODING_FAULTS,
    decode_as_datasets,
    decode_image,
    open_image,
)
from cairnhub.datasets_hub.duplicates import NO_LOOK, Look, look
from cairnhub.datasets_hub.jpeg_structure import jpeg_size
from cairnhub.datasets_hub.readers import MAX_PIXELS


class Judgement(NamedTuple):
    """What is known of an image once it was looked at.

    Attributes:
        fault: why it is not fit to publish; None if it is.
        look: of an image that was decoded to the last pixel, as the check asks for, and is fit; else None.
    """

    fault: str | None
    look: Look | None = None


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
        return self.judge(image).fault

    def judge(self, image: bytes) -> Judgement:
        """Look at an image once: is it fit to publish, and what does it look like?"""
        size = None if self.decode else jpeg_size(image)
        if size is not None:
            return Judgement(self._size_fault(size))
        return self._decoded(image)

    def _size_fault(self, size: tuple[int, int]) -> str | None:
        return "too many pixels" if size[0] * size[1] > self.max_pixels else None

    def _decoded(self, image: bytes) -> Judgement:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of sizes, which are looked at here, and of odd metadata
                opened = open_image(image)
                if fault := self._size_fault(opened.size):
                    return Judgement(fault)
                picture = _as_readers_see(opened)
        except UnidentifiedImageError as error:
            return Judgement(str(error))
        except Image.DecompressionBombError:
            return Judgement("too many pixels")
        except DECODING_FAULTS as error:
            return Judgement(_reason(error))
        if isinstance(picture, str):
            return Judgement(picture)
        return Judgement(None, _look_of(picture) if self.decode else None)


USUAL = ImageCheck()


def _as_readers_see(opened: Image.Image) -> Image.Image | str:
    """The picture that readers see, or what in its EXIF alone hinders them."""
    opened.load()
    try:
        read = decode_as_datasets(opened)
    except DECODING_FAULTS as error:
        return f"`datasets` cannot read its EXIF ({_kind(error)})"
    return decode_image(read)


def _look_of(picture: Image.Image) -> Look:
    try:
        return look(picture)
    except DECODING_FAULTS:
        return NO_LOOK


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
