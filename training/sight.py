"""How a published network sees a picture: sizes and resizing, as its image processor or its library says."""

from cairnhub.training.architectures import ARCHITECTURES, library_of
from cairnhub.training.backbone_folder import PRETRAINED, find_folder, read_described
from cairnhub.training.image_processor import Sight, read_sight
from cairnhub.training.library_networks import LibraryNetwork, named_network
from cairnhub.training.pretrained import PACKAGED
from cairnhub.training.recipes.settings import Network


def sight_of(name: str) -> Sight:
    """What a network sees of a picture.

    Args:
        name: a short name, `timm/<name>`, `open_clip/<name>`, a folder with `config.json`, or a hub id.

    Raises:
        CairnError: there is no such network, or its sizes are none.
    """
    of_library = library_of(name)
    if of_library:
        return _of_library(named_network(*of_library))
    if name in PACKAGED:
        return Sight()
    named = ARCHITECTURES.get(name)
    folder = find_folder(named.checkpoint if named else name, "network.backbone", with_weights=True)
    described = read_described(folder)
    return _of_library(described) if isinstance(described, LibraryNetwork) else read_sight(folder)


def settled(network: Network) -> Network:
    """A recipe's network with the sizes of its weights' image processor, where `image_side_px` is 0.

    Raises:
        CairnError: as for `sight_of`.
    """
    if network.image_side_px:
        return network
    is_of_backbone = network.weights == PRETRAINED or library_of(network.backbone) is not None
    sight = sight_of(network.backbone if is_of_backbone else network.weights)
    said = {
        "image_side_px": sight.side_px,
        "resized_side_px": network.resized_side_px or sight.resized_px,
        "fit": sight.fit,
        "interpolation": sight.interpolation,
    }
    return Network.model_validate(network.model_dump() | said)


def _of_library(described: LibraryNetwork) -> Sight:
    return Sight(described.side_px, described.resized_px, "crop", described.interpolation)
