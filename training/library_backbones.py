"""Backbones that timm and open_clip build."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from cairnhub.core.errors import BadInput, BrokenData, NotFound
from cairnhub.core.logs import only_errors
from cairnhub.training.architectures import TIMM
from cairnhub.training.library_networks import LibraryNetwork, named_network, open_library
from cairnhub.training.own_backbone import OwnBackbone
from cairnhub.training.recipes.settings import Network
from cairnhub.training.tensor_files import refuse_other_types

_TEXT = {"text_cfg": {"context_length": 8, "vocab_size": 8, "width": 64, "heads": 1, "layers": 1}}
"""The smallest text tower: it is built with the other one, and thrown away."""
T = TypeVar("T")
_VISUAL = "visual."
_FILES = ("model.safetensors", "open_clip_model.safetensors")


class LibraryBackbone(OwnBackbone):
    """A network of timm before its own pooling, or the image tower of a network of open_clip, which gives vectors.

    Args:
        model: the network.
        network: of the recipe.
        described: what it is.
    """

    def __init__(self, model: nn.Module, network: Network, described: LibraryNetwork) -> None:
        self.described, self.image_side_px = described, network.image_side_px
        super().__init__(model, network, described.colours)

    def save_config(self, folder: Path) -> None:
        """Write `config.json`, which builds it again."""
        described = replace(self.described, side_px=self.image_side_px, resized_px=self.image_side_px)
        text = json.dumps(described.config, indent=1, sort_keys=True) + "\n"
        (folder / "config.json").write_text(text, encoding="utf-8", newline="\n")

    @property
    def blocks(self) -> list[nn.Module]:
        """Its stages or layers, as timm tells them; none of open_clip."""
        said = getattr(self.model, "feature_info", None) or []
        stages = [self.model.get_submodule(str(each["module"])) for each in said]
        return [stage for stage in stages if next(stage.parameters(), None) is not None]

    def features(self, images: Tensor) -> Tensor:
        """Maps or tokens of timm, vectors of open_clip."""
        if self.described.library != TIMM:
            vectors: Tensor = self.model(images)
            return vectors
        maps: Tensor = self.model.forward_features(images)  # type: ignore[operator]
        return maps.permute(0, 3, 1, 2) if getattr(self.model, "output_fmt", "") == "NHWC" else maps

    def _n_tokens_before(self, features: Tensor, side_px: int) -> int:
        n_before = getattr(self.model, "num_prefix_tokens", None)
        return n_before if isinstance(n_before, int) else super()._n_tokens_before(features, side_px)


def build_library(described: LibraryNetwork, network: Network) -> LibraryBackbone:
    """A network without weights, for images of the recipe's side.

    Raises:
        CairnError: the library is missing, or the network takes images of another side only.
    """
    model = _make(described)
    _resize(model, described, network.image_side_px)
    return LibraryBackbone(model, network, described)


def load_library(
    folder: Path, wanted: LibraryNetwork, found: LibraryNetwork, network: Network
) -> LibraryBackbone:
    """A network with the weights of a folder; only safetensors are read.

    Raises:
        CairnError: there are none, some are missing, or they are those of another network.
    """
    described = replace(found, architecture=wanted.architecture, colours=found.colours or wanted.colours)
    with torch.device("meta"):
        tensors = _make(described).state_dict()
    shapes = {name: list(value.shape) for name, value in tensors.items()}
    path = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    if path is None:
        raise NotFound(
            f"network.weights: {folder}: holds no model.safetensors; weights in other forms are not read"
        )
    try:
        refuse_other_types(path, tensors)
        with safe_open(path, framework="pt") as file:
            stored = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
        weights = load_file(path) if _fits(shapes, _visual(stored), described, folder) else {}
    except (SafetensorError, OSError) as error:
        raise BrokenData(
            f"network.weights: {path}: holds no weights: {error}; get the whole folder again"
        ) from error
    model = _make(described)
    model.load_state_dict({name: value for name, value in _visual(weights).items() if name in shapes})
    _resize(model, described, network.image_side_px)
    return LibraryBackbone(model.float(), network, described)


def _make(described: LibraryNetwork) -> nn.Module:
    """As its library makes it, for images of the described side."""
    library = open_library(described.library)
    if described.library == TIMM:
        made: nn.Module = library.create_model(described.architecture, pretrained=False, num_classes=0)
        _resize(made, named_network(TIMM, described.architecture), described.side_px)
        return made
    # It warns that there are no weights: none were asked for. It moves what it made, which nothing on `meta` can.
    with only_errors(), torch.device("cpu"):
        both = library.create_model(
            described.architecture, load_weights=False, pretrained_text=False, **_TEXT
        )
    visual: nn.Module = both.visual
    return visual


def _resize(model: nn.Module, described: LibraryNetwork, side_px: int) -> None:
    """Let a network that was made for images of one side take those of another, where it can."""
    if side_px == described.side_px:
        return
    name = f"{described.library}/{described.architecture}"
    if described.library != TIMM:
        raise BadInput(f"network.image_side_px: {name} takes images of {described.side_px} px, not {side_px}")
    if hasattr(model, "set_input_size"):
        try:
            model.set_input_size(img_size=side_px)  # type: ignore[operator]
        except Exception as error:  # a network fails in its own way
            raise BadInput(
                f"network.image_side_px: {name} cannot take images of {side_px} px: {error}; it was made for "
                f"{described.side_px}"
            ) from error


def _visual(named: Mapping[str, T]) -> dict[str, T]:
    """Of both towers, the one of images; of one alone, all."""
    ours = {name.removeprefix(_VISUAL): value for name, value in named.items() if name.startswith(_VISUAL)}
    return ours or dict(named)


def _fits(
    shapes: Mapping[str, list[int]], stored: Mapping[str, list[int]], described: LibraryNetwork, folder: Path
) -> bool:
    """Compare a network with the headers of its weights.

    Raises:
        CairnError: they do not fit.
    """
    name = f"{described.library}/{described.architecture}"
    other = [key for key in shapes if key in stored and list(stored[key]) != shapes[key]]
    classifier = _classifier(described)
    left = [key for key in stored if key not in shapes and not key.startswith(classifier)]
    if other or left:
        first = (other or left)[0]
        what = f"has the shape {list(stored[first])} there" if other else "is there and not in the network"
        raise BadInput(
            f"network.weights: {folder}: are not those of {name}: {first} {what}; name its own weights"
        )
    missing = sorted(set(shapes) - set(stored))
    if missing:
        raise BrokenData(
            f"network.weights: {folder}: {len(missing)} tensors of {name} are missing, {missing[0]} the first; get the "
            "whole folder again"
        )
    return True


def _classifier(described: LibraryNetwork) -> tuple[str, ...]:
    """What the names of a classifier's tensors begin with."""
    if described.library != TIMM:
        return ()
    said = open_library(TIMM).get_pretrained_cfg(described.architecture).classifier or ()
    return tuple(f"{name}." for name in ([said] if isinstance(said, str) else said))
