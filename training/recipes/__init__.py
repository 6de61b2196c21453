"""Recipes: training set-ups in YAML, typed and checked before anything is loaded.

A file holds the settings for one dataset. `sop/HAPPIER` trains by those of `sop.yaml` with the method HAPPIER; where
the file names a method itself, as `small.yaml` does, its name alone will do. A recipe of your own is one more file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cairnhub.core.errors import CairnError
from cairnhub.core.parse import parse_yaml, read_text, typed
from cairnhub.core.text import did_you_mean

FOLDER = Path(__file__).parent

Method = Literal[
    "SmoothAP",
    "SupAP",
    "ROADMAP",
    "SupHAP",
    "HAPPIER",
    "HAPPIER_F",
    "SupNDCG",
    "SupRecall",
    "NormalisedSoftmax",
]


class Strict(BaseModel):
    """Frozen, and a key that nobody reads is an error; numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Network(Strict):
    """The network and what it sees."""

    backbone: Literal[
        "small_cnn",
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "deit_small",
        "deit_base",
        "vit_base",
        "dinov2_small",
        "dinov2_base",
    ]
    weights: str = ""
    """Empty: from scratch. `pretrained`: those named in `training/backbones.py`. Else a folder or a hub id."""
    width: int = Field(default=32, ge=4)
    """Channels of the first stage of `small_cnn`; each later stage doubles them."""
    pooling: Literal["average", "max", "gem", "cls"] = "gem"
    layer_norm: bool = True
    """Between pooling and the linear head."""
    frozen_batch_norm: bool = False
    """Statistics and scales of batch norm stay as they were loaded."""
    embedding_dim: int = Field(default=128, ge=2)
    image_side_px: int = Field(default=64, ge=16)
    resized_side_px: int = Field(default=0, ge=0)
    """Images are decoded to a square of this side, from which views are cut; 0: `image_side_px`."""
    colours: Literal["unit", "imagenet"] = "unit"
    """Bytes become -1..1, or are standardised by ImageNet's mean and deviation."""

    @property
    def decoded_side_px(self) -> int:
        """Side of the square that an image is decoded to."""
        return max(self.resized_side_px, self.image_side_px)


class Loss(Strict):
    """Settings of the method's losses; those that it has no use for are left alone. Defaults: the papers'."""

    tau: float = Field(default=0.01, gt=0)
    rho: float = 100.0
    delta: float | None = 0.05
    start: float = 0.5
    offset: float | None = 1.44
    alpha: float = Field(default=1.0, ge=0)
    """Exponent of H-AP's relevance."""
    at_k: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Cut-offs of SupRecall."""


class Batch(Strict):
    """P-K sampling: `size / images_per_class` classes, `images_per_class` images of each."""

    size: int = Field(ge=4)
    """Images per step, of all ranks together."""
    images_per_class: int = Field(default=4, ge=2)
    n_superclasses: int = Field(default=0, ge=0)
    """Draw the classes of a batch from so many classes of the coarsest level; 0: from all."""
    max_images_per_class: int | None = Field(default=None, ge=2)
    """At most so many images of a class in an epoch."""
    chunk: int | None = Field(default=None, ge=1)
    """Images that pass the network at once, by gradient caching; by default the whole batch."""
    n_accumulated: int = Field(default=1, ge=1)
    """Batches, each ranked by itself, whose mean gradient makes one step."""
    memory: int = Field(default=0, ge=0)
    """Embeddings of past batches that a batch is ranked against too, from the end of the warm-up on; 0: none."""


class Augment(Strict):
    """Random views of a training image."""

    min_area: float = Field(default=0.5, gt=0, le=1)
    """Smallest share of the image that a random crop keeps."""
    max_aspect: float = Field(default=1.0, ge=1)
    """A crop's sides differ at most by this factor."""
    flip: bool = True
    brightness: float = Field(default=0.2, ge=0, lt=1)
    """Largest relative change of brightness and contrast."""


class Optimizer(Strict):
    """Adam, or SGD with Nesterov momentum 0.9; a cosine schedule after a linear warm-up."""

    name: Literal["adam", "sgd"] = "adam"
    learning_rate: float = Field(gt=0)
    head_factor: float = Field(default=1, gt=0)
    """The head learns faster than the backbone by this factor."""
    proxy_learning_rate: float = Field(gt=0)
    """Of the class centres of the cluster loss, by Adam."""
    weight_decay: float = Field(default=0, ge=0)
    n_warmup_steps: int = Field(default=0, ge=0)
    n_frozen_epochs: int = Field(default=0, ge=0)
    """Epochs at the start in which the backbone keeps its weights."""
    average_decay: float | None = Field(default=None, gt=0, lt=1)
    """Evaluate and keep a moving average of the weights, (1 - decay) of each step's; by default the last."""


class Validation(Strict):
    """Early stopping by the H-AP of classes that training does not see. The test split plays no part."""

    share: float = Field(default=0.1, gt=0, lt=1)
    """Of the training split's classes of two images or more, held out with all their images."""
    patience: int = Field(ge=1)
    """Epochs without a better H-AP after which training ends; the best epoch's weights are kept."""


class Recipe(Strict):
    """One training set-up."""

    description: str
    source: str = ""
    """The paper whose settings they are."""
    reported: dict[Method, dict[str, float]] = {}
    """What each method's own paper reports, in percent, by the metric in words: `h_ap`, `r_at_1_<level>`, `mean_ap`."""
    method: Method
    network: Network
    loss: Loss = Loss()
    batch: Batch
    augment: Augment = Augment()
    optimizer: Optimizer
    n_epochs: int = Field(ge=1)
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the network; ranks are computed in float32 always. float16 scales the loss."""
    portable: bool = False
    """The stages compute the same bits on every x86-64 machine, in some three times the CPU time."""
    validation: Validation | None = None
    """Early stopping; by default all epochs are made, on all images."""

    @model_validator(mode="after")
    def _memory_is_of_use(self) -> "Recipe":
        if self.batch.memory and self.method == "NormalisedSoftmax":
            raise ValueError("batch.memory has no use in NormalisedSoftmax, which ranks nothing: set it to 0")
        if 0 < self.batch.memory < self.batch.size:
            raise ValueError(f"batch.memory must hold a batch of {self.batch.size} at least, or be 0")
        return self

    @model_validator(mode="after")
    def _chunks_are_exact(self) -> "Recipe":
        has_batch_norm = self.network.backbone.startswith(("small_cnn", "resnet"))
        if self.batch.chunk and has_batch_norm and not self.network.frozen_batch_norm:
            raise ValueError(
                "batch.chunk with live batch norm would train on the statistics of chunks: "
                "set network.frozen_batch_norm"
            )
        return self


def recipe_names(folder: Path = FOLDER) -> list[str]:
    """Names of all recipes, such as `small` and `sop/HAPPIER`."""
    names: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        own = "method" in _settings(path)
        names += [path.stem] if own else [f"{path.stem}/{method}" for method in get_args(Method)]
    return names


def load_recipe(name: str, folder: Path = FOLDER) -> Recipe:
    """The settings of `<file>.yaml` with a method.

    Args:
        name: `<file>/<method>`, or `<file>` where the file names its method.
        folder: of the files.

    Raises:
        CairnError: no such recipe, an unknown key or wrong value in it, or `extends` of a file that extends.
    """
    stem, _, method = name.partition("/")
    path = folder / f"{stem}.yaml"
    if not path.is_file():
        known = recipe_names(folder)
        raise CairnError(
            f"no recipe {name!r} in {folder}{did_you_mean(name, known)}; there are: {', '.join(known)}"
        )
    settings = _settings(path)
    if method:
        settings["method"] = method
    if "method" not in settings:
        raise CairnError(f"recipe {name!r} names no method; write {name}/{' or /'.join(get_args(Method))}")
    return typed(Recipe, settings, str(path))


def _settings(path: Path) -> dict[str, object]:
    """The keys of a file, on top of those of the file that its `extends` names."""
    own = _read(path)
    if "extends" not in own:
        return own
    base = path.parent / f"{own.pop('extends')}.yaml"
    if base.parent != path.parent or not base.is_file():
        raise CairnError(f"{path}: extends: there is no {base}")
    shared = _read(base)
    if "extends" in shared:
        raise CairnError(f"{path}: extends: {base} extends another file; one level is allowed")
    return _merged({key: value for key, value in shared.items() if key != "reported"}, own)


def _read(path: Path) -> dict[str, object]:
    raw = parse_yaml(read_text(path), str(path))
    if not isinstance(raw, dict):
        raise CairnError(f"{path}: holds no keys; see training/recipes/small.yaml")
    return raw


def _merged(shared: Mapping[str, object], own: Mapping[str, object]) -> dict[str, object]:
    """Own values over shared ones, key by key inside mappings too."""
    merged = dict(shared)
    for key, value in own.items():
        before = merged.get(key)
        both = isinstance(before, dict) and isinstance(value, dict)
        merged[key] = {**before, **value} if both else value  # type: ignore[dict-item]
    return merged
