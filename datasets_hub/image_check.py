"""Is an image fit to publish? A cheap look at JPEGs; what the look cannot vouch for is decoded."""

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""What is let in; of Pillow's others some run programs (EPS) or read other files."""
DECODING_FAULTS = (
    OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError,
    EOFError, MemoryError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow raises for broken files."""
_START, _END, _FILL = b"\xff\xd8", b"\xff\xd9", 0xFF
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: what every decoder reads
_SCAN = 0xDA


@dataclass(frozen=True)
class ImageCheck:
    """Which images are let in.

    Attributes:
        max_pixels: width times height; by default where Pillow begins to warn its users of a size bomb.
        decode: decode every image to the last pixel. Otherwise a JPEG passes by its structure: segments up to the
            first scan, size within `max_pixels`, an end-of-image marker behind.
    """

    max_pixels: int = 89_478_485
    decode: bool = False

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
                if fault is None:
                    opened.load()
                return fault
        except UnidentifiedImageError:
            return "no image"
        except Image.DecompressionBombError:
            return "too many pixels"
        except DECODING_FAULTS as error:
            truncated = "truncated" in str(error)
            return "truncated" if truncated else f"cannot be decoded ({type(error).__name__})"


USUAL = ImageCheck()


def open_image(image: bytes | Path) -> Image.Image:
    """Open an image in one of the formats that are let in.

    Raises:
        OSError: it is no image, or in another format; see `DECODING_FAULTS` for what else broken files raise.
    """
    return Image.open(io.BytesIO(image) if isinstance(image, bytes) else image, formats=_FORMATS)


def jpeg_size(image: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG whose structure is whole; None for anything else.

    Walks the segments (ITU-T T.81, annex B) up to the first scan and looks for an end-of-image marker behind it;
    one inside a thumbnail in the metadata does not count.
    """
    if not image.startswith(_START):
        return None
    size: tuple[int, int] | None = None
    at = len(_START)
    while at + 9 <= len(image) and image[at] == _FILL:
        marker = image[at + 1]
        if marker == _FILL:
            at += 1
            continue
        if marker in _FRAMES:
            height, width = image[at + 5] << 8 | image[at + 6], image[at + 7] << 8 | image[at + 8]
            size = (width, height)
        at += 2 + (image[at + 2] << 8 | image[at + 3])
        if marker == _SCAN:
            whole = image.rfind(_END, at) >= 0
            return size if whole and size and min(size) > 0 else None
    return None
