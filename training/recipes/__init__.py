"""Recipes: one training set-up per YAML file, typed and checked before anything is loaded."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hierarchies import CairnError

FOLDER = Path(__file__).parent


class Strict(BaseModel):
    """Frozen, and a key that nobody reads is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Network(Strict):
    """The network and what it sees."""

    backbone: Literal["small_cnn"]
    width: int = Field(default=32, ge=4)
    """Channels of the first stage; each later stage doubles them."""
    embedding_dim: int = Field(default=128, ge=2)
    image_side_px: int = Field(default=64, ge=16)


class Batch(Strict):
    """P-K sampling: `size / images_per_class` classes, `images_per_class` images of each."""

    size: int = Field(ge=4)
    images_per_class: int = Field(default=4, ge=2)


class Augment(Strict):
    """Random views of a training image."""

    min_area: float = Field(default=0.5, gt=0, le=1)
    """Smallest share of the image that a random crop keeps."""
    flip: bool = True
    brightness: float = Field(default=0.2, ge=0, lt=1)
    """Largest relative change of brightness and contrast."""


class Optimizer(Strict):
    """Adam with a cosine schedule after a linear warm-up."""

    learning_rate: float = Field(gt=0)
    proxy_learning_rate: float = Field(gt=0)
    """Of the class centres of the cluster loss."""
    weight_decay: float = Field(default=0, ge=0)
    n_warmup_steps: int = Field(default=0, ge=0)


class Recipe(Strict):
    """One training set-up."""

    description: str
    method: Literal["HAPPIER", "HAPPIER_F"]
    network: Network
    batch: Batch
    augment: Augment = Augment()
    optimizer: Optimizer
    n_epochs: int = Field(ge=1)


def load_recipe(name: str, folder: Path = FOLDER) -> Recipe:
    """Read `<folder>/<name>.yaml`.

    Raises:
        CairnError: no such recipe, or an unknown key or wrong value in it.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in folder.glob("*.yaml")))
        raise CairnError(f"no recipe {name!r} in training/recipes; there are: {known}")
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise CairnError(f"{path}: not valid YAML: {error}") from error
    except ValidationError as error:
        faults = [f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise CairnError("\n".join(faults)) from error
