"""Published backbones, in tiny versions with random weights, and a caller's own."""

import json
import re
from contextlib import nullcontext

import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoImageProcessor, AutoModel, pipeline

from cairnhub.core.errors import CairnError
from cairnhub.training.data import normalise, to_tensor
from cairnhub.training.encoders import model_encoder
from cairnhub.training.image_processor import IMAGENET, UNIT, Colours, read_colours
from cairnhub.training.loop import train
from cairnhub.training.models import ModelDescription, RetrievalModel, load_model, save_model
from cairnhub.training.recipes.settings import Network
from tests.training.tiny import TinyImages, recipe

TINY = {
    "resnet": {"hidden_sizes": [8, 16], "depths": [1, 1], "embedding_size": 8, "layer_type": "basic"},
    "vit": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
            "image_size": 32, "patch_size": 16},
    "dinov2": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_ratio": 2,
               "image_size": 28, "patch_size": 14},
    "dinov2_with_registers": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_ratio": 2,
                              "image_size": 28, "patch_size": 14, "num_register_tokens": 4},
    "efficientnet": {"in_channels": [8, 8], "out_channels": [8, 8], "strides": [1, 2], "num_block_repeats": [1, 1],
                     "kernel_sizes": [3, 3], "expand_ratios": [1, 2], "width_coefficient": 0.25, "hidden_dim": 320,
                     "depth_coefficient": 1.0},
    "swin": {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 2, "image_size": 32,
             "patch_size": 4},
    "convnext": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
}  # fmt: skip
PROCESSOR = {"image_mean": [0.2, 0.4, 0.6], "image_std": [0.5, 0.25, 0.5], "rescale_factor": 1 / 255}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Folders with tiny weights, by family."""
    folders = {}
    for family, shape in TINY.items():
        torch.manual_seed(0)
        folders[family] = tmp_path_factory.mktemp(family)
        AutoModel.from_config(AutoConfig.for_model(family, **shape)).save_pretrained(folders[family])
    return folders


def network(weights, backbone=None, side=32, **settings) -> Network:
    """The tiny network in a folder, or a named one with the folder's weights."""
    return Network(
        backbone=backbone or str(weights),
        weights=str(weights),
        embedding_dim=8,
        image_side_px=side,
        **settings,
    )


def description(shape) -> ModelDescription:
    return ModelDescription("mine", shape, ("fine",), "f" * 64, 0)


@pytest.mark.parametrize(
    ("family", "pooling"),
    [("resnet", "gem"), ("vit", "cls"), ("vit", "average"), ("dinov2", "gem"), ("dinov2_with_registers", "average"),
     ("efficientnet", "average"), ("swin", "max"), ("convnext", "gem")],
)  # fmt: skip
def test_weights_of_a_folder_are_loaded_saved_and_come_back(tiny, tmp_path, family, pooling):
    shape = network(tiny[family], pooling=pooling)
    model = RetrievalModel(shape).eval()
    original = AutoModel.from_pretrained(shape.weights).state_dict()
    loaded = {name.removeprefix("backbone.model."): value for name, value in model.state_dict().items()}
    kept = [name for name in original if name in loaded]
    assert len(kept) >= len(original) - 2  # a vision transformer's pooler is not used
    assert all(torch.equal(original[name], loaded[name]) for name in kept)
    images = torch.randn(3, 3, 32, 32)
    assert torch.allclose(model(images).norm(dim=1), torch.ones(3), atol=1e-6)
    save_model(tmp_path, model, description(shape))
    assert torch.equal(load_model(tmp_path)[0](images), model(images))
    elsewhere = AutoModel.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(elsewhere[name], loaded[name]) for name in kept)


@pytest.mark.parametrize(
    ("family", "n_patches", "n_before"), [("vit", 4, 1), ("dinov2_with_registers", 4, 5), ("swin", 16, 0)]
)
def test_only_tokens_of_patches_are_pooled(tiny, family, n_patches, n_before):
    backbone = RetrievalModel(network(tiny[family])).eval().backbone
    images = torch.randn(2, 3, 32, 32)
    tokens = backbone.model(pixel_values=images).last_hidden_state
    assert tokens.shape[1] == n_patches + n_before
    assert torch.equal(backbone(images), tokens[:, n_before:].transpose(1, 2).unsqueeze(3))


def test_a_larger_image_is_taken_than_the_weights_were_trained_on(tiny):
    assert RetrievalModel(network(tiny["vit"], side=64))(torch.randn(2, 3, 64, 64)).shape == (2, 8)


@pytest.mark.parametrize("backbone", ["resnet18", "deit_small"])
def test_a_backbone_is_built_from_scratch(backbone):
    shape = Network(backbone=backbone, embedding_dim=8, image_side_px=32, pooling="average")
    model = RetrievalModel(shape)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 8)
    n_million = sum(parameter.numel() for parameter in model.backbone.parameters()) / 1e6
    assert n_million == pytest.approx({"resnet18": 11.2, "deit_small": 21.4}[backbone], abs=0.5)


def test_a_folder_without_weights_is_built_from_scratch(tiny):
    model = RetrievalModel(Network(backbone=str(tiny["resnet"]), embedding_dim=8, image_side_px=32))
    original = AutoModel.from_pretrained(tiny["resnet"]).state_dict()
    name = "embedder.embedder.convolution.weight"
    assert model.backbone.model.state_dict()[name].shape == original[name].shape
    assert not torch.equal(model.backbone.model.state_dict()[name], original[name])


def test_frozen_batch_norm_stays_as_it_was_loaded(tiny):
    model = RetrievalModel(network(tiny["resnet"], frozen_batch_norm=True)).train()
    before = {name: value.clone() for name, value in model.state_dict().items() if "norm" in name}
    model(torch.randn(4, 3, 32, 32)).sum().backward()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert all(parameter.grad is None for norm in norms for parameter in norm.parameters())
    live = RetrievalModel(network(tiny["resnet"])).train()
    live(torch.randn(4, 3, 32, 32))
    assert any(not torch.equal(value, live.state_dict()[name]) for name, value in before.items())


# ------------------------------------------------------------------ what does not fit is refused before training


@pytest.mark.parametrize(
    ("backbone", "family", "said"),
    [
        (
            "resnet50",
            "dinov2",
            "'resnet50' and weights .* two networks: the family is 'resnet' there and 'dinov2'",
        ),
        (
            "resnet50",
            "resnet",
            r"two networks: depths is \[3, 4, 6, 3\] there and \[1, 1\] in the weights; to train",
        ),
        ("resnet18", "efficientnet", "the family is 'resnet' there and 'efficientnet' in the weights"),
        ("dinov2_small", "dinov2", "are two networks: hidden_size is 384 there and 16 in the weights"),
    ],
)
def test_weights_of_another_network_are_refused(tiny, backbone, family, said):
    with pytest.raises(CairnError, match=said):
        RetrievalModel(network(tiny[family], backbone))


@pytest.mark.parametrize(
    ("backbone", "said"),
    [
        ("timm:resnet50", "a network of timm is named with a slash: timm/resnet50"),
        ("resnet5", "no backbone 'resnet5'; did you mean 'resnet50'.*or name a folder"),
    ],
)
def test_a_backbone_that_no_recipe_can_name_is_explained(backbone, said):
    with pytest.raises(ValidationError, match=said):
        Network(backbone=backbone)


def test_a_missing_folder_is_named_plainly(tmp_path):
    with pytest.raises(
        CairnError, match=r"network\.weights: there is no folder '.*nowhere'; name one with config"
    ):
        RetrievalModel(network(tmp_path / "nowhere", "resnet18"))
    with pytest.raises(CairnError, match=r"network\.backbone: there is no folder '.*nowhere'"):
        RetrievalModel(network(tmp_path / "nowhere"))


def test_a_folder_without_safetensors_is_refused(tmp_path):
    with pytest.raises(CairnError, match=r"holds no config\.json"):
        RetrievalModel(network(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "resnet"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04never unpickled")
    with pytest.raises(CairnError, match=r"holds no model\.safetensors; weights in other forms are not read"):
        RetrievalModel(network(tmp_path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "bert"}, "'bert' is no family of image networks"),
        ({"model_type": "timm_wrapper"}, "'timm_wrapper' is no family of image networks"),
        ({"model_type": "vit_mae"}, "'vit_mae' is no family of image networks"),
        ({"model_type": "detr"}, "made of another one"),
        ({"model_type": ["resnet"]}, "is no family of image networks"),
        ({"depths": [1] * 10_000}, "depths: no value that a network may have"),
        ({"depths": [1, 0]}, "depths: a network has at least 1 layer"),
        ({"depths": [60_000, 60_000]}, "120,000 layers, but"),
        ({"embedding_size": 10**9}, "embedding_size: no value that a network may have"),
        ({"hidden_sizes": [60_000, 60_000]}, r"describes [\d,]+ numbers, but the weights have"),
        ({"hidden_act": "../../etc"}, "fits no network of the family|nothing to load"),
        ({"layer_type": {"auto_map": "x"}}, "layer_type: no value"),
        ({"hidden_sizes": [8, 24]}, "has the shape"),
    ],
)
def test_an_untrusted_configuration_is_bounded_before_anything_is_built(tiny, tmp_path, changes, said):
    folder = tmp_path / "folder"
    folder.mkdir()
    config = json.loads((tiny["resnet"] / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    (folder / "model.safetensors").write_bytes((tiny["resnet"] / "model.safetensors").read_bytes())
    with pytest.raises(CairnError, match=said):
        RetrievalModel(network(folder))


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.int8])
def test_weights_of_other_numbers_are_refused(tiny, tmp_path, kind):
    """The counts of batch norms are whole numbers, and stay."""
    weights = load_file(tiny["resnet"] / "model.safetensors")
    assert any(tensor.dtype == torch.int64 for tensor in weights.values())
    name = next(name for name in weights if name.endswith("convolution.weight"))
    (tmp_path / "config.json").write_bytes((tiny["resnet"] / "config.json").read_bytes())
    save_file({**weights, name: weights[name].to(kind)}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(CairnError, match=rf"{name} is of type \w+; weights may be of float16, bfloat16"):
        RetrievalModel(network(tmp_path))


EVIL = "evil\x1b]0;owned\x07"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensors, name: tensors | {EVIL: torch.zeros(2)}, r"1 tensors are of no use .*: 'evil"),
        (lambda tensors, name: {EVIL: tensors.pop(name), **tensors}, r"1 tensors are missing, \w"),
        (
            lambda tensors, name: tensors | {name: tensors[name][:, :1].clone()},
            r"has the shape \[8, 1, 7, 7\] there",
        ),
    ],
)
def test_what_a_strangers_tensors_are_called_is_not_obeyed(tiny, tmp_path, caplog, capfd, change, said):
    """`transformers` would list the names of those that do not fit as they are."""
    weights = load_file(tiny["resnet"] / "model.safetensors")
    name = next(name for name in weights if name.endswith("convolution.weight"))
    (tmp_path / "config.json").write_bytes((tiny["resnet"] / "config.json").read_bytes())
    save_file(change(weights, name), tmp_path / "model.safetensors", {"format": "pt"})
    caplog.set_level("INFO", "cairnhub")
    with nullcontext() if "no use" in said else pytest.raises(CairnError) as refused:
        RetrievalModel(network(tmp_path))
    told = str(refused.value) if refused else caplog.text
    assert re.search(said, told)
    shown = told + "".join(capfd.readouterr())
    assert "REPORT" not in shown
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", shown)


def test_keys_that_shape_no_network_are_not_taken(tiny, tmp_path):
    config = json.loads((tiny["vit"] / "config.json").read_text())
    hostile = {"_attn_implementation": "owner/kernel", "attn_implementation": "x", "num_labels": 10**12, "auto_map":
               {"AutoModel": "evil.Model"}, "torch_dtype": "float16", "id2label": {"0": "x"}}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps({**config, **hostile}))
    (tmp_path / "evil.py").write_text("raise SystemExit('code of a folder was run')")
    (tmp_path / "model.safetensors").write_bytes((tiny["vit"] / "model.safetensors").read_bytes())
    built = RetrievalModel(network(tmp_path)).backbone.config
    assert built._attn_implementation in ("sdpa", "eager")
    assert built.num_labels == 2
    assert not hasattr(built, "auto_map")


def test_a_class_token_is_asked_of_those_that_have_one(tiny):
    for family in ("resnet", "swin"):
        with pytest.raises(CairnError, match="no class token"):
            RetrievalModel(network(tiny[family], pooling="cls"))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("config.json", {"hidden_sizes": [8, 60_000]}, r"do not fit together: .* has shape .*, not"),
        ("config.json", {"depths": [60_000]}, "do not fit together: .*60,000 layers"),
        ("config.json", {"model_type": "vit"}, "do not fit together"),
        ("preprocessor_config.json", {"image_std": 0}, "do not fit together: .*image_std positive"),
        ("preprocessor_config.json", None, "do not fit together: preprocessor_config.json is missing"),
        ("head.safetensors", None, "no trained model"),
    ],
)
def test_a_model_folder_that_lies_is_refused(tiny, tmp_path, name, change, said):
    shape = network(tiny["resnet"])
    save_model(tmp_path, RetrievalModel(shape), description(shape))
    if change is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(json.dumps({**json.loads((tmp_path / name).read_text()), **change}))
    with pytest.raises(CairnError, match=said):
        load_model(tmp_path)


# ------------------------------------------------------------------ the image processor


def test_the_image_processor_of_the_weights_is_used_and_kept(tiny, tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    for file in tiny["resnet"].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    shape = network(folder, pooling="average", resized_side_px=40)
    model = RetrievalModel(shape).eval()
    assert model.colours.mean == pytest.approx((0.2, 0.4, 0.6))
    assert RetrievalModel(network(folder, colours="imagenet")).colours == IMAGENET
    assert RetrievalModel(network(tiny["resnet"])).colours == UNIT
    saved = tmp_path / "model"
    saved.mkdir()
    save_model(saved, model, description(shape))
    assert load_model(saved)[0].colours == model.colours
    picture = Image.effect_noise((7, 6), 90).convert("RGB").resize((60, 50), Image.Resampling.BICUBIC)
    seen = normalise(to_tensor(picture, 40)[None, :, 4:36, 4:36], model.colours)
    given = AutoImageProcessor.from_pretrained(saved)(images=picture, return_tensors="pt")["pixel_values"]
    assert given.shape == seen.shape == (1, 3, 32, 32)
    assert (given - seen).abs().mean() < 0.03  # where the crop falls between pixels
    features = pipeline("image-feature-extraction", model=str(saved))(picture)
    with torch.no_grad():
        assert torch.allclose(torch.tensor(features), model.backbone(given), atol=1e-4)


@pytest.mark.parametrize(
    ("processor", "colours"),
    [
        ({"do_normalize": False}, Colours((0.0,) * 3, (1.0,) * 3)),
        ({"do_normalize": False, "rescale_factor": 1 / 127.5, "rescale_offset": True}, UNIT),
        ({"image_mean": 0.5, "image_std": 0.5}, UNIT),
    ],
)
def test_a_processor_is_read_as_what_it_does_to_bytes(tmp_path, processor, colours):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    read = read_colours(tmp_path)
    assert read.mean == pytest.approx(colours.mean)
    assert read.deviation == pytest.approx(colours.deviation)


@pytest.mark.parametrize(
    "processor", [{"image_std": [0, 1, 1]}, {"image_mean": [1]}, {"rescale_factor": "x"}]
)
def test_a_processor_without_sense_is_refused(tmp_path, processor):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    with pytest.raises(CairnError, match=r"preprocessor_config\.json: .*get the folder again"):
        read_colours(tmp_path)


# ------------------------------------------------------------------ a module of the caller's


class Patches(torch.nn.Module):
    """Maps, tokens or vectors, by its number of dimensions."""

    def __init__(self, n_dimensions: int) -> None:
        super().__init__()
        self.convolution, self.n_dimensions = torch.nn.Conv2d(3, 6, 4, stride=4), n_dimensions

    def forward(self, images):
        maps = self.convolution(images)
        if self.n_dimensions == 4:
            return maps
        return maps.flatten(2).transpose(1, 2) if self.n_dimensions == 3 else maps.mean(dim=(2, 3))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_module_of_ones_own_keeps_its_layout(layout):
    module = Patches(4).to(memory_format=layout)
    network = recipe(network={"backbone": "own", "embedding_dim": 8, "image_side_px": 16}).network
    model = RetrievalModel(network, own=module).settle(torch.device("cpu"))
    assert module.convolution.weight.is_contiguous(memory_format=layout)
    model.laid_out_plainly()
    assert module.convolution.weight.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("n_dimensions", [2, 3, 4])
def test_a_module_of_ones_own_is_trained_saved_and_loaded(tmp_path, n_dimensions):
    wanted = recipe(network={"backbone": "own", "embedding_dim": 8, "image_side_px": 16}, n_epochs=1)
    module = Patches(n_dimensions)
    before = module.convolution.weight.detach().clone()
    trained = train(wanted, TinyImages(), seed=0, n_workers=0, backbone=module).model
    assert not torch.equal(module.convolution.weight, before)
    save_model(tmp_path, trained, description(wanted.network))
    images = torch.randint(0, 255, (2, 3, 16, 16), dtype=torch.uint8)
    loaded = load_model(tmp_path, backbone=Patches(n_dimensions))[0]
    assert torch.equal(model_encoder(loaded)(images), model_encoder(trained)(images))
    with pytest.raises(CairnError, match="was trained with the backbone 'own': give it as backbone="):
        load_model(tmp_path)


def test_a_module_is_given_where_the_recipe_says_so(tiny):
    with pytest.raises(CairnError, match="a module of your own is given as backbone="):
        train(recipe(network={"backbone": "own"}), TinyImages(), 0, 0)
    with pytest.raises(CairnError, match="a module of your own is given as backbone="):
        train(recipe(), TinyImages(), 0, 0, backbone=Patches(4))
    wanted = recipe(network={"backbone": "own", "image_side_px": 16})
    with pytest.raises(CairnError, match="does not take images of 16 x 16"):
        train(wanted, TinyImages(), 0, 0, backbone=torch.nn.Linear(3, 3))
    with pytest.raises(CairnError, match="it must give maps"):
        train(wanted, TinyImages(), 0, 0, backbone=torch.nn.Flatten(0))
    chunked = wanted.model_copy(update={"batch": wanted.batch.model_copy(update={"chunk": 4})})
    module = torch.nn.Sequential(Patches(4), torch.nn.BatchNorm2d(6))
    with pytest.raises(CairnError, match=r"batch\.chunk with live batch norm"):
        train(chunked, TinyImages(), 0, 0, backbone=module)
