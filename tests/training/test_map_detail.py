"""Levels of detail of the map."""

import numpy as np

from cairnhub.training.map_detail import MOST_AT_ONCE, detail_levels


def test_few_points_are_one_tile():
    (level,) = detail_levels(np.zeros((7, 2), np.uint16))
    assert (level.side, level.items.tolist(), level.starts.tolist()) == (1, list(range(7)), [0, 7])


def test_each_point_stands_once_in_its_tile_and_cells_show_their_first():
    places = np.random.default_rng(0).integers(0, 2**16, (MOST_AT_ONCE + 20_000, 2)).astype(np.uint16)
    places[-2_000:] = places[0]
    levels = detail_levels(places)
    assert np.array_equal(np.sort(np.concatenate([level.items for level in levels])), np.arange(len(places)))
    for level in levels:
        tile = np.repeat(np.arange(level.side**2), np.diff(level.starts))
        x, y = (places[level.items].astype(np.int64) * level.side >> 16).T
        assert np.array_equal(y * level.side + x, tile)
    cells = places >> 8
    assert len(levels[0].items) == len(np.unique(cells, axis=0))
    assert 0 in levels[0].items
    copies = (level.items >= len(places) - 2_000 for level in levels)
    assert [int(each.sum()) for each in copies] == [0, 1, 1, 1, 1, 1_996], (
        "one more a level, the rest at the last"
    )
