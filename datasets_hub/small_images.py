"""Images of a shard, made small for pages and cards."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image

from cairnhub.datasets_hub.decoding import DECODING_FAULTS, decode_image, open_image
from cairnhub.datasets_hub.parquet_files import require_bounded

MOST_PIXELS = 30_000_000
"""Of an image that is decoded whole to be shown small; a few kilobytes of PNG may be gigabytes of pixels."""


def open_small(image: bytes, side_px: int) -> Image.Image | None:
    """An image upright and as RGB, a JPEG at reduced size but no side below `side_px`.

    None if it is broken, or has more pixels than a small picture is worth; a JPEG may have any number.
    """
    try:
        opened = open_image(image)
        if opened.format != "JPEG" and opened.width * opened.height > MOST_PIXELS:
            return None
        return decode_image(opened, draft_px=side_px)
    except DECODING_FAULTS:
        return None


def square(image: Image.Image, side_px: int) -> Image.Image:
    """The middle of an image, as a square."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((side_px, side_px))


def read_images(path: Path, rows: Sequence[int]) -> Iterator[bytes]:
    """Some images of a shard, rows ascending, few of their neighbours being read with them."""
    require_bounded([path], ["image.bytes"])
    with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
        first = 0
        for group in range(file.metadata.num_row_groups):
            n_rows = file.metadata.row_group(group).num_rows
            in_group = {row - first for row in rows if first <= row < first + n_rows}
            batches = (
                file.iter_batches(8, row_groups=[group], columns=["image.bytes"]) if in_group else iter(())
            )
            for start, batch in zip(range(0, max(in_group, default=0) + 1, 8), batches, strict=False):
                images = batch.column(0).field("bytes")
                yield from (
                    images[row - start].as_py()
                    for row in sorted(in_group)
                    if start <= row < start + len(batch)
                )
            first += n_rows
