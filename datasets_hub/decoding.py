"""One way from an image as it was published to the picture that all see: upright, three channels of 8 bits.

Training, evaluation, hashes, pages and the review look at pixels through `decode_image` alone; published bytes stay as
they are.
"""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

# Pillow's own order, so that a file is taken for what readers take it for: TGA has no magic number and comes late.
FORMATS = (
    "BMP", "GIF", "JPEG", "PPM", "PNG", "AVIF", "CUR", "DDS", "ICO", "JPEG2000", "PCX", "PSD", "QOI", "SGI", "TGA",
    "TIFF", "WEBP",
)  # fmt: skip
"""What is let in; of Pillow's others some run programs (EPS) or read other files."""
DECODING_FAULTS = (
    OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError,
    EOFError, MemoryError, AssertionError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow raises for broken files."""
ORIENTATION = ExifTags.Base.Orientation
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SAYS_HOW_TO_TURN = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")  # keys of `Image.info`
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")  # modes of one channel with 16 or 32 bits
_OF_16_BITS = np.rint(np.arange(65_536) / 257).astype(np.uint8)
# Bytes 4 to 12 of what Pillow did not open.
_UNREADABLE = {
    "HEIC, which Pillow does not open: convert it to JPEG or AVIF": (
        "ftypheic", "ftypheix", "ftyphevc", "ftyphevx", "ftypheim", "ftypheis", "ftypmif1", "ftypmsf1",
    ),
    "JPEG XL, which Pillow does not open: convert it to JPEG or AVIF": ("JXL \r\n\x87\n",),
    "AVIF, which this Pillow does not open: it is cut, or Pillow was built without AVIF": ("ftypavif", "ftypavis"),
}  # fmt: skip


def open_image(image: bytes | Path) -> Image.Image:
    """Open an image in one of the formats that are let in; its pixels are not decoded yet.

    Raises:
        UnidentifiedImageError: it is no image, or in another format; the message says what it needs.
        OSError: it cannot be read; see `DECODING_FAULTS` for what else broken files raise.
    """
    content = image.read_bytes() if isinstance(image, Path) else image
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        box = content[4:12].decode("latin-1")
        needs = (text for text, boxes in _UNREADABLE.items() if box in boxes)
        raise UnidentifiedImageError(next(needs, "no image")) from None


def decode_image(
    image: bytes | Path | Image.Image, *, draft_px: int | None = None, ground: str = "white"
) -> Image.Image:
    """The picture that an image shows: upright, RGB, 8 bits.

    - EXIF and XMP say how it is turned.
    - 16 bits are scaled by their range: 65,535 is white. Floats within 0..1 or else 0..255 are scaled by that, other
      floats and integers by the image's own range, smallest black and largest white; NaN is black.
    - What is transparent shows the ground: alpha, palettes, and single colours that are declared transparent.
    - Palettes, 1 bit, CMYK, LAB, HSV and YCbCr are converted; colour profiles are not applied.
    - Of several frames the first is seen.

    Plain RGB and grey images are what Pillow's `convert("RGB")` gives.

    Args:
        image: an encoded image, its file, or what Pillow or `datasets` made of it.
        draft_px: a JPEG may be decoded at half, a quarter or an eighth, no side below so many pixels, which costs far
            less.
        ground: a colour as CSS or Pillow write it.

    Raises:
        OSError: it is broken or no image; and the rest of `DECODING_FAULTS`.
    """
    opened = image if isinstance(image, Image.Image) else open_image(image)
    if draft_px is not None:
        opened.draft("RGB", (draft_px, draft_px))
    opened.load()  # some formats keep their metadata behind the pixels
    return _rgb(_upright(opened), ground)


def decode_as_datasets(opened: Image.Image) -> Image.Image:
    """What `datasets` 3.6 to 5.x makes of a published image (`datasets.Image.decode_example`), or what it raises."""
    opened.load()
    if opened.getexif().get(ORIENTATION) is not None:
        opened = ImageOps.exif_transpose(opened)
    return opened


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ORIENTATION)
    except DECODING_FAULTS:  # what cannot be read does not say how to turn
        return image
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    if turn is None:
        return image
    turned = image.transpose(turn)
    for key in _SAYS_HOW_TO_TURN:  # so that nobody turns it again
        turned.info.pop(key, None)
    return turned


def _rgb(image: Image.Image, ground: str) -> Image.Image:
    if image.mode in _DEEP:
        image = _eight_bits(image)
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    seen = Image.new("RGB", image.size, ground)
    see_through = _rgba(image)
    seen.paste(see_through, mask=see_through)
    return seen


def _rgba(image: Image.Image) -> Image.Image:
    if image.mode == "La":
        image = image.convert("LA")
    key = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:  # of 16 bits, as the file had
        image = image.copy()
        image.info["transparency"] = tuple(value >> 8 for value in key)
    return image.convert("RGBA")


def _eight_bits(image: Image.Image) -> Image.Image:
    """One channel of 16 or 32 bits as grey, with alpha where a value is declared transparent."""
    values = np.asarray(image)
    grey = Image.fromarray(_scaled(values))
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


def _scaled(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    is_float = values.dtype.kind == "f"
    known = values[np.isfinite(values)] if is_float else values
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    grey: npt.NDArray[np.uint8]
    if not is_float and low >= 0 and high <= 65_535:
        grey = _OF_16_BITS[values]
        return grey
    if is_float and low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    shares = (values.astype(np.float64) - low) / ((high - low) or 1)
    grey = np.rint(np.nan_to_num(shares).clip(0, 1) * 255).astype(np.uint8)
    return grey
