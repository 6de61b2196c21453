"""Images that occur twice: byte for byte, or to the eye."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from cairnhub.datasets_hub.duplicate_table import ALIKE, IDENTICAL, identical_pairs, pairs_of

Bits = npt.NDArray[np.uint64]
Layouts = npt.NDArray[np.uint8]
MAX_DISTANCE = 3
_BANDS = (
    13,
    13,
    13,
    13,
    12,
)  # bits: two 64-bit hashes that differ in at most 3 bits agree in two of five bands
_PAIRS_OF_BANDS = tuple(combinations(range(len(_BANDS)), 2))
_MIN_RISE = 2  # grey levels of 255: below lies what recompression adds
_MIN_BITS = 8  # of a picture with so little structure the hash says nothing
_LAYOUT_SIDE = 4
LAYOUT_SIZE = 3 * _LAYOUT_SIDE**2
_GREY_SHAPE = (8, 9)
GREY_SIZE = _GREY_SHAPE[0] * _GREY_SHAPE[1]
_MAX_COLOUR_DISTANCE = 16  # of 255, in any cell: copies differ by 5, other pictures by 30
_MAX_GAP = 250  # in a run that agrees in two bands, how far apart two are compared: the search stays linear
_CHUNK = 1 << 20
MAX_ALIKE = 1_000_000
"""More pairs of look-alikes than a table is for: those of a placeholder picture, say."""


class Look(NamedTuple):
    """What a picture looks like, roughly: two thumbnails.

    Attributes:
        grey: 8 rows of 9 pixels, 72 bytes.
        layout: colours of 4 rows of 4 pixels, 48 bytes.
    """

    grey: bytes
    layout: bytes


NO_LOOK = Look(bytes(GREY_SIZE), bytes(LAYOUT_SIZE))
"""Of an image that is broken."""


@dataclass(frozen=True)
class DuplicatePair:
    """Two rows, by position; `distance` is in bits, 0 = the same hash."""

    first: int
    second: int
    distance: int


def look(picture: Image.Image) -> Look:
    """Survives scaling, recompression and small changes of light."""
    grey = picture.convert("L").resize(_GREY_SHAPE[::-1], Image.Resampling.BOX).tobytes()
    coloured = picture if picture.mode == "RGB" else picture.convert("RGB")
    return Look(grey, coloured.resize((_LAYOUT_SIDE, _LAYOUT_SIDE), Image.Resampling.BOX).tobytes())


def gradients_of(greys: bytes | bytearray) -> Bits:
    """Of thumbnails, one after another: 64 bits each (dHash), (N,).

    One per pair of neighbours in a row: is the right one brighter? 0 where there is too little structure to tell
    pictures apart.
    """
    grey = np.frombuffer(greys, np.uint8).reshape(-1, *_GREY_SHAPE).astype(np.int16)
    rises = (grey[:, :, 1:] - grey[:, :, :-1] > _MIN_RISE).reshape(len(grey), 64)
    gradients = np.packbits(rises, axis=1).view(">u8")[:, 0].astype(np.uint64)
    gradients[np.count_nonzero(rises, axis=1) < _MIN_BITS] = 0
    return gradients


def columns_of(looks: Sequence[Look]) -> tuple[Bits, Layouts]:
    """Gradients (N,) and layouts (N, 48)."""
    layouts = np.frombuffer(b"".join(each.layout for each in looks), np.uint8)
    return gradients_of(b"".join(each.grey for each in looks)), layouts.reshape(len(looks), LAYOUT_SIZE)


def near_pairs(gradients: Bits, layouts: Layouts, limit: int) -> list[DuplicatePair]:
    """Pairs whose gradients differ in at most `MAX_DISTANCE` bits and whose colours agree.

    Gradients alone take a jellyfish for a candle where both stand before an even ground; colours tell them apart.

    Args:
        gradients: one per image, (N,); 0 is left out.
        layouts: colours, (N, 48).
        limit: stop after so many pairs.

    Returns:
        Pairs with `first < second`, sorted. Where more than `_MAX_GAP` images agree in two bands, those are compared
        that stand close in the order of their hashes.
    """
    known = np.flatnonzero(gradients != 0)
    distances: dict[tuple[int, int], int] = {}
    for bands in _PAIRS_OF_BANDS:
        for left, right in _same_bands(gradients[known], bands):
            first, second = known[np.minimum(left, right)], known[np.maximum(left, right)]
            distance = np.bitwise_count(gradients[first] ^ gradients[second])
            near = np.flatnonzero(distance <= MAX_DISTANCE)
            near = near[_same_colours(layouts[first[near]], layouts[second[near]])]
            for a, b, d in zip(first[near], second[near], distance[near], strict=True):
                distances[int(a), int(b)] = int(d)
            if len(distances) >= limit:
                break
    return [DuplicatePair(a, b, d) for (a, b), d in sorted(distances.items())][:limit]


def find_duplicates(
    digests: npt.NDArray[Any], gradients: Bits, layouts: Layouts, leaves: npt.NDArray[np.int64]
) -> pd.DataFrame:
    """Pairs of rows that are the same or look so, as `pairs_of` gives them.

    Of each content one image, a labelled one if any is, stands for the others.

    Args:
        digests: equal for equal bytes, (N,).
        gradients: see `gradients_of`, (N,).
        layouts: see `Look`, (N, 48).
        leaves: leaf index, -1 without a label, (N,).
    """
    same = identical_pairs(digests, leaves)
    alone = gradients.copy()
    alone[[other for _, other in same]] = 0
    near = near_pairs(alone, layouts, MAX_ALIKE)
    rows = [(a, b, IDENTICAL, 0) for a, b in same]
    return pairs_of([*rows, *((pair.first, pair.second, ALIKE, pair.distance) for pair in near)], leaves)


def _same_colours(one: Layouts, other: Layouts) -> npt.NDArray[np.bool_]:
    apart = np.abs(one.astype(np.int16) - other.astype(np.int16))
    return np.asarray((apart <= _MAX_COLOUR_DISTANCE).all(axis=1), np.bool_)


def _same_bands(
    hashes: Bits, bands: tuple[int, int]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Pairs of positions whose hashes agree in two bands: neighbours 1, 2, 3 .. apart in sorted order."""
    # The two bands first, then the others: near hashes that agree stand close together.
    turned = np.zeros(len(hashes), np.uint64)
    for band in (*bands, *sorted({*range(len(_BANDS))} - {*bands})):
        width, below = np.uint64(_BANDS[band]), np.uint64(sum(_BANDS[band + 1 :]))
        turned = turned << width | (hashes >> below & np.uint64((1 << int(width)) - 1))
    order = np.argsort(turned, kind="stable")
    ordered = turned[order] >> np.uint64(64 - sum(_BANDS[band] for band in bands))
    left = np.arange(len(order))
    for gap in range(1, min(len(order), _MAX_GAP + 1)):
        left = left[: np.searchsorted(left, len(order) - gap)]
        left = left[ordered[left] == ordered[left + gap]]  # what differs here differs farther off too
        if not len(left):
            break
        for start in range(0, len(left), _CHUNK):
            part = left[start : start + _CHUNK]
            yield order[part], order[part + gap]
