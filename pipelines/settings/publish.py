"""`publish`: the shape of the shards, and which images are let in."""

from typing import Annotated

from pydantic import AfterValidator, Field

from cairnhub.datasets_hub.readers import MAX_PIXELS
from cairnhub.pipelines.settings.strict import Strict


def _readable(n_pixels: int) -> int:
    if n_pixels > MAX_PIXELS:
        raise ValueError(
            f"{n_pixels:,} pixels are more than readers take: Pillow, and so `datasets`, opens images of at most "
            f"{MAX_PIXELS:,}; write that or less"
        )
    return n_pixels


class Publish(Strict):
    """Shape of the Parquet shards, and which images are let in."""

    shard_size_mb: int = Field(default=400, ge=1, le=1_000_000)
    rows_per_group: int = Field(default=100, ge=1, le=1_000_000)
    max_image_pixels: Annotated[int, AfterValidator(_readable)] = Field(default=89_478_485, ge=1)
    """Width times height, at most `readers.MAX_PIXELS`; more is taken for a size bomb."""
    decode_images: bool = True
    """Decode every image to the last pixel, and find look-alikes; otherwise a JPEG is judged by its structure, at the
    speed of a copy."""
