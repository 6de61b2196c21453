"""Networks that turn an image into a point on the unit sphere, and the folder that holds a trained one."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from cairnhub.core.errors import BadInput, BrokenData, NoSpace, NotFound
from cairnhub.core.files import read_steadily
from cairnhub.core.parse import FORBID, read_json
from cairnhub.training.backbones import PublishedBackbone, make_backbone
from cairnhub.training.recipes.settings import Network
from cairnhub.training.tensor_files import save_tensors

WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
BACKBONE = "backbone"
CONFIG = f"{BACKBONE}/config.json"
BACKBONE_WEIGHTS = f"{BACKBONE}/model.safetensors"


class RetrievalModel(nn.Module):
    """Backbone, pooling, a norm, linear head, unit length.

    Args:
        network: its shape, and the weights to begin with.
        config: of the backbone, where a model folder keeps one: nothing pretrained is loaded then.

    Raises:
        CairnError: pretrained weights are missing, or there is no head and the backbone gives another dimension.
    """

    def __init__(self, network: Network, config: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.network = network
        self.backbone = make_backbone(network, config)
        n_channels = self.backbone.n_channels
        self.pool = POOLINGS[network.pooling]()
        if not network.has_head and network.embedding_dim != n_channels:
            raise BadInput(
                f"network.embedding_dim: without a head {network.backbone} gives {n_channels} dimensions, not "
                f"{network.embedding_dim}"
            )
        linear = [nn.Linear(n_channels, network.embedding_dim)] if network.has_head else []
        self.head = nn.Sequential(_norm(network.norm, n_channels), *linear)
        if network.frozen_batch_norm is True:
            for module in self._batch_norms():
                module.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Embed normalised images (B, 3, side, side) as unit vectors (B, embedding_dim)."""
        embeddings: Tensor = self.head(self.pool(self.backbone(images)))
        return functional.normalize(embeddings, dim=1)

    def train(self, mode: bool = True) -> Self:
        """Switch training mode; frozen batch norm stays in evaluation mode."""
        super().train(mode)
        if self.network.frozen_batch_norm:
            for module in self._batch_norms():
                module.eval()
        return self

    def _batch_norms(self) -> Iterator[nn.Module]:
        return (module for module in self.modules() if isinstance(module, nn.BatchNorm2d))


def _norm(name: str, n_channels: int) -> nn.Module:
    if name == "unit":
        return UnitLength()
    return nn.Identity() if name == "none" else nn.LayerNorm(n_channels, elementwise_affine=name == "layer")


class UnitLength(nn.Module):
    """Vectors of length 1."""

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, C) -> (B, C)."""
        return functional.normalize(vectors, dim=1)


class GeM(nn.Module):
    """Generalised-mean pooling over space (Radenović et al., TPAMI 2019), with an exponent of 3, learnt or not."""

    def __init__(self, is_learnt: bool = True) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor(3.0), requires_grad=is_learnt)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        return maps.clamp(min=1e-6).pow(self.power).mean(dim=(2, 3)).pow(1 / self.power)


class Average(nn.Module):
    """Mean over space."""

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        return maps.mean(dim=(2, 3))


class Maximum(nn.Module):
    """Maximum over space."""

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        return maps.amax(dim=(2, 3))


POOLINGS: dict[str, Callable[[], nn.Module]] = {
    "average": Average,
    "max": Maximum,
    "gem": GeM,
    "gem_fixed": partial(GeM, is_learnt=False),
    "cls": Average,
}


@dataclass(frozen=True)
class ModelDescription:
    """What a model folder says beside its weights.

    Attributes:
        recipe: name of the recipe that trained it.
        network: the network's shape.
        levels: level names of its labels, fine -> coarse.
        tree_fingerprint: of the label tree it was trained with.
        seed: of the run.
        portable: whether it was trained with the same bits on every x86-64 machine, and is to be evaluated so.
    """

    __pydantic_config__ = FORBID

    recipe: str
    network: Network
    levels: tuple[str, ...]
    tree_fingerprint: str
    seed: int
    portable: bool = False


def read_description(folder: Path) -> ModelDescription:
    """What a model folder says of itself; its weights are not read."""
    return read_json(folder / DESCRIPTION, ModelDescription)


def untrained_model(network: Network, seed: int) -> RetrievalModel:
    """The network as training finds it, for the same seed.

    Raises:
        CairnError: pretrained weights are missing, or `head_weights` names no file that fits.
    """
    torch.manual_seed(seed)
    model = RetrievalModel(network)
    if network.head_weights:
        _load_head(model, Path(network.head_weights))
    return model.eval()


def _load_head(model: RetrievalModel, path: Path) -> None:
    try:
        model.head[-1].load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise NotFound(
            f"network.head_weights: {path} holds no head that fits: {error}\nName a safetensors file with `weight` "
            "and `bias` of the linear head, or leave the key out"
        ) from error


def save_model(folder: Path, model: RetrievalModel, description: ModelDescription) -> None:
    """Write a model into an existing folder: `model.json` and weights as safetensors.

    A published backbone goes to `backbone/`, where `AutoModel.from_pretrained` and the key `network.weights` of another
    recipe find it.

    Raises:
        CairnError: it cannot be written.
    """
    record = {**asdict(description), "network": description.network.model_dump()}
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    weights = model.state_dict()
    try:
        if isinstance(model.backbone, PublishedBackbone):
            weights = {name: value for name, value in weights.items() if not name.startswith("backbone.")}
            model.backbone.config.save_pretrained(folder / BACKBONE)
            save_tensors(folder / BACKBONE_WEIGHTS, model.backbone.model.state_dict(), {"format": "pt"})
        save_tensors(folder / WEIGHTS, weights)
        (folder / DESCRIPTION).write_text(text, encoding="utf-8", newline="\n")
    except (OSError, SafetensorError) as error:
        raise NoSpace(
            f"{folder}: the model cannot be written: {error}. Free some space and run this again: training goes on "
            "from its last checkpoint"
        ) from error


def load_model(folder: Path) -> tuple[RetrievalModel, ModelDescription]:
    """Read a model folder; the model is in evaluation mode.

    Raises:
        CairnError: a file is missing, or the weights do not fit the description.
    """
    return read_steadily(folder, lambda: _load_model(folder))


def _load_model(folder: Path) -> tuple[RetrievalModel, ModelDescription]:
    description = read_description(folder)
    network = description.network
    config = None if network.backbone == "small_cnn" else read_json(folder / CONFIG, dict[str, Any])
    try:
        _check_shapes(folder, network, config)
        model = RetrievalModel(network, config)
        weights = {
            f"{prefix}{name}": value
            for file, prefix in _weight_files(config is not None)
            for name, value in load_file(folder / file).items()
        }
        model.load_state_dict(weights)
    except FileNotFoundError as error:
        raise NotFound(
            f"{folder}: no trained model ({error.filename} is missing): run the train stage"
        ) from error
    except (
        SafetensorError,
        OSError,
        RuntimeError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise BrokenData(
            f"{folder}: weights and {DESCRIPTION} do not fit together: {error}; get the whole folder again, or run "
            "the train stage"
        ) from error
    return model.eval(), description


def model_files(folder: Path) -> list[Path]:
    """The files that make a model what it is."""
    return sorted([folder / DESCRIPTION, *folder.rglob("*.safetensors")])


def _weight_files(is_published: bool) -> Iterator[tuple[str, str]]:
    """Each file with weights, and what comes before the names in it."""
    yield WEIGHTS, ""
    if is_published:
        yield BACKBONE_WEIGHTS, "backbone.model."


def _check_shapes(folder: Path, network: Network, config: Mapping[str, Any] | None) -> None:
    """Compare a description with the weights' headers before anything is built: a lie would fill the memory."""
    shapes: dict[str, list[int]] = {}
    for path, prefix in _weight_files(config is not None):
        with safe_open(folder / path, framework="pt") as file:
            names = file.keys()
            shapes |= {f"{prefix}{name}": file.get_slice(name).get_shape() for name in names}
    n_layers = max((config or {}).get("num_hidden_layers", 0), sum((config or {}).get("depths", [])))
    if n_layers > len(shapes):
        raise ValueError(f"{n_layers:,} layers, but {len(shapes):,} tensors")
    with torch.device("meta"):
        described = RetrievalModel(network, config).state_dict()
    for name, tensor in described.items():
        if shapes.get(name) != list(tensor.shape):
            raise ValueError(f"{name} has shape {shapes.get(name)}, not {list(tensor.shape)}")
