"""Photos for pages: the same each time, within their budget, the upper levels first, and none without leave."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hub_toy import N_IMAGES, toy_card, toy_row, toy_tree, write_toy
from PIL import Image

from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.records import RowList
from cairnhub.datasets_hub.small_images import MOST_PIXELS, open_small
from cairnhub.datasets_hub.thumbnails import PER_LEAF, SIDE_PX, leaf_codes, photos_per_leaf
from tests.odd_images import turned


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "toy"
    write_toy(folder)
    return folder


def test_codes_are_those_of_the_rows(folder: Path):
    tree = toy_tree()
    codes = leaf_codes(describe(folder), tree)
    for split, shards in codes.items():
        found = [int(code) for shard in shards for code in shard]
        rows = [toy_row(split, i).leaf for i in range(N_IMAGES[split])]
        assert found == [-1 if leaf is None else tree.leaves.index(leaf) for leaf in rows]


def test_photos_are_small_squares_and_the_same_again(folder: Path):
    photos = photos_per_leaf(describe(folder), toy_tree())
    assert photos == photos_per_leaf(describe(folder), toy_tree())
    assert set(photos) == {
        row.leaf for split, n in N_IMAGES.items() for i in range(n) if (row := toy_row(split, i)).leaf
    }
    assert max(map(len, photos.values())) <= PER_LEAF
    for jpeg in (jpeg for some in photos.values() for jpeg in some):
        assert Image.open(io.BytesIO(jpeg)).size == (SIDE_PX, SIDE_PX)


def test_a_small_budget_shows_every_parent_before_any_twice(folder: Path):
    tree = toy_tree()
    whole = photos_per_leaf(describe(folder), tree)
    parents = {tree.path(leaf)[1] for leaf in whole}
    budget = 2_600 * len(parents)
    few = photos_per_leaf(describe(folder), tree, budget)
    assert sum(len(jpeg) for some in few.values() for jpeg in some) <= budget
    assert sorted(tree.path(leaf)[1] for leaf in few) == sorted(parents)


def test_a_licence_that_is_closed_gives_none(tmp_path: Path):
    write_toy(tmp_path / "closed", card=toy_card(redistributable=False))
    assert photos_per_leaf(describe(tmp_path / "closed"), toy_tree()) == {}


@pytest.mark.parametrize("orientation", [2, 6, 8])
def test_photos_and_the_card_show_what_was_taken_upright(tmp_path: Path, orientation: int):
    upright = Image.new("RGB", (80, 80), "blue")
    upright.paste("red", (0, 0, 80, 30))
    rows = [replace(toy_row("train", i), image=turned(upright, orientation)) for i in range(1, 20)]
    write_toy(tmp_path / "toy", card=toy_card(protocols=()), partitions=[RowList(rows)])
    (sheet,) = (tmp_path / "toy" / "assets").glob("samples-*.jpg")
    jpegs = [
        jpeg for some in photos_per_leaf(describe(tmp_path / "toy"), toy_tree()).values() for jpeg in some
    ]
    assert len(jpegs) == 19
    for picture in (
        Image.open(sheet).crop((0, 0, SIDE_PX, SIDE_PX)),
        *(Image.open(io.BytesIO(j)) for j in jpegs),
    ):
        red, _, blue = picture.getpixel((48, 10))
        assert red > 200 > 60 > blue
        red, _, blue = picture.getpixel((10, 85))
        assert blue > 200 > 60 > red


def test_a_broken_image_is_no_photo():
    whole = toy_row("train", 1).image
    assert open_small(whole, SIDE_PX).mode == "RGB"
    assert open_small(whole[: len(whole) // 2], SIDE_PX) is None
    assert open_small(b"", SIDE_PX) is None


def test_a_bomb_is_not_decoded_for_a_small_picture() -> None:
    """Thirty kilobytes that would be a gigabyte."""
    side = int(MOST_PIXELS**0.5) + 1
    out = io.BytesIO()
    Image.new("1", (side, side)).save(out, "PNG")
    assert len(out.getvalue()) < 100_000
    assert open_small(out.getvalue(), SIDE_PX) is None
    jpeg = io.BytesIO()
    Image.new("L", (side, side)).save(jpeg, "JPEG")
    assert max(open_small(jpeg.getvalue(), SIDE_PX).size) < side
