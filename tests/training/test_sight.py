"""The size that a recipe leaves to the image processor of its weights."""

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from transformers import ViTConfig, ViTModel

from cairnhub.core.errors import CairnError
from cairnhub.training.models import RetrievalModel
from cairnhub.training.recipes.settings import Network
from cairnhub.training.sight import settled
from tests.training.test_backbones import PROCESSOR, TINY


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that sees the middle 32 pixels of 40, resized bicubically."""
    made = tmp_path_factory.mktemp("vit")
    ViTModel(ViTConfig(**TINY["vit"]), add_pooling_layer=False).save_pretrained(made)
    cut = {"size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": {"height": 32, "width": 32}}
    (made / "preprocessor_config.json").write_text(json.dumps({**PROCESSOR, **cut, "resample": 3}))
    return made


def network(**settings: object) -> Network:
    return Network.model_validate({"image_side_px": 0, "pooling": "average", "embedding_dim": 8, **settings})


def test_size_and_resizing_are_those_of_the_image_processor(folder: Path) -> None:
    shape = settled(network(weights=str(folder)))
    assert (shape.image_side_px, shape.decoded_side_px) == (32, 40)
    assert (shape.fit, shape.interpolation) == ("crop", "bicubic")
    assert RetrievalModel(shape)(torch.zeros(2, 3, 32, 32)).shape == (2, 8)
    assert settled(shape) == shape
    of_package = settled(network(weights="efficientnet-lite0"))
    assert (of_package.image_side_px, of_package.interpolation) == (224, "bilinear")


def test_a_size_that_is_said_stays(folder: Path) -> None:
    assert settled(network(weights=str(folder), image_side_px=64)).image_side_px == 64
    assert settled(network(weights=str(folder), resized_side_px=48)).decoded_side_px == 48


def test_a_network_is_not_built_before_its_size_is_settled(folder: Path) -> None:
    with pytest.raises(CairnError, match=r"image_side_px is 0: `training\.sight\.settled` says"):
        RetrievalModel(network(weights=str(folder)))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "0 leaves it to the image processor of weights: name some"),
        ({"image_side_px": 8}, "16 pixels at least"),
    ],
)
def test_a_size_that_nothing_tells_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        network(backbone="resnet18", **settings)
