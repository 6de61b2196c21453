"""Images as cameras, editors and scanners write them: every mode, turned, with odd metadata, damaged."""

import io
import struct
from collections.abc import Callable

import numpy as np
from PIL import Image

SIDE = (48, 32)
ORIENTATION = 0x0112


def photo(seed: int = 0, size: tuple[int, int] = SIDE) -> Image.Image:
    """Soft colours: what a JPEG keeps well."""
    noise = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """The image as a file."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


# ---- turned -------------------------------------------------------------------------------------------------

TURNING = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
BACK = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def lying(upright: Image.Image, orientation: int) -> Image.Image:
    """The pixels as a camera stores them that was held this way."""
    turn = BACK[orientation]
    return upright if turn is None else upright.transpose(turn)


def turned(upright: Image.Image, orientation: int, form: str = "JPEG", **options: object) -> bytes:
    """The file of such a camera; readers see it upright."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    best = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}, "AVIF": {"quality": 100}}
    return encoded(lying(upright, orientation), form, exif=exif, **best.get(form, {}), **options)


# ---- metadata -----------------------------------------------------------------------------------------------


def directory(*entries: tuple[int, int, int, bytes]) -> bytes:
    """An EXIF block: entries of tag, type, count and value or offset."""
    out = b"II*\0" + struct.pack("<IH", 8, len(entries))
    for tag, kind, count, value in entries:
        out += struct.pack("<HHI", tag, kind, count) + value[:4].ljust(4, b"\0")
    return out + struct.pack("<I", 0)


def with_segment(jpeg: bytes, marker: int, content: bytes) -> bytes:
    """A JPEG with one more segment behind its first bytes."""
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content + jpeg[2:]


def with_exif(jpeg: bytes, block: bytes) -> bytes:
    """A JPEG with this EXIF block."""
    return with_segment(jpeg, 0xE1, b"Exif\0\0" + block)


def turn(value: int = 6) -> tuple[int, int, int, bytes]:
    """The entry that says how to turn."""
    return (ORIENTATION, 3, 1, struct.pack("<H", value))


EXIF = {
    "nothing": b"",
    "no header": b"not a directory",
    "an empty directory": directory(),
    "a turn": directory(turn()),
    "no turn": directory(turn(1)),
    "a turn of 9": directory(turn(9)),
    "a turn as long": directory((ORIENTATION, 4, 1, struct.pack("<I", 6))),
    "a turn as text": directory((ORIENTATION, 2, 2, b"6\0")),
    "two turns": directory((ORIENTATION, 3, 2, struct.pack("<HH", 6, 3))),
    "no value of a turn": directory((ORIENTATION, 3, 0, b"")),
    "big-endian": b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, ORIENTATION, 3, 1, 6, 0, 0),
    "cut behind the header": directory(turn())[:8],
    "cut in an entry": directory(turn())[:16],
    "a directory beyond the end": b"II*\0" + struct.pack("<I", 9_999),
    "resolution as text": directory(turn(), (0x11A, 2, 3, b"72\0")),
    "resolution of 1/0": directory(turn(), (0x11A, 5, 1, struct.pack("<I", 8))),
    "unit as text": directory(turn(), (0x128, 2, 2, b"2\0")),
    "a signed width": directory(turn(), (0x100, 9, 1, struct.pack("<i", -5))),
    "a signed width, no turn": directory(turn(1), (0x100, 9, 1, struct.pack("<i", -5))),
    "an unknown type": directory(turn(), (0x10F, 99, 1, b"abcd")),
    "a text beyond the end": directory(turn(), (0x10F, 2, 99_999, struct.pack("<I", 5_000))),
    "a private tag": directory(turn(), (0xC4A5, 7, 4, b"Prin")),
    "a directory of its own, nowhere": directory(turn(), (0x8769, 4, 1, struct.pack("<I", 60_000))),
    "a directory of its own, itself": directory(turn(), (0x8769, 4, 1, struct.pack("<I", 8))),
    "a float for a short": directory(turn(), (0x128, 11, 1, struct.pack("<f", 2.5))),
    "bytes for a text": directory(turn(), (0x131, 1, 4, b"\xff\xfe\xfd\xfc")),
    "GPS as text": directory(turn(), (0x8825, 2, 4, b"abc\0")),
    "a maker's note": directory(turn(), (0x927C, 7, 4, b"\0\1\2\3")),
    "strip offsets": directory(turn(), (0x111, 4, 1, struct.pack("<I", 8)), (0x117, 4, 1, struct.pack("<I", 8))),
    "a double": directory(turn(), (0x9999, 12, 1, struct.pack("<I", 8))),
}  # fmt: skip
"""Blocks as phones and editors write them, and as nobody should."""

SEGMENTS = {
    "a JFIF header that is cut": (0xE0, b"JFIF\0\1"),
    "an Adobe segment that is cut": (0xEE, b"Adobe\0"),
    "a colour profile that is cut": (0xE2, b"ICC_PROFILE\0"),
    "a Photoshop block that is cut": (0xED, b"Photoshop 3.0\x008BIM\4"),
    "a Photoshop block": (0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\0\0"),
    "an index of further pictures": (0xE2, b"MPF\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    "a turn in XMP": (0xE1, b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>'),
    "a comment": (0xFE, b"\xff\xd9 \xff\xda"),
    "a maker's segment": (0xEA, bytes(range(256))),
}


# ---- damage -------------------------------------------------------------------------------------------------


def segments(jpeg: bytes) -> list[tuple[int, int, int]]:
    """Marker, start and end of each segment up to the first scan's header."""
    found, at = [], 2
    while not found or found[-1][0] != 0xDA:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        found.append((jpeg[at + 1], at, end))
        at = end
    return found


def without(jpeg: bytes, marker: int) -> bytes:
    """A JPEG without its segments of this kind."""
    content = bytearray(jpeg)
    for kind, start, end in reversed(segments(jpeg)):
        if kind == marker:
            del content[start:end]
    return bytes(content)


def with_bytes(jpeg: bytes, marker: int, at: int, content: bytes) -> bytes:
    """A JPEG with other bytes in the first segment of a kind; `at` counts from its marker."""
    start = next(start for kind, start, _ in segments(jpeg) if kind == marker) + at
    return jpeg[:start] + content + jpeg[start + len(content) :]


def in_scan(jpeg: bytes, content: bytes) -> bytes:
    """A JPEG with other bytes in the middle of its last scan."""
    at = (segments(jpeg)[-1][2] + len(jpeg)) // 2
    return jpeg[:at] + content + jpeg[at + len(content) :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "12 bits": lambda jpeg: with_bytes(with_bytes(jpeg, 0xC0, 4, b"\x0c"), 0xC0, 1, b"\xc1"),
    "lossless": lambda jpeg: with_bytes(jpeg, 0xC0, 1, b"\xc3"),
    "hierarchical": lambda jpeg: with_bytes(jpeg, 0xC0, 1, b"\xc5"),
    "no quantisation tables": lambda jpeg: without(jpeg, 0xDB),
    "a scan without its Huffman table": lambda jpeg: with_bytes(jpeg, 0xDA, 6, b"\x33"),
    "a frame without its quantisation table": lambda jpeg: with_bytes(jpeg, 0xC0, 12, b"\3"),
    "a Huffman table of more codes than there are": lambda jpeg: with_bytes(jpeg, 0xC4, 5, b"\xff"),
    "two colours": lambda jpeg: with_bytes(jpeg, 0xC0, 9, b"\2"),
    "no height": lambda jpeg: with_bytes(jpeg, 0xC0, 5, b"\0\0"),
    "colours of three halves": lambda jpeg: with_bytes(with_bytes(jpeg, 0xC0, 11, b"\x33"), 0xC0, 14, b"\x21"),
    "a table in the scan": lambda jpeg: in_scan(jpeg, b"\xff\xc4\0\x14\x99"),
    "a marker in the scan that there is not": lambda jpeg: in_scan(jpeg, b"\xff\x02"),
    "a second frame in the scan": lambda jpeg: in_scan(jpeg, b"\xff\xc0\0\x11\x08"),
}  # fmt: skip
"""What is in order by its segments, and nobody decodes."""
