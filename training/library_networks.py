"""Networks of timm and open_clip: what their libraries and their folders say of them.

A network is named `timm/<name>` or `open_clip/<name>`; a library is imported when it is asked. What a folder says is
data of whoever wrote it: of it the name of a network that the installed library knows is taken, and plain numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from cairnhub.core.errors import BadInput, BrokenData, NotFound, how_to_install
from cairnhub.core.text import did_you_mean
from cairnhub.training.architectures import OPEN_CLIP, TIMM
from cairnhub.training.image_processor import MAX_SIDE_PX, Colours, read_colours, triple

OPEN_CLIP_CONFIG = "open_clip_config.json"
"""Beside weights of open_clip, which do not name their network."""
ARCHITECTURE, LIBRARY, SAID = "architecture", "library", "pretrained_cfg"


@dataclass(frozen=True)
class LibraryNetwork:
    """A network that a library builds.

    Attributes:
        library: `timm` or `open_clip`.
        architecture: as the library calls it, without a tag of weights; empty where weights do not say.
        colours: that its images are normalised by; None where nobody says.
        side_px: of the images that it was made for.
        resized_px: shorter side of a picture before its middle is cut.
        interpolation: `bilinear` or `bicubic`.
    """

    library: str
    architecture: str
    colours: Colours | None = None
    side_px: int = 224
    resized_px: int = 224
    interpolation: str = "bicubic"

    @property
    def config(self) -> dict[str, Any]:
        """What `config.json` of a model folder says; timm opens its own by `local-dir:<folder>`."""
        colours = {} if self.colours is None else {"mean": self.colours.mean, "std": self.colours.deviation}
        said = {
            "input_size": (3, self.side_px, self.side_px),
            "interpolation": self.interpolation,
            "num_classes": 0,
        }
        return {
            ARCHITECTURE: self.architecture,
            LIBRARY: self.library,
            "num_classes": 0,
            SAID: {**said, **colours},
        }

    def refuse_other(self, found: object, backbone: str, weights: str) -> None:
        """Compare with the network of the weights.

        Raises:
            BadInput: they are two networks.
        """
        is_same = isinstance(found, LibraryNetwork) and found.library == self.library
        if is_same and getattr(found, ARCHITECTURE) in ("", self.architecture):
            return
        there = (
            f"{found.library}/{found.architecture}"
            if isinstance(found, LibraryNetwork)
            else "one of transformers"
        )
        raise BadInput(
            f"network: backbone {backbone!r} and weights {weights!r} are two networks: in the weights is {there}; to "
            f"train that one, write backbone: {weights}"
        )


def named_network(library: str, name: str) -> LibraryNetwork:
    """What the installed library says of a network.

    Args:
        library: `timm` or `open_clip`.
        name: as the library calls it; in timm it may have a tag (`resnet18.a1_in1k`).

    Raises:
        CairnError: the library is not installed, or does not know it.
    """
    made = open_library(library)
    if library == TIMM:
        if not made.is_model(name):
            raise _unknown(library, name, made.list_models())
        return _of_timm(made.get_pretrained_cfg(name).to_dict(), name.split(".")[0])
    config = made.get_model_config(name)
    if config is None:
        raise _unknown(library, name, made.list_models())
    side = config["vision_cfg"].get("image_size", 224)
    mean, deviation = made.OPENAI_DATASET_MEAN, made.OPENAI_DATASET_STD
    if "SigLIP" in name:  # which were trained on -1..1
        mean = deviation = (0.5, 0.5, 0.5)
    return LibraryNetwork(OPEN_CLIP, name, Colours(tuple(mean), tuple(deviation)), side, side)


def described_network(raw: Mapping[str, Any], folder: Path) -> LibraryNetwork | None:
    """The network of a folder by its `config.json`; None where that is not a library's.

    Raises:
        CairnError: numbers are broken, or the library is missing or does not know the network.
    """
    if (folder / OPEN_CLIP_CONFIG).is_file() and ARCHITECTURE not in raw:
        said = raw.get("preprocess_cfg")
        return LibraryNetwork(OPEN_CLIP, "", _colours(said if isinstance(said, dict) else {}, folder))
    if "model_type" in raw or not isinstance(raw.get(ARCHITECTURE), str):
        return None
    library, name = raw.get(LIBRARY, TIMM), str(raw[ARCHITECTURE])
    if library not in (TIMM, OPEN_CLIP):
        return None
    network, raw_said = named_network(str(library), name), raw.get(SAID)
    said = raw_said if isinstance(raw_said, dict) else {}
    size = said.get("input_size")
    side = size[-1] if isinstance(size, list) and size else network.side_px
    if not isinstance(side, int) or not 0 < side <= MAX_SIDE_PX:
        raise BrokenData(f"{folder}/config.json: input_size: no size of images; get the whole folder again")
    colours = read_colours(folder) or _colours(said, folder) or network.colours
    return replace(network, colours=colours, side_px=side)


def published_weights(library: str, name: str, tag: str) -> str:
    """The model of the hub with the weights of a network.

    Args:
        library: `timm` or `open_clip`.
        name: of the network.
        tag: of open_clip's weights; of timm's the name has one.

    Raises:
        CairnError: there are none of that name on the hub.
    """
    made = open_library(library)
    if library == TIMM:
        where = named_network(library, name) and made.get_pretrained_cfg(name).to_dict().get("hf_hub_id")
        if tag or not where:
            what = f"there is no folder {tag!r}" if tag else f"timm has no pretrained {name!r} on the hub"
            raise NotFound(f"network.weights: {what}; name a folder, or leave weights empty")
        return str(where)
    known = made.list_pretrained_tags_by_model(name)
    if tag not in known:
        raise NotFound(
            f"network.weights: open_clip has several weights of {name!r}, none of them {tag!r}; name one of "
            f"{', '.join(known)}, or a folder"
        )
    where = made.get_pretrained_cfg(name, tag).get("hf_hub", "").strip("/")
    if not where:
        raise NotFound(
            f"network.weights: {tag!r} of {name!r} are not on the hub: name a folder, or other weights"
        )
    return str(where)


def open_library(library: str) -> Any:
    """The library itself.

    Raises:
        NotFound: it is not installed.
    """
    try:
        return import_module(library)
    except ImportError as error:
        raise NotFound(f"network.backbone: {library}/...: {how_to_install(library)}") from error


def _of_timm(said: Mapping[str, Any], architecture: str) -> LibraryNetwork:
    side = int(said["input_size"][-1])
    shown = said.get("interpolation")
    return LibraryNetwork(
        TIMM,
        architecture,
        Colours(tuple(said["mean"]), tuple(said["std"])),
        side,
        round(side / float(said.get("crop_pct") or 1)),
        shown if shown in ("bilinear", "bicubic") else "bicubic",
    )


def _colours(said: Mapping[str, object], folder: Path) -> Colours | None:
    if "mean" not in said or "std" not in said:
        return None
    path, none = folder / "config.json", (0.0, 0.0, 0.0)
    colours = Colours(triple(path, said, "mean", none), triple(path, said, "std", none))
    if min(colours.deviation) <= 0:
        raise BrokenData(f"{path}: std must be positive; get the whole folder again")
    return colours


def _unknown(library: str, name: str, known: list[str]) -> NotFound:
    return NotFound(f"network.backbone: {library} has no network {name[:64]!r}{did_you_mean(name, known)}")
