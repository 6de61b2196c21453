"""Backbones: a small network of our own, those of `transformers`, and a caller's; each gives maps (B, C, H, W)."""

import logging
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from cairnhub.core.errors import BadInput, BrokenData, NotFound, printable
from cairnhub.core.logs import only_errors
from cairnhub.training.architectures import OWN, SMALL_CNN
from cairnhub.training.backbone_folder import (
    MAX_LAYERS,
    Described,
    backbone_folder,
    check_size,
    read_described,
    refuse_mismatch,
    wanted_network,
)
from cairnhub.training.image_processor import Colours
from cairnhub.training.library_backbones import build_library, load_library
from cairnhub.training.library_networks import LibraryNetwork
from cairnhub.training.own_backbone import OwnBackbone
from cairnhub.training.pretrained import PACKAGED, open_gates
from cairnhub.training.recipes.settings import Network
from cairnhub.training.tensor_files import refuse_not_finite, refuse_other_types

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

log = logging.getLogger(__name__)
_NAME_CHARS = 100  # shown of a tensor's name


class SmallCNN(nn.Sequential):
    """Four stages of two 3x3 convolutions, each halving the image and doubling the channels."""

    colours: Colours | None = None

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


class PublishedBackbone(OwnBackbone):
    """A network of `transformers`."""

    @property
    def config(self) -> "PreTrainedConfig":
        """The configuration that builds it again."""
        return self.model.config  # type: ignore[return-value]

    def save_config(self, folder: Path) -> None:
        """Write `config.json`, which builds it again."""
        self.config.save_pretrained(folder)

    def features(self, images: Tensor) -> Tensor:
        """Maps, or the tokens of a transformer."""
        is_resized = getattr(self.config, "image_size", None) != images.shape[-1]
        can_be = "interpolate_pos_encoding" in signature(self.model.forward).parameters
        options = {"interpolate_pos_encoding": True} if is_resized and can_be else {}
        features: Tensor = self.model(pixel_values=images, **options).last_hidden_state
        return features


Backbone = SmallCNN | OwnBackbone


def make_backbone(
    network: Network, kept: Described | LibraryNetwork | None = None, own: nn.Module | None = None
) -> Backbone:
    """The backbone of a network, with its pretrained weights if it names some.

    Args:
        network: from a recipe.
        kept: build this instead, without weights, as a model folder describes it.
        own: the module, where the network's backbone is `own`.

    Raises:
        CairnError: the weights are not there, are no safetensors, or are those of another network.
    """
    if (own is None) == (network.backbone == OWN):
        raise BadInput(f"network.backbone: {network.backbone!r}: a module of your own is given as backbone=, and only "
                       f"where the recipe says backbone: {OWN}")  # fmt: skip
    if own is not None:
        return OwnBackbone(own, network)
    if network.backbone == SMALL_CNN:
        if network.weights or network.pooling == "cls":
            raise BadInput("network: small_cnn has neither pretrained weights nor a class token")
        return SmallCNN(network.width)
    if kept is not None:
        return _build(kept, network)
    wanted = wanted_network(network)
    with backbone_folder(network) as folder:
        if folder is None:
            assert wanted is not None
            return _build(wanted, network)
        found = read_described(folder)
        if isinstance(wanted, LibraryNetwork):
            wanted.refuse_other(found, network.backbone, network.weights)
            assert isinstance(found, LibraryNetwork)
            return load_library(folder, wanted, found, network)
        if isinstance(found, LibraryNetwork):
            raise BadInput(
                f"network: backbone {network.backbone!r} and weights {network.weights!r} are two networks: in the "
                f"weights is one of {found.library}; to train that one, write backbone: {network.weights}"
            )
        if wanted is not None:
            refuse_mismatch(network, wanted, found)
        return _load(folder, found, network)


def _build(described: Described | LibraryNetwork, network: Network) -> OwnBackbone:
    """A network without weights."""
    if isinstance(described, LibraryNetwork):
        return build_library(described, network)
    check_size(described, MAX_LAYERS)
    model = _without_weights(described)
    if network.backbone in PACKAGED:
        open_gates(model)
    return PublishedBackbone(model, network, described.colours)


def _load(folder: Path, described: Described, network: Network) -> PublishedBackbone:
    """A network with the weights of a folder; only safetensors are read."""
    if (folder / "adapter_config.json").exists():
        raise BadInput(f"{folder}: holds an adapter, not a network: merge it into its network first")
    from transformers import AutoModel

    config = described.build_config()
    try:
        _check_weights(folder, described)
        with only_errors("transformers"):
            model, said = AutoModel.from_pretrained(
                folder, config=config, use_safetensors=True, local_files_only=True, output_loading_info=True,
                ignore_mismatched_sizes=True, **_without_pooler(config),
            )  # fmt: skip
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        RuntimeError,
        ArithmeticError,
        SafetensorError,
    ) as error:
        if isinstance(error, NotFound | BrokenData):
            raise
        raise NotFound(
            f"network.weights: nothing to load at {str(folder)!r}: {str(error).splitlines()[0]}\nName a folder with "
            "config.json and model.safetensors, download it where there is a network, or leave weights empty"
        ) from error
    _check_loaded(folder, said)
    refuse_not_finite(model.state_dict(), f"network.weights: {folder}")
    if network.backbone in PACKAGED:
        open_gates(model)
    return PublishedBackbone(model.float(), network, described.colours)


def _check_loaded(folder: Path, said: Mapping[str, Any]) -> None:
    """Refuse weights that are not all of the network's; others that lie beside them are named, and left."""
    missing = sorted(name for name in said["missing_keys"] if "pooler" not in name)
    if missing:
        raise BrokenData(
            f"network.weights: {folder}: {len(missing)} tensors are missing, {missing[0]} the first; get the whole "
            "folder again"
        )
    if altered := sorted(said["mismatched_keys"]):
        name, there, wanted = altered[0]
        raise BrokenData(
            f"network.weights: {folder}: {name} has the shape {list(there)} there, and {list(wanted)} in config.json; "
            "get the whole folder again"
        )
    if others := sorted(said["unexpected_keys"]):
        few = ", ".join(repr(printable(name[:_NAME_CHARS])) for name in others[:3])
        log.info("%s: %d tensors are of no use to the network: %s", folder, len(others), few)


def _check_weights(folder: Path, described: Described) -> None:
    """Compare a configuration with the size of its weights before it is built: a lie would fill the memory."""
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise NotFound(
            f"network.weights: {folder}: holds no model.safetensors; weights in other forms are not read"
        )
    n_tensors, n_bytes = 0, sum(path.stat().st_size for path in files)
    for path in files:
        with safe_open(path, framework="pt") as file:
            n_tensors += len(list(file.keys()))
    check_size(described, n_tensors)
    with torch.device("meta"):
        model = _without_weights(described)
    for path in files:
        refuse_other_types(path, model.state_dict())
    n_numbers = sum(parameter.numel() for parameter in model.parameters())
    if n_numbers > n_bytes:  # a number has a byte at least
        raise BrokenData(
            f"network.weights: {folder}: config.json describes {n_numbers:,} numbers, but the weights have {n_bytes:,} "
            "bytes; get the whole folder again"
        )


def _without_weights(described: Described) -> nn.Module:
    from transformers import AutoModel

    config = described.build_config()
    try:
        model: nn.Module = AutoModel.from_config(config, **_without_pooler(config))  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever the library meets with: no heads, a list for a number
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise BrokenData(
            f"config.json: fits no network of the family {described.family!r}: {said}; get the whole folder again"
        ) from error
    return model


def _without_pooler(config: "PreTrainedConfig") -> dict[str, bool]:
    """Where the family has one."""
    from transformers import MODEL_MAPPING

    found: Any = MODEL_MAPPING[type(config)]
    has_pooler = "add_pooling_layer" in signature(found[0] if isinstance(found, tuple) else found).parameters
    return {"add_pooling_layer": False} if has_pooler else {}
