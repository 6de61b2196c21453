"""Networks of timm and open_clip by name, with random weights; skipped where the libraries are not installed."""

import json
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import load_file, save_file

from cairnhub.core.errors import CairnError
from cairnhub.training.image_processor import Colours, read_colours
from cairnhub.training.loop import train
from cairnhub.training.models import ModelDescription, RetrievalModel, load_model, save_model
from cairnhub.training.recipes.settings import Network
from tests.training.tiny import TinyImages, recipe


def needs(library: str) -> pytest.MarkDecorator:
    reason = f"{library} is not installed: an extra, not part of the set-up"
    return pytest.mark.skipif(find_spec(library) is None, reason=reason)


def network(backbone, **settings) -> Network:
    return Network(
        **{"embedding_dim": 8, "image_side_px": 64, "pooling": "average", "backbone": backbone} | settings
    )


def saved(folder, shape):
    torch.manual_seed(0)
    model = RetrievalModel(shape).eval()
    folder.mkdir(exist_ok=True)
    save_model(folder, model, ModelDescription("mine", shape, ("fine",), "f" * 64, 0))
    return model


@pytest.mark.parametrize("name", ["timm/resnet18", "open_clip/ViT-B-32"])
def test_a_missing_library_is_named_with_its_extra(name, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, name.partition("/")[0], None)
    with pytest.raises(CairnError, match=r"network\.backbone: .*is missing") as raised:
        RetrievalModel(network(name))
    assert "\n" not in str(raised.value)
    assert "it comes with the extra" in str(raised.value)


@needs("timm")
@pytest.mark.parametrize(
    ("name", "pooling"),
    [("test_resnet", "gem"), ("test_vit", "cls"), ("test_vit", "average"), ("test_convnext", "max"),
     ("test_efficientnet.r160_in1k", "average"), ("test_byobnet", "gem")],
)  # fmt: skip
def test_a_network_of_timm_is_saved_comes_back_and_opens_elsewhere(tmp_path, name, pooling):
    import timm

    model = saved(tmp_path / "model", network(f"timm/{name}", pooling=pooling))
    images = torch.randn(2, 3, 64, 64)
    again, _ = load_model(tmp_path / "model")
    assert torch.equal(again(images), model(images))
    said = timm.get_pretrained_cfg(name)
    assert model.colours == Colours(tuple(said.mean), tuple(said.std)) == again.colours
    assert read_colours(tmp_path / "model") == model.colours
    bare = timm.create_model(f"local-dir:{tmp_path / 'model'}", pretrained=True, num_classes=0, **(
        {"img_size": 64} if "vit" in name else {}
    )).eval()  # fmt: skip
    assert torch.equal(bare.forward_features(images), model.backbone.model.forward_features(images))
    onwards = RetrievalModel(
        network(str(tmp_path / "model"), weights=str(tmp_path / "model"), pooling=pooling)
    ).eval()
    assert torch.equal(onwards(images), model(images))


@needs("timm")
def test_weights_of_timm_that_are_missing_or_anothers_are_one_line(tmp_path):
    saved(tmp_path / "resnet", network("timm/test_resnet"))
    folder = tmp_path / "resnet"
    weights = load_file(folder / "model.safetensors")
    cases = [
        (
            network("timm/test_vit", weights=str(folder)),
            "are two networks: in the weights is timm/test_resnet",
        ),
        (network("resnet18", weights=str(folder)), "are two networks: in the weights is one of timm"),
        (network("timm/resnet181"), "timm has no network 'resnet181'; did you mean 'resnet18"),
        (
            network("timm/test_vit", image_side_px=50),
            r"cannot take images of 50 px|does not take images of 50",
        ),
        (network("timm/test_resnet", weights=str(tmp_path / "none")), "there is no folder"),
        (network("timm/test_resnet", weights="nosuch"), "there is no folder 'nosuch'"),
    ]
    for shape, message in cases:
        with pytest.raises(CairnError, match=message) as raised:
            RetrievalModel(shape)
        assert "\n" not in str(raised.value)
    first = sorted(weights)[0]
    for changed, message in [
        (
            {key: weights[key] for key in weights if key != first},
            f"1 tensors of timm/test_resnet are missing, {first}",
        ),
        (weights | {first: torch.zeros(3)}, f"{first} has the shape"),
        (weights | {"other": torch.zeros(3)}, "other is there and not in the network"),
    ]:
        save_file(changed, folder / "model.safetensors")
        with pytest.raises(CairnError, match=message):
            RetrievalModel(network("timm/test_resnet", weights=str(folder)))
    (folder / "model.safetensors").unlink()
    with pytest.raises(CairnError, match=r"holds no model\.safetensors"):
        RetrievalModel(network("timm/test_resnet", weights=str(folder)))


@needs("timm")
def test_published_weights_of_timm_with_their_classifier_are_taken(tmp_path):
    import timm

    torch.manual_seed(0)
    whole = timm.create_model("test_vit", num_classes=10).eval()
    save_file(whole.state_dict(), tmp_path / "model.safetensors")
    cfg = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "test_vit", "pretrained_cfg": cfg}))
    model = RetrievalModel(network("timm/test_vit", weights=str(tmp_path), image_side_px=160)).eval()
    assert model.colours == Colours((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    images = torch.randn(1, 3, 160, 160)
    assert torch.equal(model.features(images), whole.forward_features(images)[:, 1:].mean(1))
    resized = RetrievalModel(network("timm/test_vit", weights=str(tmp_path)))
    assert resized.backbone.model.pos_embed.shape[1] == 17


@needs("timm")
def test_stages_of_timm_are_frozen_and_a_run_trains_the_rest():
    shape = network("timm/test_resnet", image_side_px=16)
    model = RetrievalModel(shape)
    assert len(model.backbone.blocks) == 4
    trained = train(recipe(network=shape.model_dump(), n_epochs=1), TinyImages(), 0, 0).model
    assert not torch.equal(trained.head[-1].weight, model.head[-1].weight)


@needs("open_clip")
@pytest.mark.long
def test_an_image_tower_of_open_clip_is_saved_and_comes_back(tmp_path):
    import open_clip

    shape = network("open_clip/ViT-S-32-alt", image_side_px=224)
    model = saved(tmp_path / "model", shape)
    images = torch.randn(2, 3, 224, 224)
    again, _ = load_model(tmp_path / "model")
    assert torch.equal(again(images), model(images))
    assert again.colours == Colours(open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    whole = open_clip.create_model("ViT-S-32-alt", load_weights=False).eval()
    published = tmp_path / "published"
    published.mkdir()
    save_file(whole.state_dict(), published / "open_clip_model.safetensors")
    (published / "open_clip_config.json").write_text(
        json.dumps({"preprocess_cfg": {"mean": [0.5] * 3, "std": [0.2] * 3}})
    )
    loaded = RetrievalModel(network(shape.backbone, weights=str(published), image_side_px=224)).eval()
    assert torch.equal(loaded.features(images), whole.visual(images))
    assert loaded.colours.deviation == (0.2, 0.2, 0.2)
    for wrong, message in [
        (network(shape.backbone, image_side_px=96), "takes images of 224 px, not 96"),
        (
            network("open_clip/ViT-B-16", weights=str(published), image_side_px=224),
            "are not those of open_clip/ViT-B-16",
        ),
        (network(shape.backbone, weights="laion", image_side_px=224), "none of them 'laion'; name one of"),
    ]:
        with pytest.raises(CairnError, match=message):
            RetrievalModel(wrong)


@needs("timm")
@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"architecture": "no_such", "pretrained_cfg": {}}, "timm has no network 'no_such'"),
        (
            {"architecture": "test_vit", "pretrained_cfg": {"mean": [0] * 3, "std": [0] * 3}},
            "std must be positive",
        ),
        (
            {"architecture": "test_vit", "pretrained_cfg": {"mean": "a", "std": [1] * 3}},
            "mean: must be three numbers",
        ),
        (
            {"architecture": "test_vit", "pretrained_cfg": {"input_size": [3, 9**9, 9**9]}},
            "input_size: no size",
        ),
    ],
)
def test_what_a_folder_says_is_checked(tmp_path, said, message):
    (tmp_path / "config.json").write_text(json.dumps(said))
    with pytest.raises(CairnError, match=message):
        RetrievalModel(network(str(tmp_path), weights=str(tmp_path)))
