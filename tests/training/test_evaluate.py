"""Protocols measured, intervals of their metrics, embeddings for use elsewhere."""

import numpy as np
import pytest
import torch
from PIL import Image

from cairnhub.core.errors import BadInput, BrokenData, CairnError
from cairnhub.datasets_hub.mmap_images import OpenSplit
from cairnhub.training.data import ImageDataset, to_tensor
from cairnhub.training.encoders import EmbeddedSplit, model_encoder
from cairnhub.training.evaluation import evaluate
from cairnhub.training.inference import encode
from cairnhub.training.metrics import retrieval_metrics
from cairnhub.training.metrics.bootstrap import bootstrap_intervals
from cairnhub.training.models import ModelDescription, RetrievalModel, load_model, save_model
from cairnhub.training.recipes.settings import Network
from tests.odd_images import encoded, photo, turned


def test_intervals_are_as_wide_as_the_standard_error_says():
    values = np.random.default_rng(0).normal(0.5, 0.1, 400)
    wide = bootstrap_intervals({"x": values})["x"]
    assert (wide.low + wide.high) / 2 == pytest.approx(values.mean(), abs=0.002)
    assert wide.high - wide.low == pytest.approx(2 * 1.96 * 0.1 / 20, rel=0.12)
    narrow = bootstrap_intervals({"x": values}, coverage=0.5)["x"]
    assert wide.low < narrow.low < narrow.high < wide.high


def test_queries_that_do_not_count_are_left_out():
    values = np.array([0.2, 0.4, np.nan, 0.6, np.nan])
    both = bootstrap_intervals({"x": values, "none": np.full(5, np.nan)})
    assert 0.2 <= both["x"].low < both["x"].high <= 0.6
    assert np.isnan([both["none"].low, both["none"].high]).all()
    assert bootstrap_intervals({"x": values}) == bootstrap_intervals({"x": values})


def test_a_protocol_measures_its_levels_with_intervals():
    generator = torch.Generator().manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(40, 6, generator=generator), dim=1)
    fine = np.arange(40) // 4
    labels = np.column_stack([fine, fine // 2, fine // 5])
    measured = evaluate(EmbeddedSplit(points, labels), None, ("a", "b", "c"), ("a", "c"))
    expected = retrieval_metrics(points, torch.from_numpy(labels[:, [0, 2]]), levels=("a", "c"))
    assert {name: measured.values[name] for name in expected.values} == expected.values
    assert [str(key) for key in measured.intervals] == [
        "h_ap",
        "h_ap_published",
        "ap_a",
        "ap_c",
        "r_at_1_a",
        "r_at_1_c",
    ]
    for key, ends in measured.intervals.items():
        assert ends.low <= measured.values[key] <= ends.high
    assert measured.levels == ("a", "c")
    assert measured.per_query["h_ap"].mean() == pytest.approx(measured.values["h_ap"])


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    shape = Network(backbone="small_cnn", width=4, embedding_dim=8, image_side_px=16, resized_side_px=20)
    save_model(folder, RetrievalModel(shape).eval(), ModelDescription("mine", shape, ("fine",), "f" * 64, 0))
    return folder


def test_pictures_and_files_are_embedded(model_folder, tmp_path):
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)) for _ in range(5)]
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for picture, path in zip(pictures, paths, strict=True):
        picture.save(path)
    embeddings = encode(pictures, model_folder, batch_size=2)
    assert embeddings.shape == (5, 8)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(5), atol=1e-6)
    assert torch.allclose(encode(paths, model_folder), embeddings, atol=1e-6)
    model = load_model(model_folder)[0]
    with torch.inference_mode():
        alone = model_encoder(model)(to_tensor(pictures[3], 20)[None])
    assert torch.allclose(alone[0], embeddings[3], atol=1e-6)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "AVIF"])
def test_a_turned_picture_is_searched_upright(model_folder, tmp_path, form):
    (tmp_path / "turned").write_bytes(turned(photo(), 6, form))
    (tmp_path / "upright").write_bytes(turned(photo(), 1, form))
    found = encode([tmp_path / "turned", tmp_path / "upright"], model_folder)
    assert found[0] @ found[1] > 0.999


def test_the_ground_is_the_recipe_s(tmp_path):
    clear = Image.new("RGBA", (20, 20))
    for ground, value in (("white", 255), ("black", 0), ("#102030", 0x10)):
        images = ImageDataset(OpenSplit([encoded(clear, "PNG")], np.zeros((1, 1), int)), 16, ground)
        assert images[0][0].unique().tolist() == [value]
        assert images.picture(0).getpixel((3, 3))[0] == value
    shape = Network(backbone="small_cnn", width=4, embedding_dim=8, image_side_px=16, ground="black")
    save_model(tmp_path, RetrievalModel(shape).eval(), ModelDescription("m", shape, ("a",), "f" * 64, 0))
    black, seen = encode([Image.new("RGB", (20, 20)), clear], tmp_path)
    assert torch.equal(black, seen)
    with pytest.raises(ValueError, match="unknown color specifier"):
        Network(backbone="small_cnn", ground="whiet")


@pytest.mark.parametrize(
    "damaged", [b"", b"<html>", encoded(photo(), "JPEG")[:-200], encoded(photo(), "PNG")[:-900]]
)
def test_a_broken_row_is_named(damaged):
    images = ImageDataset(OpenSplit([encoded(photo(), "PNG"), damaged], np.zeros((2, 1), int)), 16)
    assert images[0].shape == (3, 16, 16)
    for read in (images.__getitem__, images.picture):
        with pytest.raises(
            BrokenData, match=r"row 1 of a split of 2 images cannot be decoded .*cairn datasets check"
        ):
            read(1)


def test_a_queries_page_shows_it_upright():
    images = ImageDataset(OpenSplit([turned(photo(), 6), turned(photo(), 1)], np.zeros((2, 1), int)), 16)
    lying, upright = (np.asarray(images.picture(i), dtype=int) for i in range(2))
    assert lying.shape == upright.shape
    assert np.abs(lying - upright).mean() < 3


def test_what_is_no_image_is_named(model_folder, tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(CairnError, match=r"notes\.txt: holds no image"):
        encode([tmp_path / "notes.txt"], model_folder)
    (tmp_path / "cut.jpg").write_bytes(encoded(photo(), "JPEG")[:-200])
    with pytest.raises(
        BadInput, match=r"cut\.jpg: holds no image that can be read: .*truncated.*another picture"
    ):
        encode([tmp_path / "cut.jpg"], model_folder)
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))
    with pytest.raises(BadInput, match=r"phone\.heic: .*HEIC, which Pillow does not open: convert it"):
        encode([tmp_path / "phone.heic"], model_folder)
    with pytest.raises(CairnError, match="images must be a list"):
        encode([], model_folder)
