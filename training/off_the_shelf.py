"""A published network as a model folder: as it is, with its own size of images, without a head."""

from pathlib import Path

from cairnhub.core.errors import BadInput
from cairnhub.training.architectures import ARCHITECTURES, is_hub_id, library_of
from cairnhub.training.backbone_folder import PRETRAINED
from cairnhub.training.backbones import make_backbone
from cairnhub.training.model_folder import CONFIG, DESCRIPTION
from cairnhub.training.models import ModelDescription, RetrievalModel, save_model
from cairnhub.training.pretrained import PACKAGED
from cairnhub.training.recipes.settings import Network
from cairnhub.training.sight import sight_of

OFF_THE_SHELF = "off the shelf"
"""In place of a recipe's name."""


def is_published_network(name: str) -> bool:
    """Whether a name is that of a network as it was published, and not of a model that was trained here."""
    folder = Path(name)
    if folder.is_dir():
        return not (folder / DESCRIPTION).is_file() and (folder / CONFIG).is_file()
    return name in ARCHITECTURES or library_of(name) is not None or is_hub_id(name)


POOLINGS = ("average", "max", "gem_fixed", "cls")
"""Of maps or tokens, as a recipe names them; the one that is learnt needs training."""


def write_off_the_shelf(name: str, folder: Path, pooling: str = "average") -> None:
    """Write a published network as a model folder: what it gives, pooled, of unit length.

    Args:
        name: a short name, `timm/<name>`, `open_clip/<name>:<weights>`, a folder with `config.json`, or a hub id.
        folder: an existing one.
        pooling: of its maps or tokens, as a recipe names it.

    Raises:
        CairnError: there is no such network, its weights are not to be had, or it has no class token to pool.
    """
    network = off_the_shelf_network(name, pooling)
    network = network.model_copy(update={"embedding_dim": make_backbone(network).n_channels})
    description = ModelDescription(OFF_THE_SHELF, network, (), "", 0)
    save_model(folder, RetrievalModel(network).eval(), description)


def off_the_shelf_network(name: str, pooling: str = "average") -> Network:
    """The settings that a published network is used with as it is: its weights, and what its image processor says.

    Args:
        name: as for `write_off_the_shelf`.
        pooling: likewise.

    Raises:
        CairnError: as for `write_off_the_shelf`.
    """
    backbone, _, tag = name.partition(":") if library_of(name) else (name, "", "")
    sight = sight_of(backbone)
    settings = {
        "backbone": backbone,
        "weights": tag or (name if name in PACKAGED or Path(name).is_dir() else PRETRAINED),
        "pooling": pooling,
        "norm": "none",
        "has_head": False,
        "image_side_px": sight.side_px,
        "resized_side_px": sight.resized_px,
        "fit": sight.fit,
        "interpolation": sight.interpolation,
    }
    try:
        return Network.model_validate(settings)
    except ValueError as error:
        raise BadInput(f"{name}: {str(error).splitlines()[-1].strip()}") from error
