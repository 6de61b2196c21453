"""What stands between a backbone and the embedding: pooling, norm, head; batch norm that rests in part."""

import pytest
import torch
from safetensors.torch import save_file

from cairnhub.core.errors import CairnError
from cairnhub.training.models import (
    GeM,
    ModelDescription,
    RetrievalModel,
    load_model,
    save_model,
    untrained_model,
)
from cairnhub.training.recipes.settings import Network

SHAPE = {"backbone": "small_cnn", "width": 4, "embedding_dim": 8, "image_side_px": 16}
IMAGES = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def model(**settings) -> RetrievalModel:
    return untrained_model(Network.model_validate(SHAPE | settings), 0)


@pytest.mark.parametrize(
    ("norm", "n_parameters"), [("layer", 2), ("layer_fixed", 0), ("unit", 0), ("none", 0)]
)
def test_norms_before_the_head(norm, n_parameters):
    made = model(norm=norm)
    assert len(list(made.head[0].parameters())) == n_parameters
    pooled = torch.randn(5, 32)
    normed = made.head[0](pooled)
    centred = (pooled - pooled.mean(1, keepdim=True)) / pooled.std(1, correction=0, keepdim=True)
    expected = {"none": pooled, "unit": pooled / pooled.norm(dim=1, keepdim=True)}.get(norm, centred)
    torch.testing.assert_close(normed, expected, atol=1e-4, rtol=1e-4)


def test_gem_is_the_generalised_mean_and_learns_its_exponent_or_keeps_it():
    maps = torch.rand(2, 3, 4, 4)
    expected = maps.pow(3).mean((2, 3)).pow(1 / 3)
    for name, is_learnt in (("gem", True), ("gem_fixed", False)):
        made = model(pooling=name)
        torch.testing.assert_close(made.pool(maps), expected)
        made(IMAGES).sum().backward()
        assert isinstance(made.pool, GeM)
        assert (made.pool.power.grad is not None) == is_learnt


def test_without_a_head_the_embedding_is_what_was_pooled(tmp_path):
    network = Network.model_validate(SHAPE | {"embedding_dim": 32, "has_head": False, "norm": "none"})
    made = untrained_model(network, 0)
    pooled = made.pool(made.backbone(IMAGES))
    torch.testing.assert_close(made(IMAGES), pooled / pooled.norm(dim=1, keepdim=True))
    save_model(tmp_path, made, ModelDescription("r", network, ("fine",), "f" * 64, 0))
    assert torch.equal(load_model(tmp_path)[0](IMAGES), made(IMAGES))
    with pytest.raises(
        CairnError, match=r"network\.embedding_dim: without a head small_cnn gives 32 dimensions, not 8"
    ):
        model(has_head=False)


def test_a_head_begins_with_the_weights_of_a_file(tmp_path):
    head = {"weight": torch.randn(8, 32), "bias": torch.randn(8)}
    save_file(head, tmp_path / "whitening.safetensors")
    made = model(head_weights=str(tmp_path / "whitening.safetensors"))
    assert torch.equal(made.head[1].weight, head["weight"])
    assert torch.equal(made.head[1].bias, head["bias"])
    plain = model()
    assert torch.equal(made.backbone[0][0].weight, plain.backbone[0][0].weight)
    save_file({"weight": torch.randn(8, 16)}, tmp_path / "other.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"\x80\x04never unpickled")
    for name in ("missing", "other", "broken"):
        with pytest.raises(
            CairnError, match=rf"network\.head_weights: .*{name}\.safetensors holds no head that fits"
        ):
            model(head_weights=str(tmp_path / f"{name}.safetensors"))


def test_a_loaded_model_needs_no_file_for_its_head(tmp_path):
    save_file({"weight": torch.randn(8, 32), "bias": torch.randn(8)}, tmp_path / "whitening.safetensors")
    made = model(head_weights=str(tmp_path / "whitening.safetensors"))
    save_model(tmp_path, made, ModelDescription("r", made.network, ("fine",), "f" * 64, 0))
    (tmp_path / "whitening.safetensors").unlink()
    assert torch.equal(load_model(tmp_path)[0](IMAGES), made(IMAGES))


RESTS = [(False, True, True), ("statistics", True, False), (True, False, False)]


@pytest.mark.parametrize(("frozen", "learns", "counts"), RESTS)
def test_batch_norm_rests_as_a_whole_or_keeps_its_statistics_alone(frozen, learns, counts):
    made = model(frozen_batch_norm=frozen).train()
    norm = made.backbone[0][1]
    before = norm.running_mean.clone()
    made(IMAGES).sum().backward()
    assert (norm.weight.grad is not None) == learns
    assert (not torch.equal(norm.running_mean, before)) == counts
