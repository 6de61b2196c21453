"""The backbones that a recipe may name: some by a short name, any other by its folder or hub id. Needs no torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.text import did_you_mean

SMALL_CNN = "small_cnn"
"""Our own, for drawings and tests."""
OWN = "own"
"""A module of the caller's, given to `train`."""
TIMM, OPEN_CLIP = "timm", "open_clip"
"""Libraries whose networks are named `<library>/<name>`."""
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Architecture:
    """A published network: where its weights are, and its shape.

    Attributes:
        checkpoint: on the Hugging Face hub; empty where a package carries the weights (`training/pretrained.py`).
        model_type: its family in `transformers`.
        shape: keys of the family's configuration.
    """

    checkpoint: str
    model_type: str
    shape: Mapping[str, object]

    def config(self, image_side_px: int) -> dict[str, object]:
        """Keys of the family's configuration, for square images of a side."""
        config = {**self.shape, "image_size": image_side_px}
        if self.model_type == "efficientnet":
            config["depthwise_padding"] = _padded_on_all_sides(self.shape, image_side_px)
        return config


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


def _efficientnet_lite(widths: tuple[int, ...], repeats: tuple[int, ...]) -> Architecture:
    """EfficientNet without squeeze-excitation, with ReLU6, and stem and head of one width (Google, 2020)."""
    shape = {
        "hidden_act": "relu6",
        "squeeze_expansion_ratio": 0.0,  # one channel, whose weights in `training/pretrained.py` let all pass
        "width_coefficient": 1.0,  # widths and repeats are written out: the family would scale stem and head too
        "depth_coefficient": 1.0,
        "in_channels": [32, *widths[:-1]],
        "out_channels": list(widths),
        "num_block_repeats": list(repeats),
        "strides": [1, 2, 2, 2, 1, 2, 1],
        "kernel_sizes": [3, 3, 5, 3, 5, 5, 3],
        "hidden_dim": 1280,
        "batch_norm_eps": 0.001,
        "batch_norm_momentum": 0.01,  # as torch counts it; the family's own default is TensorFlow's
        "drop_connect_rate": 0.0,
    }
    return Architecture("", "efficientnet", shape)


def _padded_on_all_sides(shape: Mapping[str, object], image_side_px: int) -> list[int]:
    """The blocks whose stride of two meets an odd side: there `same` padding is that of both sides."""
    padded, side, block = [], -(-image_side_px // 2), 0
    for stride, n_blocks in zip(shape["strides"], shape["num_block_repeats"], strict=True):  # type: ignore[call-overload]
        if stride == 2:
            padded += [block] if side % 2 else []
            side = -(-side // 2)
        block += n_blocks
    return padded


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
    "efficientnet-lite0": _efficientnet_lite((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1)),
    "efficientnet-lite1": _efficientnet_lite((16, 24, 40, 80, 112, 192, 320), (1, 3, 3, 4, 4, 5, 1)),
    "efficientnet-lite2": _efficientnet_lite((16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1)),
}


def known_backbone(name: str) -> str:
    """The name itself, if a recipe may use it: a short name, a folder, or what may be an id on the hub.

    Raises:
        ValueError: no such backbone.
    """
    known = [SMALL_CNN, OWN, *ARCHITECTURES]
    library, colon, rest = name.partition(":")
    if colon and library in (TIMM, OPEN_CLIP):
        raise ValueError(f"a network of {library} is named with a slash: {library}/{rest}")
    if name not in known and not is_hub_id(name) and not _is_path(name):
        raise ValueError(
            f"no backbone {name!r}{did_you_mean(name, known)}; there are: {', '.join(known)}; or name a folder with "
            "config.json, a model of the Hugging Face hub as owner/name, or timm/<name>, open_clip/<name>"
        )
    return name


def library_of(name: str) -> tuple[str, str] | None:
    """Library and name of a network that timm or open_clip builds; None of any other, and of a folder here."""
    library, _, rest = name.partition("/")
    is_one = library in (TIMM, OPEN_CLIP) and rest and not Path(name).is_dir()
    return (library, rest) if is_one else None


def is_hub_id(where: str) -> bool:
    """Whether this may be a model of the hub, and is no folder here."""
    return bool(HUB_ID.fullmatch(where)) and not Path(where).is_dir()


def _is_path(name: str) -> bool:
    return "/" in name or Path(name).is_dir()


def has_batch_norm(name: str) -> bool:
    """Whether a named backbone's result for an image depends on the others of its batch while it trains.

    What a folder, the hub or the caller gives is only known once it is built: see `training/loop.py`.
    """
    named = ARCHITECTURES.get(name)
    return name == SMALL_CNN or (named is not None and named.model_type in ("resnet", "efficientnet"))
