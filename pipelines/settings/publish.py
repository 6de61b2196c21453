"""`publish`: the shape of the shards, and which images are let in."""

from pydantic import Field

from cairnhub.pipelines.settings.strict import Strict


class Publish(Strict):
    """Shape of the Parquet shards, and which images are let in."""

    shard_size_mb: int = Field(default=400, ge=1, le=1_000_000)
    rows_per_group: int = Field(default=100, ge=1, le=1_000_000)
    max_image_pixels: int = Field(default=89_478_485, ge=1, le=2**32)
    """Width times height; more is taken for a size bomb."""
    decode_images: bool = False
    """Decode every image to the last pixel; otherwise a JPEG is judged by its structure."""
