"""Models, their folders, recipes, augmentation."""

import json

import pytest
import torch
import yaml

from hierarchies import CairnError
from training.data import augment, normalise
from training.evaluate import colour_histogram
from training.models import ModelDescription, RetrievalModel, load_model, save_model
from training.recipes import FOLDER, Augment, Network, load_recipe

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


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_is_valid(path):
    assert load_recipe(path.stem).description


def test_a_faulty_recipe_is_named_by_file_and_key(tmp_path):
    raw = yaml.safe_load((FOLDER / "small.yaml").read_text())
    raw["optimizer"]["lr"] = 1
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(CairnError, match=r"mine\.yaml: optimizer\.lr"):
        load_recipe("mine", tmp_path)
    with pytest.raises(CairnError, match=r"no recipe 'yours'.*there are: mine"):
        load_recipe("yours", tmp_path)


def test_augmentation_is_fixed_by_its_seed_and_keeps_a_plain_image():
    images = torch.rand(4, 3, 16, 16)
    settings = Augment(min_area=0.5, flip=True, brightness=0.2)
    views = [augment(images, settings, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
    untouched = augment(images, Augment(min_area=1, flip=False, brightness=0), torch.Generator())
    assert torch.allclose(untouched, images, atol=1e-4)


def test_bytes_become_floats_around_zero():
    assert normalise(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


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
