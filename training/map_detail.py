"""Levels of detail of a map: which points a zoom adds, tile by tile, so that no more is drawn than a screen shows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cairnhub.hierarchies.label_tree.tree_rules import IntArray

MOST_AT_ONCE = 50_000
"""Points that need no levels."""
N_BITS = 16  # of a coordinate
_CELL_BITS, _TILE_BITS, _N_LEVELS = 8, 2, 6


@dataclass(frozen=True)
class DetailLevel:
    """The points that a zoom adds to those of the levels before it.

    Attributes:
        side: tiles along each side of the map.
        items: points, tile by tile, row by row.
        starts: where each tile begins among them, and their end, (side * side + 1,).
    """

    side: int
    items: IntArray
    starts: IntArray


def detail_levels(places: npt.NDArray[np.uint16]) -> list[DetailLevel]:
    """Share points out to levels: on each, a cell shows its first point; from one to the next, cells halve.

    The first level has 256 cells along a side, two to three pixels each on a usual screen; the last takes what is left.

    Args:
        places: x and y of each point, 0..65,535, (N, 2).

    Returns:
        One level for up to `MOST_AT_ONCE` points; each point stands in one level.
    """
    everything = np.arange(len(places))
    if len(places) <= MOST_AT_ONCE:
        return [DetailLevel(1, everything, np.array([0, len(places)]))]
    levels, left = [], everything
    for level in range(_N_LEVELS):
        first = _first_of_cells(places[left], _CELL_BITS + level) if level < _N_LEVELS - 1 else None
        taken = left if first is None else left[first]
        levels.append(_in_tiles(taken, places, _TILE_BITS + level))
        left = np.setdiff1d(left, taken, assume_unique=True)
        if not len(left):
            break
    return levels


def _cells(places: npt.NDArray[np.uint16], n_bits: int) -> IntArray:
    x, y = (places >> (N_BITS - n_bits)).astype(np.int64).T
    return np.asarray((y << n_bits) + x)


def _first_of_cells(places: npt.NDArray[np.uint16], n_bits: int) -> IntArray:
    return np.sort(np.unique(_cells(places, n_bits), return_index=True)[1])


def _in_tiles(items: IntArray, places: npt.NDArray[np.uint16], n_bits: int) -> DetailLevel:
    tiles = _cells(places[items], n_bits)
    order = np.argsort(tiles, kind="stable")
    side = 1 << n_bits
    return DetailLevel(side, items[order], np.searchsorted(tiles[order], np.arange(side * side + 1)))
