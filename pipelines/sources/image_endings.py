"""Which files in folders are images, by their names."""

IMAGE_ENDINGS = (
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
    ".avif",
    ".jp2",
    ".tga",
    ".heic",
)
"""Files in folders of classes that are images; what cannot be read of them is quarantined."""


def is_image_name(name: str) -> bool:
    """Whether a file has the name of an image."""
    return name.lower().endswith(IMAGE_ENDINGS)
