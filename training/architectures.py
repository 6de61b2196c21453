"""The backbones that a recipe may name: one line each, for what `transformers` can build. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from cairnhub.core.text import did_you_mean

SMALL_CNN = "small_cnn"
"""Our own, for drawings and tests."""


@dataclass(frozen=True)
class Architecture:
    """A published network: where its weights are, and its shape.

    Attributes:
        checkpoint: on the Hugging Face hub.
        model_type: its family in `transformers`.
        shape: keys of the family's configuration.
    """

    checkpoint: str
    model_type: str
    shape: Mapping[str, object]


def _resnet(checkpoint: str, layer_type: str, depths: tuple[int, ...]) -> Architecture:
    widths = [64, 128, 256, 512] if layer_type == "basic" else [256, 512, 1024, 2048]
    shape = {"layer_type": layer_type, "depths": list(depths), "hidden_sizes": widths}
    return Architecture(checkpoint, "resnet", shape)


def _transformer(checkpoint: str, model_type: str, width: int) -> Architecture:
    shape = {"hidden_size": width, "num_attention_heads": width // 64, "num_hidden_layers": 12}
    settings_of_type = (
        {"mlp_ratio": 4, "patch_size": 14} if model_type == "dinov2" else {"intermediate_size": 4 * width}
    )
    return Architecture(checkpoint, model_type, {**shape, **settings_of_type})


ARCHITECTURES: Mapping[str, Architecture] = {
    "resnet18": _resnet("microsoft/resnet-18", "basic", (2, 2, 2, 2)),
    "resnet34": _resnet("microsoft/resnet-34", "basic", (3, 4, 6, 3)),
    "resnet50": _resnet("microsoft/resnet-50", "bottleneck", (3, 4, 6, 3)),
    "resnet101": _resnet("microsoft/resnet-101", "bottleneck", (3, 4, 23, 3)),
    "deit_small": _transformer("facebook/deit-small-patch16-224", "vit", 384),
    "deit_base": _transformer("facebook/deit-base-patch16-224", "vit", 768),
    "vit_base": _transformer("google/vit-base-patch16-224-in21k", "vit", 768),
    "dinov2_small": _transformer("facebook/dinov2-small", "dinov2", 384),
    "dinov2_base": _transformer("facebook/dinov2-base", "dinov2", 768),
}


def known_backbone(name: str) -> str:
    """The name itself, if a recipe may use it.

    Raises:
        ValueError: no such backbone.
    """
    known = [SMALL_CNN, *ARCHITECTURES]
    if name not in known:
        raise ValueError(f"no backbone {name!r}{did_you_mean(name, known)}; there are: {', '.join(known)}")
    return name


def has_batch_norm(name: str) -> bool:
    """Whether a backbone's result for an image depends on the others of its batch while it trains."""
    return name == SMALL_CNN or ARCHITECTURES[name].model_type == "resnet"
