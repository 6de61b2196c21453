"""What lies where in the folder of a trained model, now and in the folders of every age before."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

WEIGHTS = "model.safetensors"
HEAD_WEIGHTS = "head.safetensors"
DESCRIPTION = "model.json"
CONFIG = "config.json"
_FIRST_CONFIG = "backbone.json"
_FORMER_BACKBONE = "backbone"


@dataclass(frozen=True)
class Layout:
    """Where the parts of a model lie.

    Attributes:
        config: of a backbone of `transformers`, below the folder.
        weights: files of weights below it, each with what comes before the names in it.
    """

    config: str
    weights: tuple[tuple[str, str], ...]


def layout_of(folder: Path, is_published: bool) -> Layout:
    """How a folder is laid out.

    Args:
        folder: of a trained model.
        is_published: whether its backbone is one of `transformers`.
    """
    if not is_published:
        return Layout(CONFIG, ((WEIGHTS, ""),))
    if (folder / _FIRST_CONFIG).is_file():  # all weights in one file
        return Layout(_FIRST_CONFIG, ((WEIGHTS, ""),))
    if (folder / _FORMER_BACKBONE).is_dir():
        backbone = f"{_FORMER_BACKBONE}/{WEIGHTS}"
        return Layout(f"{_FORMER_BACKBONE}/{CONFIG}", ((backbone, "backbone.model."), (WEIGHTS, "")))
    return Layout(CONFIG, ((WEIGHTS, "backbone.model."), (HEAD_WEIGHTS, "")))


def model_files(folder: Path) -> list[Path]:
    """The files that make a model what it is."""
    folders = (folder, folder / _FORMER_BACKBONE)
    return sorted(
        path for each in folders for ending in ("json", "safetensors") for path in each.glob(f"*.{ending}")
    )


def migrated(description: dict[str, Any]) -> dict[str, Any]:
    """The content of `model.json` in the form of today: `norm` was once whether there is a LayerNorm."""
    network = description.get("network")
    if not isinstance(network, dict):
        return description
    network = {"colours": "unit", **network}  # the default of the first, who wrote no colours
    if isinstance(has_norm := network.pop("layer_norm", None), bool):
        network["norm"] = "layer" if has_norm else "none"
    return {**description, "network": network}
