"""Which images are let in, by a cheap look and by decoding."""

import io

import numpy as np
import pytest
from PIL import Image

from cairnhub.datasets_hub.image_check import ImageCheck
from cairnhub.datasets_hub.jpeg_structure import jpeg_size


def encoded(width: int = 120, height: int = 80, form: str = "JPEG", **options: object) -> bytes:
    noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, form, **options)
    return out.getvalue()


def with_thumbnail(image: bytes) -> bytes:
    """An APP1 segment with a whole JPEG in it."""
    segment = b"Exif\0\0" + encoded(16, 16)
    return image[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + image[2:]


WHOLE = encoded()
GOOD = {
    "baseline": WHOLE,
    "progressive": encoded(progressive=True),
    "bytes behind the end": WHOLE + b"\0" * 100,
    "thumbnail": with_thumbnail(WHOLE),
    "another end, which decoders forgive": WHOLE[:-2] + b"\0\0",
    "fill bytes": WHOLE[:2] + b"\xff" * 3 + WHOLE[2:],
    "png": encoded(form="PNG"),
    "webp": encoded(form="WEBP"),
    "gif": encoded(form="GIF"),
}
BAD = {
    "cut": (WHOLE[:-300], "truncated"),
    "cut behind a thumbnail": (with_thumbnail(WHOLE)[:-300], "truncated"),
    "cut in the header": (WHOLE[:100], "cannot be decoded (OSError)"),
    "empty": (b"", "no image"),
    "a page": (b"<html>404</html>", "no image"),
    "png cut": (GOOD["png"][:-300], "truncated"),
}


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize("name", GOOD)
def test_whole_images_pass(name, decode):
    assert ImageCheck(decode=decode).fault(GOOD[name]) is None


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize("name", BAD)
def test_broken_images_do_not(name, decode):
    image, reason = BAD[name]
    assert ImageCheck(decode=decode).fault(image) == reason


@pytest.mark.parametrize("decode", [False, True])
def test_size_bombs_are_told_by_their_header(decode):
    bomb = bytearray(encoded(16, 16))
    frame = bomb.index(b"\xff\xc0")
    bomb[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    assert ImageCheck(decode=decode).fault(bytes(bomb)) == "too many pixels"
    assert ImageCheck(max_pixels=120 * 80, decode=decode).fault(WHOLE) is None
    assert ImageCheck(max_pixels=120 * 80 - 1, decode=decode).fault(WHOLE) == "too many pixels"
    assert ImageCheck(max_pixels=120 * 80 - 1, decode=decode).fault(GOOD["png"]) == "too many pixels"


def test_only_decoding_sees_damage_within_the_scan():
    damaged = bytearray(encoded(64, 64, "PNG"))
    damaged[len(damaged) // 2] ^= 255
    assert ImageCheck().fault(bytes(damaged)) is not None  # what is no JPEG is always decoded
    assert jpeg_size(WHOLE) == (120, 80)
    assert jpeg_size(bytes(damaged)) is None


def test_no_bytes_break_the_look():
    rng = np.random.default_rng(0)
    for _ in range(300):
        image = bytearray(WHOLE[: rng.integers(2, len(WHOLE))])
        for at in rng.integers(0, len(image), 4):
            image[at] = rng.integers(0, 256)
        ImageCheck().fault(bytes(image))
