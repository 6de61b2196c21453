"""JPEGs of 16 to 24 px, each different to the eye, as fast as a disk takes them.

With a restart marker behind each block of 8 x 8 px, the coded blocks of a JPEG depend on nothing before them. So blocks
are coded once, and a picture is a header and some of them, chosen by the hash of its name.
"""

import hashlib
import io

import numpy as np
from PIL import Image

N_BLOCKS = 8192  # 13 bits choose one
GRIDS = ((2, 2), (3, 2), (2, 3), (2, 2))  # blocks across and down
_SHEET = (128, 64)
_QUALITY = 50
_FRAME = b"\xff\xc0"
_TABLES = b"\xff\xdb"
_SCAN = b"\xff\xda"


class TinyPictures:
    """Draws the picture of a name; equal seeds give equal bytes.

    Args:
        seed: of everything drawn.
    """

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        width, height = (8 * side for side in _SHEET)
        noise = rng.integers(24, 232, (height // 4, width // 4, 3), dtype=np.uint8)
        out = io.BytesIO()
        sheet = Image.fromarray(noise).resize((width, height), Image.Resampling.BILINEAR)
        sheet.save(out, "JPEG", quality=_QUALITY, subsampling=0, restart_marker_blocks=1)
        head, self._blocks = _cut(out.getvalue())
        self._heads = [_of_size(head, grid) for grid in GRIDS]
        self._saved_again = [_of_size(_requantised(head), grid) for grid in GRIDS]
        self._key = seed.to_bytes(8, "big")

    def draw(self, name: str, *, is_saved_again: bool = False) -> bytes:
        """The picture of a name; saved again, other bytes that look the same."""
        digest = hashlib.blake2b(name.encode(), digest_size=16, key=self._key).digest()
        chosen = int.from_bytes(digest, "big")
        kind = chosen & 3
        across, down = GRIDS[kind]
        pieces = [(self._saved_again if is_saved_again else self._heads)[kind]]
        for number in range(across * down):
            chosen >>= 13
            pieces += (self._blocks[chosen & (N_BLOCKS - 1)], bytes((0xFF, 0xD0 + number)))
        pieces[-1] = b"\xff\xd9"
        return b"".join(pieces)


def _cut(sheet: bytes) -> tuple[bytes, list[bytes]]:
    """What stands before the first coded block, and the blocks."""
    start = sheet.index(_SCAN)
    start += 2 + int.from_bytes(sheet[start + 2 : start + 4], "big")
    blocks, begin, at = [], start, start
    while True:
        at = sheet.index(b"\xff", at)
        marker = sheet[at + 1]
        if marker == 0:  # a byte of the code
            at += 2
            continue
        blocks.append(sheet[begin:at])
        if marker == 0xD9:
            return sheet[:start], blocks
        begin = at = at + 2


def _of_size(head: bytes, grid: tuple[int, int]) -> bytes:
    at = head.index(_FRAME) + 5
    across, down = grid
    return head[:at] + (8 * down).to_bytes(2, "big") + (8 * across).to_bytes(2, "big") + head[at + 4 :]


def _requantised(head: bytes) -> bytes:
    """The tables of the steps a twentieth coarser: a little more contrast."""
    changed = bytearray(head)
    at = head.find(_TABLES)
    while at >= 0:
        for place in range(at + 5, at + 5 + 64):
            changed[place] += changed[place] // 20
        at = head.find(_TABLES, at + 69)
    return bytes(changed)
