"""Models, their folders, augmentation."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from cairnhub.core.errors import CairnError
from cairnhub.training.data import augment, centre, draw_views, normalise, to_tensor
from cairnhub.training.encoders import colour_histogram
from cairnhub.training.image_processor import IMAGENET
from cairnhub.training.models import ModelDescription, RetrievalModel, load_model, save_model
from cairnhub.training.recipes.settings import Augment, Network

NETWORK = Network(backbone="small_cnn", width=4, embedding_dim=8, image_side_px=16)


def saved_model(folder):
    torch.manual_seed(0)
    model = RetrievalModel(NETWORK).eval()
    save_model(folder, model, ModelDescription("small", NETWORK, ("fine", "coarse"), "f" * 64, 0))
    return model


def test_a_model_comes_back_as_it_was(tmp_path):
    model = saved_model(tmp_path)
    loaded, description = load_model(tmp_path)
    images = torch.randn(3, 3, 16, 16)
    assert torch.equal(loaded(images), model(images))
    assert torch.allclose(loaded(images).norm(dim=1), torch.ones(3))
    assert description.levels == ("fine", "coarse")


def test_a_model_that_is_laid_out_for_a_processor_embeds_and_is_saved_as_before(tmp_path):
    model = saved_model(tmp_path)
    images, before = torch.randn(3, 3, 16, 16), (tmp_path / "model.safetensors").read_bytes()
    plain, weight = model(images), next(p for p in model.backbone.parameters() if p.ndim == 4)
    model.settle(torch.device("cpu"))
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    assert torch.allclose(model(images), plain, atol=1e-6)
    save_model(tmp_path, model, load_model(tmp_path)[1])
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert all(p.is_contiguous() for p in model.laid_out_plainly().parameters())


def test_a_model_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(CairnError, match=r"nowhere: the model cannot be written.*last checkpoint"):
        save_model(
            tmp_path / "nowhere", RetrievalModel(NETWORK), ModelDescription("s", NETWORK, ("a",), "f", 0)
        )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "no trained model"),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"\x80\x04garbage"),
            "do not fit together|no trained",
        ),
        (lambda folder: widen(folder / "model.json"), "do not fit together"),
    ],
)
def test_a_damaged_model_folder_is_named(tmp_path, damage, message):
    saved_model(tmp_path)
    damage(tmp_path)
    with pytest.raises(CairnError, match=message):
        load_model(tmp_path)


def widen(path):
    record = json.loads(path.read_text())
    record["network"]["width"] = 8
    path.write_text(json.dumps(record))


def test_augmentation_is_fixed_by_its_seed_and_keeps_a_plain_image():
    images = torch.rand(4, 3, 16, 16)

    def seen(settings, seed):
        return augment(images, draw_views(4, settings, torch.Generator().manual_seed(seed)), 16)

    settings = Augment(min_area=0.5, flip=True, brightness=0.2)
    assert torch.equal(seen(settings, 1), seen(settings, 1))
    assert not torch.equal(seen(settings, 1), seen(settings, 2))
    assert torch.allclose(seen(Augment(min_area=1, flip=False, brightness=0), 1), images, atol=1e-4)


def test_crops_keep_to_their_area_and_aspect():
    settings = Augment(min_area=0.25, max_aspect=4 / 3, flip=False, brightness=0)
    views = draw_views(2000, settings, torch.Generator().manual_seed(0))
    width, height = views.affine[:, 0, 0], views.affine[:, 1, 1]
    aspect, corner = width / height, views.affine[:, :, 2].abs() + torch.stack([width, height], 1)
    assert (width * height).min() == pytest.approx(0.25, abs=0.02)
    assert aspect.max() <= 4 / 3 + 1e-5
    assert aspect.min() >= 3 / 4 - 1e-5
    assert aspect.std() > 0.1
    assert corner.max() <= 1 + 1e-5


def test_each_rank_sees_its_rows_of_the_batch():
    images = torch.rand(6, 3, 8, 8)
    views = draw_views(6, Augment(), torch.Generator().manual_seed(0))
    whole = augment(images, views, 8)
    parts = [augment(images[rows], views[rows], 8) for rows in (slice(0, 3), slice(3, 6))]
    assert torch.equal(torch.cat(parts), whole)


def test_a_large_jpeg_is_decoded_small_and_looks_the_same(tmp_path):
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    large = Image.fromarray(coarse).resize((800, 600), Image.Resampling.BICUBIC)
    large.save(tmp_path / "large.jpg", quality=95)
    opened = Image.open(tmp_path / "large.jpg")
    quick = to_tensor(opened, 64).float()
    assert opened.size == (100, 75)  # an eighth
    assert (quick - to_tensor(large, 64).float()).abs().mean() < 2


def test_a_picture_is_turned_upright(tmp_path):
    pixels = np.zeros((40, 40, 3), dtype=np.uint8)
    pixels[:, :20] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter, clockwise
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    seen = to_tensor(Image.open(tmp_path / "turned.png"), 40)
    assert seen[0, :20].min() == 255
    assert seen[0, 20:].max() == 0


def test_the_middle_is_kept():
    images = torch.arange(36).view(1, 1, 6, 6)
    assert centre(images, 2).flatten().tolist() == [14, 15, 20, 21]
    assert torch.equal(centre(images, 6), images)


def test_bytes_become_floats_around_zero():
    assert normalise(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]
    grey = normalise(torch.full((1, 3, 2, 2), 124, dtype=torch.uint8), IMAGENET)
    assert grey.abs().max() < 0.4
    assert normalise(torch.zeros(1, 3, 1, 1), IMAGENET).flatten().tolist() == pytest.approx(
        [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    )


def test_a_histogram_sees_colour_and_not_place():
    red, blue = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    red[0], blue[2] = 200, 200
    half = torch.cat([red[:, :2], blue[:, :2]], dim=1)
    turned = half.flip(1)
    histograms = colour_histogram(torch.stack([red, blue, half, turned]))
    similarity = histograms @ histograms.T
    assert similarity[0, 1] == 0
    assert similarity[2, 3] == pytest.approx(1)
    assert similarity[0, 2] == pytest.approx(0.5**0.5)
