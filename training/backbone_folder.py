"""A folder or hub id with a network of `transformers`: what it says of itself, checked before anything is built.

A configuration is data of whoever wrote it. Of its keys only those that shape a network of its family are taken, each a
bounded plain value; what a loader, a classifier or a device would read is left out. Weights are safetensors or nothing.
"""

import math
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cairnhub.core.errors import BadInput, BrokenData, NotFound
from cairnhub.core.parse import read_json
from cairnhub.training.architectures import ARCHITECTURES, OWN, SMALL_CNN, is_hub_id, library_of
from cairnhub.training.image_processor import PROCESSOR, Colours, read_colours
from cairnhub.training.library_networks import (
    OPEN_CLIP_CONFIG,
    LibraryNetwork,
    described_network,
    named_network,
    published_weights,
)
from cairnhub.training.model_folder import CONFIG
from cairnhub.training.pretrained import PACKAGED, write_packaged
from cairnhub.training.recipes.settings import Network

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

PRETRAINED = "pretrained"
MAX_NUMBER, MAX_LIST, MAX_TEXT = 2**16, 128, 64
MAX_LAYERS = 1024
_COUNTS_LAYERS = re.compile("layer|depth|repeat|block")
_DEPTHS = frozenset(
    ("num_hidden_layers", "num_layers", "n_layer", "encoder_layers", "depths", "num_stages", "num_encoder_blocks",
     "num_block_repeats", "n_attn_blocks", "num_spatial_layers", "num_temporal_layers")
)  # fmt: skip
"""Keys that are a depth, or depths, of at least one layer."""
_NOT_TAKEN = ("timm_", "vit_mae", "yolos", "dinat")
"""Families that another library builds, see patches at random, add tokens of no patch, or need a compiled kernel."""
_NEEDS_ANOTHER = {"backbone", "backbone_config", "text_config", "vision_config"}


@dataclass(frozen=True)
class Described:
    """What a folder says of its network.

    Attributes:
        config: its family under `model_type`, and the keys that shape it.
        colours: of its image processor; None where it has none.
    """

    config: Mapping[str, Any]
    colours: Colours | None

    @property
    def family(self) -> str:
        """As `transformers` calls it."""
        return str(self.config["model_type"])

    def build_config(self) -> "PreTrainedConfig":
        """The configuration that builds the network.

        Raises:
            CairnError: its keys fit no network of the family.
        """
        from transformers import AutoConfig  # takes seconds: only where it is needed

        shape = {key: value for key, value in self.config.items() if key != "model_type"}
        try:
            return AutoConfig.for_model(self.family, **shape)
        except Exception as error:  # the library's own checks raise errors of many kinds
            raise BrokenData(f"{CONFIG}: fits no network of the family {self.family!r}: {_first(error)}; get the "
                             "whole folder again") from error  # fmt: skip


def read_described(folder: Path, config: str = CONFIG) -> Described | LibraryNetwork:
    """Read the configuration, which may be that of open_clip, and the image processor of a folder.

    Args:
        folder: the folder.
        config: name of the configuration there.

    Raises:
        CairnError: a file is missing or broken, the family embeds no images, or a value has no bound.
    """
    path = folder / config
    if not path.is_file() and (folder / OPEN_CLIP_CONFIG).is_file():
        path = folder / OPEN_CLIP_CONFIG
    if not path.is_file():
        raise NotFound(f"{folder}: holds no {config}: name a folder with {CONFIG} and model.safetensors")
    raw = read_json(path, dict[str, Any])
    return described_network(raw, folder) or Described(_checked(raw, path), read_colours(folder))


def described_architecture(name: str, image_side_px: int) -> Described:
    """Of a backbone with a short name."""
    architecture = ARCHITECTURES[name]
    return Described({"model_type": architecture.model_type, **architecture.config(image_side_px)}, None)


@contextmanager
def backbone_folder(network: Network) -> Iterator[Path | None]:
    """The folder with the weights that a recipe's network begins with, while the block runs; None for none.

    Raises:
        CairnError: there is no such folder, the hub does not give it, or a package is missing.
    """
    where, of_library = network.weights, library_of(network.backbone)
    is_default = where in (PRETRAINED, network.backbone)
    if of_library and (is_default or (where and "/" not in where and not Path(where).is_dir())):
        where = published_weights(*of_library, "" if is_default else where)
    elif is_default:
        named = ARCHITECTURES.get(network.backbone)
        where = network.backbone if named is None else named.checkpoint or network.backbone
    if not where:
        yield None
    elif where in PACKAGED:
        with tempfile.TemporaryDirectory() as name:
            write_packaged(where, Path(name), network.image_side_px)
            yield Path(name)
    else:
        yield find_folder(where, "network.weights", with_weights=True)


def find_folder(where: str, key: str, with_weights: bool) -> Path:
    """A folder here, or that of a model of the hub, fetched once.

    Args:
        where: a folder, or `owner/name` on the hub.
        key: of the recipe, for the message.
        with_weights: whether weights are fetched too.

    Raises:
        CairnError: it is neither here nor to be had.
    """
    folder = Path(where)
    if folder.is_dir():
        return folder
    if not is_hub_id(where):
        raise NotFound(f"{key}: there is no folder {where!r}; name one with {CONFIG} and model.safetensors")
    from huggingface_hub import snapshot_download

    patterns = [
        CONFIG,
        OPEN_CLIP_CONFIG,
        PROCESSOR,
        *(["*.safetensors", "*.safetensors.index.json"] if with_weights else []),
    ]
    try:
        return Path(snapshot_download(where, allow_patterns=patterns))
    except Exception as error:  # of the network or the hub, of many kinds
        raise NotFound(
            f"{key}: there is no folder {where!r} here, and the Hugging Face hub does not give a model of that name: "
            f"{_first(error)}\nName a folder with {CONFIG} and model.safetensors, download it where there is a "
            "network, or leave weights empty"
        ) from error


def wanted_network(network: Network) -> Described | LibraryNetwork | None:
    """What a recipe's `backbone` is to be; None where it is what the weights are, or needs no configuration."""
    name = network.backbone
    if name in (SMALL_CNN, OWN):
        return None
    if name in ARCHITECTURES:
        return described_architecture(name, network.image_side_px)
    of_library = library_of(name)
    if of_library:
        return named_network(*of_library)
    return read_described(find_folder(name, "network.backbone", with_weights=False))


def refuse_mismatch(network: Network, wanted: Described, found: Described) -> None:
    """Compare the network that a recipe names with that of its weights.

    Raises:
        BadInput: they are two networks; both are named, with the first difference.
    """
    config = found.build_config()
    built = wanted.build_config()
    different = [
        f"{key} is {getattr(built, key, None)!r} there and {getattr(config, key, None)!r} in the weights"
        for key in sorted(wanted.config)
        if key not in ("image_size", "depthwise_padding")
        and _plain(getattr(built, key, None)) != _plain(getattr(config, key, None))
    ]
    if wanted.family != found.family:
        different = [f"the family is {wanted.family!r} there and {found.family!r} in the weights"]
    if different:
        raise BadInput(
            f"network: backbone {network.backbone!r} and weights {network.weights!r} are two networks: "
            f"{different[0]}; to train the one in the weights, write backbone: {network.weights}"
        )


def check_size(described: Described, n_tensors: int) -> None:
    """Refuse more layers than there are tensors, before they are built one by one.

    Args:
        described: the network.
        n_tensors: in the file of weights.

    Raises:
        BrokenData: it has more.
    """
    counts = [0.0]
    stretch = 1.0
    for key, value in described.config.items():
        numbers = [n for n in (value if isinstance(value, list) else [value]) if _is_number(n)]
        if "coefficient" in key:
            stretch = max(stretch, *numbers, 1.0)
        elif _COUNTS_LAYERS.search(key):
            counts.append(sum(n for n in numbers if isinstance(n, int)))
    n_layers = max(counts) * stretch
    if n_layers > n_tensors:
        raise BrokenData(
            f"{CONFIG}: {n_layers:,.0f} layers, but {n_tensors:,} tensors; get the whole folder again"
        )


def _checked(raw: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The family and the keys that shape its networks, each with a bounded plain value."""
    from transformers import PretrainedConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_MAPPING_NAMES

    family = str(raw.get("model_type"))
    if family not in MODEL_FOR_IMAGE_MAPPING_NAMES or family.startswith(_NOT_TAKEN):
        raise BadInput(
            f"{path}: model_type {family[:MAX_TEXT]!r} is no family of image networks that can be taken; "
            "see docs/training.md, Networks"
        )
    general = set(signature(PretrainedConfig.__init__).parameters)
    own = [key for key in signature(CONFIG_MAPPING[family].__init__).parameters if key not in general]
    if _NEEDS_ANOTHER & set(own):
        raise BadInput(f"{path}: a network of the family {family!r} is made of another one: name that one")
    config = {"model_type": family, **{key: raw[key] for key in own if key in raw and key != "kwargs"}}
    for key, value in config.items():
        if not _is_bounded(value):
            raise BrokenData(f"{path}: {key}: no value that a network may have; get the whole folder again")
        depths = value if isinstance(value, list) else [value]
        if key in _DEPTHS and any(_is_number(depth) and depth < 1 for depth in depths):
            raise BrokenData(f"{path}: {key}: a network has at least 1 layer; get the whole folder again")
    return config


def _is_bounded(value: object, is_inner: bool = False) -> bool:
    if isinstance(value, list) and not is_inner:
        return len(value) <= MAX_LIST and all(_is_bounded(item, True) for item in value)
    if isinstance(value, list):
        return len(value) <= MAX_LIST and all(_is_number(item) and _is_bounded(item) for item in value)
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    return value is None or (_is_number(value) and abs(value) <= MAX_NUMBER)  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _first(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
