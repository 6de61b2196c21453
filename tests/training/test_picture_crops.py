"""Views are cut from whole pictures as published: a share of the area, at a random place."""

import math

import numpy as np
import torch
from PIL import Image

from cairnhub.training.data import draw_views, to_square
from cairnhub.training.picture_crops import PictureCrops, random_box
from cairnhub.training.recipes.settings import Augment
from tests.training.tiny import TinyImages

PUBLISHED = Augment(cut_from="picture", min_area=0.16, max_aspect=4 / 3, brightness=0)


def boxes(width: int, height: int, settings: Augment = PUBLISHED, n: int = 4000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.array([random_box(width, height, settings, rng) for _ in range(n)])


def test_a_box_has_a_uniform_share_of_the_area_and_an_even_ratio_anywhere_in_the_picture():
    found = boxes(400, 300)
    across, down = found[:, 2] - found[:, 0], found[:, 3] - found[:, 1]
    assert found.min() >= 0
    assert (found[:, 2] <= 400).all()
    assert (found[:, 3] <= 300).all()
    share, ratio = across * down / 120_000, across / down
    assert 0.155 < share.min() < 0.17
    assert 0.97 < share.max() <= 1
    assert 0.74 < ratio.min() < 0.77
    assert 1.3 < ratio.max() < 1.35
    small = share < 0.4  # of which hardly any is drawn again for want of room
    assert abs(share[small].mean() - 0.28) < 0.01
    assert abs(np.log(ratio[small]).mean()) < 0.02
    left = found[:, 0] / np.maximum(1, 400 - across)
    assert abs(left.mean() - 0.5) < 0.02


def test_where_no_box_fits_the_largest_middle_part_of_an_allowed_ratio_is_taken():
    whole = PUBLISHED.model_copy(update={"min_area": 1.0})
    assert boxes(1000, 100, whole, 1).tolist() == [[433, 0, 566, 100]]
    assert boxes(100, 1000, whole, 1).tolist() == [[0, 433, 100, 566]]
    assert boxes(100, 100, whole.model_copy(update={"max_aspect": 1.0}), 1).tolist() == [[0, 0, 100, 100]]


class Gradient(TinyImages):
    """Pictures of 400 x 100 pixels whose red says where a pixel lies across."""

    def picture(self, index: int) -> Image.Image:
        row = np.round(np.arange(400) / 399 * 255).astype(np.uint8)
        red = np.tile(row, (100, 1))
        return Image.fromarray(np.stack([red, np.zeros_like(red), np.zeros_like(red)], 2))


def test_views_show_parts_that_no_middle_square_holds():
    crops = PictureCrops(Gradient(), PUBLISHED, 16, seed=0)
    views = torch.stack([crops[0, 0, place] for place in range(200)])
    assert views.shape == (200, 3, 16, 16)
    assert views.dtype == torch.uint8
    middle = views[:, 0].float().mean((1, 2))
    assert middle.min() < 60
    assert middle.max() > 195
    assert torch.equal(crops[0, 0, 7], views[7])
    assert not torch.equal(crops[0, 1, 7], views[7])
    assert not torch.equal(PictureCrops(Gradient(), PUBLISHED, 16, seed=1)[0, 0, 7], views[7])


def test_a_picture_is_brought_to_a_size_before_it_is_cut():
    whole = Augment(cut_from="picture", shorter_side_px=10, min_area=1, max_aspect=4, brightness=0)
    once = Gradient().picture(0).resize((40, 10), Image.Resampling.BILINEAR)
    assert torch.equal(PictureCrops(Gradient(), whole, 16, 0)[0, 0, 0], to_square(once, 16, "stretch"))


def test_in_the_batch_such_views_are_flipped_and_no_more():
    views = draw_views(64, PUBLISHED, torch.Generator().manual_seed(0))
    assert set(views.affine[:, 0, 0].tolist()) == {-1.0, 1.0}
    assert torch.equal(views.affine[:, 1], torch.tensor([[0.0, 1.0, 0.0]]).expand(64, 3))
    assert not views.affine[:, 0, 1:].any()


def test_a_square_is_the_middle_of_a_picture_or_all_of_it():
    picture = Gradient().picture(0)
    middle, whole = to_square(picture, 10), to_square(picture, 10, "stretch")
    assert 90 < middle[0].min() < middle[0].max() < 165
    assert whole[0].min() < 20
    assert whole[0].max() > 235
    assert math.isclose(whole[0].float().mean(), 127.5, abs_tol=1)
