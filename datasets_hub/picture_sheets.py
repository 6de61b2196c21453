"""Many small pictures in few files: sheets of squares, from which a page cuts what it shows."""

import io
from collections.abc import Iterable, Iterator
from itertools import islice

from PIL import Image

from cairnhub.datasets_hub.small_images import open_small, square

COLUMNS = 10
PER_SHEET = COLUMNS * COLUMNS
_SIDES_PX = ((1_500, 112), (6_000, 80), (20_000, 56))
_SMALLEST_PX = 40


def side_of(n_images: int) -> int:
    """Pixels of a square's side: the more pictures, the smaller, so that a page stays some ten megabytes."""
    return next((side for most, side in _SIDES_PX if n_images <= most), _SMALLEST_PX)


def picture_sheets(images: Iterable[bytes], side_px: int) -> Iterator[bytes]:
    """JPEG files of `PER_SHEET` squares each, row by row; an image that does not open leaves a grey one.

    Args:
        images: as published, in the order of the page.
        side_px: of a square.
    """
    waiting = iter(images)
    while several := list(islice(waiting, PER_SHEET)):
        n_rows = -(-len(several) // COLUMNS)
        sheet = Image.new("RGB", (COLUMNS * side_px, n_rows * side_px), "#888888")
        for place, image in enumerate(several):
            small = open_small(image, side_px)
            if small is not None:
                row, column = divmod(place, COLUMNS)
                sheet.paste(square(small, side_px), (column * side_px, row * side_px))
        out = io.BytesIO()
        sheet.save(out, "JPEG", quality=78, optimize=True)
        yield out.getvalue()
