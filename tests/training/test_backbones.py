"""Published backbones, in tiny versions with random weights."""

import pytest
import torch
from transformers import AutoConfig, AutoModel

from cairnhub.core.errors import CairnError
from cairnhub.training.architectures import ARCHITECTURES
from cairnhub.training.models import ModelDescription, RetrievalModel, load_model, save_model
from cairnhub.training.recipes.settings import Network

TINY = {
    "resnet": {"hidden_sizes": [8, 16], "depths": [1, 1], "embedding_size": 8, "layer_type": "basic"},
    "vit": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
            "image_size": 32, "patch_size": 16},
    "dinov2": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_ratio": 2,
               "image_size": 28, "patch_size": 14},
}  # fmt: skip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Folders with tiny weights, by family."""
    folders = {}
    for family, shape in TINY.items():
        torch.manual_seed(0)
        folders[family] = tmp_path_factory.mktemp(family)
        AutoModel.from_config(AutoConfig.for_model(family, **shape)).save_pretrained(folders[family])
    return folders


def network(backbone: str, weights, **settings) -> Network:
    return Network(backbone=backbone, weights=str(weights), embedding_dim=8, image_side_px=32, **settings)


@pytest.mark.parametrize(
    ("backbone", "pooling"),
    [("resnet18", "gem"), ("resnet50", "max"), ("deit_small", "cls"), ("vit_base", "average"), ("dinov2_small", "gem")],
)  # fmt: skip
def test_weights_of_a_folder_are_loaded_saved_and_come_back(tiny, tmp_path, backbone, pooling):
    shape = network(backbone, tiny[ARCHITECTURES[backbone].model_type], pooling=pooling)
    model = RetrievalModel(shape).eval()
    original = AutoModel.from_pretrained(shape.weights).state_dict()
    loaded = {name.removeprefix("backbone.model."): value for name, value in model.state_dict().items()}
    kept = [name for name in original if name in loaded]
    assert len(kept) >= len(original) - 2  # a vision transformer's pooler is not used
    assert all(torch.equal(original[name], loaded[name]) for name in kept)
    images = torch.randn(3, 3, 32, 32)
    assert torch.allclose(model(images).norm(dim=1), torch.ones(3), atol=1e-6)
    save_model(tmp_path, model, ModelDescription("mine", shape, ("fine",), "f" * 64, 0))
    assert torch.equal(load_model(tmp_path)[0](images), model(images))
    elsewhere = AutoModel.from_pretrained(tmp_path / "backbone").state_dict()
    assert all(torch.equal(elsewhere[name], loaded[name]) for name in kept)


def test_a_larger_image_is_taken_than_the_weights_were_trained_on(tiny):
    shape = Network(backbone="vit_base", weights=str(tiny["vit"]), embedding_dim=8, image_side_px=64)
    assert RetrievalModel(shape)(torch.randn(2, 3, 64, 64)).shape == (2, 8)


@pytest.mark.parametrize("backbone", ["resnet18", "deit_small"])
def test_a_backbone_is_built_from_scratch(backbone):
    shape = Network(backbone=backbone, embedding_dim=8, image_side_px=32, pooling="average")
    model = RetrievalModel(shape)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 8)
    n_million = sum(parameter.numel() for parameter in model.backbone.parameters()) / 1e6
    assert n_million == pytest.approx({"resnet18": 11.2, "deit_small": 21.4}[backbone], abs=0.5)


def test_frozen_batch_norm_stays_as_it_was_loaded(tiny):
    model = RetrievalModel(network("resnet18", tiny["resnet"], frozen_batch_norm=True)).train()
    before = {name: value.clone() for name, value in model.state_dict().items() if "norm" in name}
    model(torch.randn(4, 3, 32, 32)).sum().backward()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert all(parameter.grad is None for norm in norms for parameter in norm.parameters())
    live = RetrievalModel(network("resnet18", tiny["resnet"])).train()
    live(torch.randn(4, 3, 32, 32))
    assert any(not torch.equal(value, live.state_dict()[name]) for name, value in before.items())


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(CairnError, match=r"network\.weights: nothing to load.*nowhere"):
        RetrievalModel(network("resnet18", tmp_path / "nowhere"))
    (tmp_path / "config.json").write_text('{"model_type": "resnet"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04never unpickled")
    with pytest.raises(CairnError, match="nothing to load"):
        RetrievalModel(network("resnet18", tmp_path))


def test_a_class_token_is_asked_of_those_that_have_one(tiny):
    with pytest.raises(CairnError, match="no class token"):
        RetrievalModel(network("resnet18", tiny["resnet"], pooling="cls"))
