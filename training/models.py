"""Networks that turn an image into a point on the unit sphere, and the folder that holds a trained one."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from hierarchies import CairnError
from training.recipes import Network

WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"


class RetrievalModel(nn.Module):
    """A small convolutional network with GeM pooling and a linear head.

    Four stages of two 3x3 convolutions halve the image and double the channels; generalised-mean pooling
    (Radenović et al., TPAMI 2019) feeds a LayerNorm and a linear head.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        widths = [network.width * 2**stage for stage in range(4)]
        stages = [_stage(before, after) for before, after in zip([3, *widths], widths, strict=False)]
        self.backbone = nn.Sequential(*stages)
        self.pool = GeM()
        self.head = nn.Sequential(nn.LayerNorm(widths[-1]), nn.Linear(widths[-1], network.embedding_dim))

    def forward(self, images: Tensor) -> Tensor:
        """Embed normalised images (B, 3, side, side) as unit vectors (B, embedding_dim)."""
        embeddings: Tensor = self.head(self.pool(self.backbone(images)))
        return functional.normalize(embeddings, dim=1)


class GeM(nn.Module):
    """Generalised-mean pooling over space, with a learnt exponent."""

    def __init__(self) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor(3.0))

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        return maps.clamp(min=1e-6).pow(self.power).mean(dim=(2, 3)).pow(1 / self.power)


def _stage(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1, stride=2, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
        nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
    )


@dataclass(frozen=True)
class ModelDescription:
    """What a model folder says beside its weights.

    Attributes:
        recipe: name of the recipe that trained it.
        network: the network's shape.
        levels: level names of its labels, fine -> coarse.
        tree_fingerprint: of the label tree it was trained with.
        seed: of the run.
    """

    recipe: str
    network: Network
    levels: tuple[str, ...]
    tree_fingerprint: str
    seed: int


def save_model(folder: Path, model: RetrievalModel, description: ModelDescription) -> None:
    """Write weights (safetensors) and description into an existing folder."""
    save_file(model.state_dict(), folder / WEIGHTS)
    record = {**asdict(description), "network": description.network.model_dump()}
    (folder / DESCRIPTION).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load_model(folder: Path) -> tuple[RetrievalModel, ModelDescription]:
    """Read a model folder; the model is in evaluation mode.

    Raises:
        CairnError: a file is missing, or the weights do not fit the description.
    """
    try:
        record = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        network = Network.model_validate(record["network"])
        description = ModelDescription(**{**record, "network": network, "levels": tuple(record["levels"])})
        model = RetrievalModel(network)
        model.load_state_dict(load_file(folder / WEIGHTS))
    except FileNotFoundError as error:
        raise CairnError(
            f"{folder}: no trained model ({error.filename} is missing): run the train stage"
        ) from error
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise CairnError(f"{folder}: weights and {DESCRIPTION} do not fit together: {error}") from error
    return model.eval(), description
