"""Networks that turn an image into a point on the unit sphere, and the folder that holds a trained one."""

import json
from collections.abc import Callable
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
from cairnhub.core.parse import FORBID, read_json, typed
from cairnhub.core.portable import is_portable
from cairnhub.training.architectures import OWN, SMALL_CNN
from cairnhub.training.backbone_folder import Described, check_size, read_described
from cairnhub.training.backbones import PublishedBackbone, make_backbone
from cairnhub.training.freezing import batch_norms, freeze, front_modules, to_evaluation
from cairnhub.training.image_processor import COLOURS, PROCESSOR, UNIT, Colours, write_processor
from cairnhub.training.library_backbones import LibraryBackbone
from cairnhub.training.library_networks import LibraryNetwork
from cairnhub.training.model_folder import DESCRIPTION, HEAD_WEIGHTS, WEIGHTS, Layout, layout_of, migrated
from cairnhub.training.recipes.settings import Network
from cairnhub.training.tensor_files import refuse_not_finite, refuse_other_types, save_tensors


class RetrievalModel(nn.Module):
    """Backbone, pooling, a norm, linear head, unit length.

    Args:
        network: its shape, and the weights to begin with; of a model folder the head too, where its shape is the
            same.
        kept: the backbone as a model folder describes it: nothing pretrained is loaded then.
        own: the backbone, where the network names none: of images it gives maps (B, C, H, W), tokens (B, T, C) or
            vectors (B, C).

    Attributes:
        colours: how bytes become numbers before it sees them.
        backbone_rests: its backbone learns nothing for now, and nothing is computed backwards through it.

    Raises:
        CairnError: pretrained weights are missing or are those of another network, or there is no head and the backbone
            gives another dimension.
    """

    def __init__(
        self, network: Network, kept: Described | LibraryNetwork | None = None, own: nn.Module | None = None
    ) -> None:
        super().__init__()
        if not network.image_side_px:
            raise BadInput(
                "network.image_side_px is 0: `training.sight.settled` says how much the weights see"
            )
        self.network = network
        self.backbone = make_backbone(network, kept, own)
        self.colours: Colours = COLOURS.get(network.colours) or self.backbone.colours or UNIT
        self.backbone_rests = False
        n_channels = self.backbone.n_channels
        self.pool = POOLINGS[network.pooling]()
        if not network.has_head and network.embedding_dim != n_channels:
            raise BadInput(
                f"network.embedding_dim: without a head {network.backbone} gives {n_channels} dimensions, not "
                f"{network.embedding_dim}"
            )
        linear = [nn.Linear(n_channels, network.embedding_dim)] if network.has_head else []
        self.head = nn.Sequential(_norm(network.norm, n_channels), *linear)
        if kept is None and Path(network.weights).is_dir():
            _begin_with_head(self, Path(network.weights))
        front, norms = self._frozen(), [*batch_norms(self.backbone)] if network.frozen_batch_norm else []
        self._in_evaluation = [*front, *norms]
        freeze(front if network.frozen_batch_norm == "statistics" else self._in_evaluation)

    def settle(self, where: torch.device) -> Self:
        """Go where it is to compute, laid out as that computes fastest; `laid_out_plainly` takes the layout back.

        A processor convolves faster with channels last (`benchmarks/layouts.py`). A backbone of the caller's keeps its
        layout, for it may look at its maps as they lie; so does one in a portable process, whose kernels gain nothing.
        """
        if where.type == "cpu" and not is_portable():
            self._lay_out(torch.channels_last)
        return self.to(where)

    def laid_out_plainly(self) -> Self:
        """With weights in the order of their shape, as whoever saves them expects."""
        self._lay_out(torch.contiguous_format)
        return self

    def _lay_out(self, layout: torch.memory_format) -> None:
        if self.network.backbone != OWN:
            self.backbone.to(memory_format=layout)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """Embed normalised images (B, 3, side, side) as unit vectors (B, embedding_dim)."""
        return self.project(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """What the backbone sees in normalised images, pooled: (B, 3, side, side) -> (B, C)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.backbone_rests):
            maps = self.backbone(images)
        pooled: Tensor = self.pool(maps)
        return pooled

    def project(self, features: Tensor) -> Tensor:
        """Embed what `features` gave: (B, C) -> unit vectors (B, embedding_dim)."""
        return functional.normalize(self.head(features), dim=1)

    def train(self, mode: bool = True) -> Self:
        """Switch training mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        to_evaluation(self._in_evaluation)
        return self

    def _frozen(self) -> list[nn.Module]:
        """What keeps its weights and its statistics, beside batch norm."""
        network = self.network
        if network.frozen == "all":
            return [*self.backbone.modules(), *self.pool.modules()]
        return [] if network.frozen == "none" else front_modules(self.backbone, network.frozen)


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
    """What a model folder says of itself, of whatever age; its weights are not read."""
    path = folder / DESCRIPTION
    return typed(ModelDescription, migrated(read_json(path, dict[str, Any])), str(path))


def untrained_model(network: Network, seed: int, own: nn.Module | None = None) -> RetrievalModel:
    """The network as training finds it, for the same seed; with a backbone of the caller's as it is.

    Raises:
        CairnError: pretrained weights are missing, or `head_weights` names no file that fits.
    """
    torch.manual_seed(seed)
    model = RetrievalModel(network, own=own)
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


def _begin_with_head(model: RetrievalModel, folder: Path) -> None:
    """Take the head of a model folder whose weights a network begins with, where it has the same shape."""
    path, before = folder / HEAD_WEIGHTS, model.state_dict()
    if not path.is_file():
        return
    try:
        head = load_file(path)
    except SafetensorError as error:
        raise BrokenData(f"{path}: holds no weights: {error}; get the whole folder again") from error
    if all(name in before and before[name].shape == value.shape for name, value in head.items()):
        model.load_state_dict(head, strict=False)


def refuse_live_batch_norm(n_in_chunk: int | None, model: RetrievalModel) -> None:
    """Where chunks of a batch pass a network one by one, its batch norm must not see what a chunk holds.

    Raises:
        BadInput: it would.
    """
    is_live = any(module.training for module in batch_norms(model.train()))
    model.eval()
    if n_in_chunk and is_live:
        raise BadInput(
            "batch.chunk with live batch norm would train on the statistics of chunks: set network.frozen_batch_norm"
        )


def save_model(folder: Path, model: RetrievalModel, description: ModelDescription) -> None:
    """Write a model into an existing folder: `model.json`, weights as safetensors, and its image processor.

    A published backbone is what `AutoModel.from_pretrained(folder)`, a pipeline for image features, and the key
    `network.weights` of another recipe find there; what follows it lies in `head.safetensors` beside it.

    Raises:
        CairnError: it cannot be written.
    """
    record = {**asdict(description), "network": description.network.model_dump(exclude_none=True)}
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    weights, network = model.state_dict(), description.network
    try:
        if isinstance(model.backbone, PublishedBackbone | LibraryBackbone):
            weights = {name: value for name, value in weights.items() if not name.startswith("backbone.")}
            save_tensors(folder / HEAD_WEIGHTS, weights)
            model.backbone.save_config(folder)
            weights = model.backbone.model.state_dict()
        save_tensors(folder / WEIGHTS, weights, {"format": "pt"})
        sides = network.image_side_px, network.decoded_side_px
        write_processor(
            folder,
            model.colours,
            *sides,
            stretched=network.fit == "stretch",
            interpolation=network.interpolation,
        )
        (folder / DESCRIPTION).write_text(text, encoding="utf-8", newline="\n")
    except (OSError, SafetensorError) as error:
        raise NoSpace(
            f"{folder}: the model cannot be written: {error}. Free some space and run this again: training goes on "
            "from its last checkpoint"
        ) from error


def load_model(folder: Path, backbone: nn.Module | None = None) -> tuple[RetrievalModel, ModelDescription]:
    """Read a model folder; the model is in evaluation mode.

    Args:
        folder: of a trained model.
        backbone: the module that it was trained with, where that was one of the caller's; its weights are replaced.

    Raises:
        CairnError: a file is missing, or the weights do not fit the description.
    """
    return read_steadily(folder, lambda: _load_model(folder, backbone))


def _load_model(folder: Path, own: nn.Module | None) -> tuple[RetrievalModel, ModelDescription]:
    description = read_description(folder)
    network = description.network
    if (network.backbone == OWN) != (own is not None):
        cure = "give it as backbone=" if own is None else "give none"
        raise BadInput(f"{folder}: was trained with the backbone {network.backbone!r}: {cure}")
    is_published = network.backbone not in (SMALL_CNN, OWN)
    layout = layout_of(folder, is_published)
    try:
        kept = read_described(folder, layout.config) if is_published else None
        if isinstance(kept, Described) and kept.colours is None and network.colours == "auto":
            raise ValueError(f"{PROCESSOR} is missing")
        if own is None:
            _check_shapes(folder, layout, network, kept)
        model = RetrievalModel(network, kept, own)
        for file, prefix in layout.weights:
            refuse_other_types(folder / file, model.state_dict(), prefix)
        weights = {
            f"{prefix}{name}": value
            for file, prefix in layout.weights
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
        ArithmeticError,
    ) as error:
        raise BrokenData(
            f"{folder}: weights and {DESCRIPTION} do not fit together: {error}; get the whole folder again, or run "
            "the train stage"
        ) from error
    refuse_not_finite(weights, str(folder))
    return model.eval(), description


def _check_shapes(
    folder: Path, layout: Layout, network: Network, kept: Described | LibraryNetwork | None
) -> None:
    """Compare a description with the weights' headers before anything is built: a lie would fill the memory."""
    shapes: dict[str, list[int]] = {}
    for path, prefix in layout.weights:
        with safe_open(folder / path, framework="pt") as file:
            names = file.keys()
            shapes |= {f"{prefix}{name}": file.get_slice(name).get_shape() for name in names}
    if isinstance(kept, Described):
        check_size(kept, len(shapes))
    with torch.device("meta"):
        described = RetrievalModel(network, kept).state_dict()
    for name, tensor in described.items():
        if shapes.get(name) != list(tensor.shape):
            raise ValueError(f"{name} has shape {shapes.get(name)}, not {list(tensor.shape)}")
