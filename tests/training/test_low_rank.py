"""Low-rank adaptation by peft; what trains is skipped where it is not installed."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from transformers import EfficientNetConfig, EfficientNetModel, ViTConfig, ViTModel

from cairnhub.core.errors import CairnError
from cairnhub.training.loop import train
from cairnhub.training.low_rank import adapt, merge
from cairnhub.training.models import ModelDescription, RetrievalModel, load_model, save_model, untrained_model
from cairnhub.training.recipes.settings import LowRank, Network
from tests.training.test_backbones import TINY
from tests.training.tiny import TinyImages, optimizer, recipe

needs_peft = pytest.mark.skipif(find_spec("peft") is None, reason="peft is not installed: the extra `lora`")
VIT = ViTConfig(**TINY["vit"])
EFFICIENTNET = EfficientNetConfig(**TINY["efficientnet"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with a network each."""
    torch.manual_seed(0)
    folders = {name: tmp_path_factory.mktemp(name) for name in ("vit", "efficientnet")}
    ViTModel(VIT, add_pooling_layer=False).save_pretrained(folders["vit"])
    EfficientNetModel(EFFICIENTNET).save_pretrained(folders["efficientnet"])
    return folders


def network(folder: Path, **changes: object) -> Network:
    shape = {"backbone": str(folder), "weights": str(folder), "pooling": "average", "image_side_px": 32}
    return Network.model_validate({"embedding_dim": 8, "lora": {"rank": 2}, **shape, **changes})


@needs_peft
@pytest.mark.parametrize("family", ["vit", "efficientnet"])
def test_factors_change_nothing_at_first_and_the_merged_weights_see_the_same(
    trained: dict[str, Path], family: str
) -> None:
    shape = network(trained[family])
    plain, adapted = untrained_model(shape, 0), untrained_model(shape, 0)
    images = torch.randn(2, 3, 32, 32)
    adapt(adapted.backbone, shape.lora or LowRank())
    assert torch.equal(plain(images), adapted(images))
    learning = [weight for weight in adapted.backbone.parameters() if weight.requires_grad]
    for weight in learning:
        nn.init.normal_(weight, std=0.1)
    assert 0 < sum(map(torch.numel, learning)) < sum(map(torch.numel, plain.backbone.parameters()))
    seen = adapted(images)
    merge(adapted.backbone)
    torch.testing.assert_close(adapted(images), seen, atol=1e-5, rtol=1e-4)
    before, after = plain.state_dict(), adapted.state_dict()
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)


@needs_peft
def test_a_trained_model_is_saved_merged_and_opens_as_any_other(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    shape = network(trained["vit"], lora={"rank": 2, "layers": ["q_proj", "query"]})
    plan = recipe(network=shape.model_dump(), optimizer=optimizer(0.05, 0.1), n_epochs=1)
    model = train(plan, TinyImages(), 0, 0).model
    folder = tmp_path / "model"
    folder.mkdir()
    save_model(folder, model, ModelDescription("mine", shape, ("fine",), "f" * 64, 0))
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(load_model(folder)[0](images), model(images))
    before, after = (
        ViTModel.from_pretrained(place, add_pooling_layer=False).state_dict()
        for place in (trained["vit"], folder)
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("q_proj" in name or "query" in name for name in changed)


@needs_peft
def test_layers_that_are_not_there_are_named_with_those_that_are(trained: dict[str, Path]) -> None:
    model = RetrievalModel(network(trained["vit"]))
    with pytest.raises(CairnError, match=r"network\.lora\.layers: no layer is called 'querry'; there are"):
        adapt(model.backbone, LowRank(layers=("querry",)))


@pytest.mark.parametrize("changes", [{"weights": ""}, {"frozen": "all"}, {"frozen": 1}])
def test_it_adapts_weights_that_are_trained(trained: dict[str, Path], changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="lora adapts weights that are trained and not frozen"):
        network(trained["vit"], **changes)


def test_without_peft_the_extra_is_named(trained: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from cairnhub.core.errors import packages_explained

    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    plan = recipe(network=network(trained["vit"]).model_dump())
    with pytest.raises(CairnError, match="the package peft is missing"), packages_explained():
        train(plan, TinyImages(), 0, 0)
