"""Backbones: a small network of our own, and those of `transformers`; each gives maps (B, C, H, W)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from torch import Tensor, nn

from cairnhub.core.errors import BadInput, BrokenData, NotFound
from cairnhub.training.architectures import ARCHITECTURES, SMALL_CNN
from cairnhub.training.recipes.settings import Network

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

PRETRAINED = "pretrained"


class SmallCNN(nn.Sequential):
    """Four stages of two 3x3 convolutions, each halving the image and doubling the channels."""

    def __init__(self, width: int) -> None:
        widths = [width * 2**stage for stage in range(4)]
        super().__init__(*(_stage(*ends) for ends in zip([3, *widths], widths, strict=False)))
        self.n_channels = widths[-1]


def _stage(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1, stride=2, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
        nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
    )


class PublishedBackbone(nn.Module):
    """A network of `transformers`: feature maps, or the tokens of a vision transformer as one column.

    Attributes:
        n_channels: C.
        config: the configuration that builds it again.
    """

    model: nn.Module

    def __init__(self, model: nn.Module, config: "PreTrainedConfig", network: Network) -> None:
        super().__init__()
        self.model, self.config = model, config
        is_cnn = config.model_type == "resnet"
        self.n_channels = config.hidden_sizes[-1] if is_cnn else config.hidden_size
        self.takes_class_token = network.pooling == "cls"
        resized = config.model_type == "vit" and config.image_size != network.image_side_px
        self.options = {"interpolate_pos_encoding": True} if resized else {}
        if is_cnn and self.takes_class_token:
            raise BadInput(f"network.pooling: {network.backbone} has no class token; use average, max or gem")

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, side, side) -> (B, C, H, W); of a vision transformer (B, C, tokens, 1)."""
        features: Tensor = self.model(pixel_values=images, **self.options).last_hidden_state
        if features.ndim == 4:
            return features
        tokens = features[:, :1] if self.takes_class_token else features[:, 1:]
        return tokens.transpose(1, 2).unsqueeze(3)


Backbone = SmallCNN | PublishedBackbone


def make_backbone(network: Network, config: Mapping[str, Any] | None = None) -> Backbone:
    """The backbone of a network, with its pretrained weights if it names some.

    Args:
        network: from a recipe.
        config: build this configuration instead, without weights, as a model folder keeps it.

    Raises:
        CairnError: the weights are not there, or are no safetensors.
    """
    if network.backbone == SMALL_CNN:
        if network.weights or network.pooling == "cls":
            raise BadInput("network: small_cnn has neither pretrained weights nor a class token")
        return SmallCNN(network.width)
    from transformers import AutoConfig, AutoModel  # takes seconds: only where it is needed

    architecture = ARCHITECTURES[network.backbone]
    if config is None and network.weights:
        where = architecture.checkpoint if network.weights == PRETRAINED else network.weights
        return _load(where, network)
    family = config.get("model_type") if config else architecture.model_type
    if family != architecture.model_type:
        raise BrokenData(f"{network.backbone} is of the family {architecture.model_type!r}, not {family!r}; get the "
                         "whole model folder again")  # fmt: skip
    shape = dict(config or {**architecture.shape, "image_size": network.image_side_px})
    shape.pop("model_type", None)
    built = AutoConfig.for_model(family, **shape)
    model = AutoModel.from_config(built, **_without_pooler(family))  # type: ignore[no-untyped-call]
    return PublishedBackbone(model, built, network)


def _load(where: str, network: Network) -> PublishedBackbone:
    """Weights of a folder or of the hub; only safetensors are read."""
    from transformers import AutoConfig, AutoModel

    try:
        config = AutoConfig.from_pretrained(where, trust_remote_code=False)
        options = _without_pooler(config.model_type)
        model = AutoModel.from_pretrained(where, config=config, use_safetensors=True, **options)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, SafetensorError) as error:
        raise NotFound(
            f"network.weights: nothing to load at {where!r}: {str(error).splitlines()[0]}\nName a folder with "
            "config.json and model.safetensors, download it where there is a network, or leave weights empty"
        ) from error
    return PublishedBackbone(model.float(), config, network)


def _without_pooler(family: str) -> dict[str, bool]:
    return {"add_pooling_layer": False} if family == "vit" else {}
