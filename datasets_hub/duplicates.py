"""Images that occur twice across splits: byte for byte, or to the eye."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Bits = npt.NDArray[np.uint64]
_BANDS = 4  # two 64-bit hashes that differ in at most 3 bits agree in one of four 16-bit bands
MAX_DISTANCE = _BANDS - 1
_CHUNK = 1 << 20


@dataclass(frozen=True)
class DuplicatePair:
    """Two rows, by position; `distance` is in bits, 0 = the same hash."""

    first: int
    second: int
    distance: int


def difference_hash(picture: Image.Image) -> int:
    """64 bits, one per neighbouring pair in an 8 x 9 thumbnail: is the right one brighter (dHash)?

    Survives scaling, recompression and small changes of light; images of one even colour hash to 0.
    """
    small = np.asarray(picture.convert("L").resize((9, 8), Image.Resampling.BOX))
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def near_pairs(hashes: Bits, groups: npt.NDArray[np.int64], limit: int) -> list[DuplicatePair]:
    """Pairs of different groups whose hashes differ in at most `MAX_DISTANCE` bits.

    Args:
        hashes: one per image; hash 0 (no structure) is left out, as such images are alike by nature.
        groups: which split each image is in.
        limit: stop after so many pairs.

    Returns:
        Pairs with `first < second`, sorted.
    """
    known = np.flatnonzero(hashes != 0)
    distances: dict[tuple[int, int], int] = {}
    for band in range(_BANDS):
        for left, right in _same_band(hashes[known], band):
            first, second = known[np.minimum(left, right)], known[np.maximum(left, right)]
            distance = np.bitwise_count(hashes[first] ^ hashes[second])
            near = (distance <= MAX_DISTANCE) & (groups[first] != groups[second])
            for a, b, d in zip(first[near], second[near], distance[near], strict=True):
                distances[int(a), int(b)] = int(d)
            if len(distances) >= limit:
                break
    return [DuplicatePair(a, b, d) for (a, b), d in sorted(distances.items())][:limit]


def _same_band(hashes: Bits, band: int) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Pairs of positions whose hashes agree in a band: neighbours 1, 2, 3 .. apart in sorted order."""
    keys = (hashes >> np.uint64(16 * band)) & np.uint64(0xFFFF)
    # Sorted by band, then by the whole hash: near hashes that agree stand close together.
    order = np.lexsort((hashes, keys)).astype(np.int64)
    ordered = keys[order]
    left = np.arange(len(order))
    for gap in range(1, len(order)):
        left = left[: np.searchsorted(left, len(order) - gap)]
        left = left[ordered[left] == ordered[left + gap]]  # what differs here differs farther off too
        if not len(left):
            break
        for start in range(0, len(left), _CHUNK):
            part = left[start : start + _CHUNK]
            yield order[part], order[part + gap]
