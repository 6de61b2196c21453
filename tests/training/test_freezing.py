"""Frozen parts of a network: kept as they are, without a backward pass, and computed once where all is frozen."""

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoConfig, AutoModel

from cairnhub.core.errors import CairnError
from cairnhub.training.embedding import frozen_encoder, off_the_shelf_encoder
from cairnhub.training.encoders import embed_split, model_encoder
from cairnhub.training.loop import Training, train
from cairnhub.training.models import ModelDescription, RetrievalModel, load_model, save_model
from cairnhub.training.recipes.settings import Network
from tests.training.test_backbones import TINY
from tests.training.tiny import SIDE, TinyImages, optimizer, recipe


@pytest.fixture(scope="module", params=["resnet", "vit", "efficientnet"])
def folder(request, tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(request.param)
    model = AutoModel.from_config(AutoConfig.for_model(request.param, **TINY[request.param]))
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.BatchNorm2d):
            module.reset_parameters()  # an EfficientNet begins with scales near 0
    model.save_pretrained(folder)
    return folder


def network(folder, **settings) -> dict[str, object]:
    return {"backbone": str(folder), "weights": str(folder), "embedding_dim": 8, "image_side_px": SIDE,
            "pooling": "average", **settings}  # fmt: skip


def changed(before, model) -> set[str]:
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


def test_the_first_blocks_keep_weights_and_statistics_without_a_graph(folder):
    wanted = recipe(network=network(folder, frozen=1), n_epochs=1)
    before = RetrievalModel(wanted.network).state_dict()
    model = RetrievalModel(wanted.network).train()
    backbone = model.backbone
    names = [name for name, weight in backbone.named_parameters() if not weight.requires_grad]
    blocks = [
        name
        for name in names
        if any(part in name for part in ("stages.0", "blocks.0", "layer.0", "layers.0"))
    ]
    assert blocks
    assert any("embed" in name for name in names)
    later = [name for name, weight in backbone.named_parameters() if weight.requires_grad]
    assert later
    assert not any("embed" in name for name in later)
    entered = {}
    for name, module in backbone.named_modules():
        module.register_forward_hook(lambda module, _, out, name=name: entered.setdefault(name, out))
    model(torch.randn(4, 3, SIDE, SIDE))
    first = next(name for name in entered if name.endswith(("stages.0", "blocks.0", "layer.0", "layers.0")))
    out = entered[first][0] if isinstance(entered[first], tuple) else entered[first]
    assert not out.requires_grad
    trained = train(wanted, TinyImages(), 0, 0).model
    moved = changed(before, trained)
    assert not moved & {f"backbone.{name}" for name in names}
    assert {f"backbone.{name}" for name in later} & moved
    statistics = [name for name in moved if "running" in name and ".0." in name and "blocks.1" not in name]
    assert not [
        name for name in statistics if any(name.startswith(f"backbone.{n.rsplit('.', 1)[0]}.") for n in names)
    ]


def test_a_head_on_a_frozen_backbone_is_trained_on_vectors_computed_once(folder):
    wanted = recipe(network=network(folder, frozen="all"), augment={}, n_epochs=3)
    images = TinyImages()
    before = RetrievalModel(wanted.network).state_dict()
    trained = train(wanted, images, seed=0, n_workers=0).model
    assert images.n_read == len(images)  # once, not once an epoch
    moved = changed(before, trained)
    assert moved
    assert all(name.startswith("head.") for name in moved)
    features = embed_split(images, frozen_encoder(wanted.network), 7, 0).embeddings
    given = TinyImages()
    again = train(wanted, given, 0, 0, features=features).model
    assert given.n_read == 0
    pixels = images.images[:5]
    assert torch.allclose(model_encoder(again)(pixels), model_encoder(trained)(pixels), atol=1e-4)
    assert torch.allclose(again.project(features[:5].clone()), model_encoder(again)(pixels), atol=1e-5)


def test_held_out_classes_are_measured_by_their_vectors(folder):
    wanted = recipe(
        network=network(folder, frozen="all"), validation={"share": 0.3, "patience": 2}, n_epochs=2
    )
    images = TinyImages()
    assert "held_out_h_ap" in train(wanted, images, 0, 0).curve
    assert images.n_read == len(images)


def test_what_a_frozen_backbone_cannot_use_is_refused(folder):
    with pytest.raises(ValidationError, match=r"augment has no use where network\.frozen is all"):
        recipe(network=network(folder, frozen="all"), augment={"min_area": 0.3})
    with pytest.raises(ValidationError, match="frozen keeps weights that are trained"):
        Network(backbone="resnet18", frozen="all")
    wanted = recipe(network=network(folder, frozen="all"))
    with pytest.raises(CairnError, match=r"features: have the shape \(3, 3\), not \(30, "):
        train(wanted, TinyImages(), 0, 0, features=torch.zeros(3, 3))
    with pytest.raises(CairnError, match=r"set network\.frozen to all, or give none"):
        train(recipe(), TinyImages(), 0, 0, features=torch.zeros(30, 3))
    with pytest.raises(CairnError, match=r"network\.frozen: the backbone has 2 blocks to freeze, not 9"):
        RetrievalModel(Network(**network(folder, frozen=9)))


def test_a_head_is_fine_tuned_with_its_backbone_afterwards(folder, tmp_path):
    wanted = recipe(network=network(folder, frozen="all"), n_epochs=1)
    model = train(wanted, TinyImages(), 0, 0).model
    save_model(tmp_path, model, ModelDescription("head", wanted.network, ("fine", "coarse"), "f" * 64, 0))
    assert load_model(tmp_path)[0].network.frozen == "all"
    further = recipe(network=network(tmp_path), n_epochs=1)
    begun = RetrievalModel(further.network)
    assert all(
        torch.equal(value, model.head.state_dict()[name]) for name, value in begun.head.state_dict().items()
    )
    moved = changed(begun.state_dict(), train(further, TinyImages(), 0, 0).model)
    assert any(name.startswith("backbone.") and name.endswith("weight") for name in moved)
    other = RetrievalModel(Network(**network(tmp_path, embedding_dim=4)))  # of another shape: a new head
    assert other.head[1].weight.shape[0] == 4


def test_epochs_of_a_resting_backbone_compute_nothing_backwards(folder):
    resting = optimizer(0.01, 0.1, n_frozen_epochs=1)
    training = Training(recipe(network=network(folder), optimizer=resting, n_epochs=2), TinyImages(), 0, 0)
    graphs = []
    training.model.backbone.register_forward_hook(lambda _, __, out: graphs.append(out.requires_grad))
    training.run(None, 60)
    assert set(graphs[: len(graphs) // 2]) == {False}
    assert set(graphs[len(graphs) // 2 :]) == {True}


def test_off_the_shelf_is_the_pooled_backbone_without_a_head(folder):
    shape = Network(**network(folder))
    pixels = TinyImages().images[:5]
    vectors = off_the_shelf_encoder(shape)(pixels)
    features = frozen_encoder(shape)(pixels)
    assert vectors.shape == features.shape
    assert torch.allclose(vectors.norm(dim=1), torch.ones(5), atol=1e-5)
    assert torch.allclose(vectors, features / features.norm(dim=1, keepdim=True), atol=1e-6)
