"""The parts of a recipe that know no loss: network, batches, augmentation, optimiser, validation."""

from collections.abc import Mapping
from typing import Annotated, Literal

from PIL import ImageColor
from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from cairnhub.training.architectures import OWN, known_backbone
from cairnhub.training.image_processor import MIN_SIDE_PX
from cairnhub.training.strict import Strict


def _colour(name: str) -> str:
    ImageColor.getrgb(name)
    return name


def _side(side_px: int) -> int:
    if side_px < MIN_SIDE_PX and side_px != 0:
        raise ValueError(
            f"a network sees {MIN_SIDE_PX} pixels at least; 0: as many as its image processor says"
        )
    return side_px


class LowRank(Strict):
    """Low-rank adaptation (LoRA): what learns of a backbone; `training/low_rank.py`."""

    rank: int = Field(default=8, ge=1)
    alpha: float = Field(default=16, gt=0)
    """The factors count `alpha / rank`."""
    layers: tuple[str, ...] = ()
    """Ends of the names of adapted layers, such as `query`; by default every linear layer, of a network without any
    every convolution that mixes channels."""


class Network(Strict):
    """The network and what it sees."""

    backbone: Annotated[str, AfterValidator(known_backbone)]
    """A name in `training/architectures.py`, or a folder or hub id of `transformers`; by default that of `weights`."""
    weights: str = ""
    """Empty: from scratch. `pretrained`: those of the backbone. Else a folder, a hub id or a name such as
    `efficientnet-lite0`."""
    frozen: Literal["none", "all"] | Annotated[int, Field(ge=1)] = "none"
    """What keeps its weights: `all` of the backbone, or its stem and so many of its first blocks. `all` computes the
    backbone's vectors once, of plain views."""
    lora: LowRank | None = None
    """What learns of the backbone are small factors beside its layers; the model that is saved has them merged in."""
    width: int = Field(default=32, ge=4)
    """Channels of the first stage of `small_cnn`; each later stage doubles them."""
    pooling: Literal["average", "max", "gem", "gem_fixed", "cls"] = "gem"
    """GeM learns its exponent, or keeps it at 3."""
    norm: Literal["layer", "layer_fixed", "unit", "none"] = "layer"
    """Between pooling and the linear head: LayerNorm with or without a learnt scale and shift, or unit length."""
    has_head: bool = True
    """A linear layer makes the embedding; without one it is what was pooled."""
    head_weights: str = ""
    """A safetensors file with `weight` and `bias` that the linear head begins with; empty: at random."""
    frozen_batch_norm: bool | Literal["statistics"] = False
    """Statistics and scales of batch norm stay as they were loaded; or the statistics alone."""
    embedding_dim: int = Field(default=128, ge=2)
    image_side_px: Annotated[int, AfterValidator(_side)] = 64
    """0: of the square that the image processor of the weights cuts, resized as it says (`training/sight.py`)."""
    fit: Literal["crop", "stretch"] = "crop"
    """How a picture becomes a square: its middle, or all of it out of proportion."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    """How a picture is resized to a square; crops of training views are always bilinear."""
    resized_side_px: int = Field(default=0, ge=0)
    """Images are decoded to a square of this side, from which views are cut; 0: `image_side_px`."""
    colours: Literal["auto", "unit", "imagenet"] = "auto"
    """Bytes become -1..1, or are standardised by ImageNet's mean and deviation; `auto`: as the image processor of the
    backbone's weights says, and -1..1 where there is none."""
    ground: Annotated[str, AfterValidator(_colour)] = "white"
    """The colour behind what is transparent, as CSS writes it: `black`, `'#808080'`."""

    @model_validator(mode="before")
    @classmethod
    def _backbone_is_that_of_the_weights(cls, raw: object) -> object:
        if isinstance(raw, dict) and "backbone" not in raw and raw.get("weights"):
            return {**raw, "backbone": raw["weights"]}
        return raw

    @model_validator(mode="after")
    def _weights_are_there_for_what_asks_for_them(self) -> "Network":
        if self.frozen != "none" and not self.weights and self.backbone != OWN:
            raise ValueError("frozen keeps weights that are trained; name some in weights, or freeze none")
        if not self.image_side_px and (not self.weights or self.backbone == OWN):
            raise ValueError("image_side_px: 0 leaves it to the image processor of weights: name some")
        if self.lora and (self.frozen != "none" or (not self.weights and self.backbone != OWN)):
            raise ValueError(
                "lora adapts weights that are trained and not frozen: name weights, and freeze none"
            )
        if self.frozen == "all" and not self.has_head:
            raise ValueError("frozen: all trains the head alone, and has_head: false leaves it out")
        return self

    @property
    def decoded_side_px(self) -> int:
        """Side of the square that an image is decoded to."""
        return max(self.resized_side_px, self.image_side_px)


class Batch(Strict):
    """P-K sampling: `size / images_per_class` classes, `images_per_class` images of each."""

    sampler: Literal["classes", "without_repeats", "super_pairs", "random_classes"] = "classes"
    """How batches are drawn; see `cairnhub.training.samplers`."""
    size: int = Field(ge=4)
    """Images per step, of all ranks together."""
    images_per_class: int = Field(default=4, ge=2)
    n_superclasses: int = Field(default=0, ge=0)
    """Draw the classes of a batch from so many classes of the coarsest level; 0: from all."""
    max_images_per_class: int | None = Field(default=None, ge=2)
    """At most so many images of a class in an epoch."""
    min_class_size: int = Field(default=1, ge=1)
    """Classes with fewer images are not drawn."""
    n_batches_per_pair: int = Field(default=0, ge=0)
    """Batches of an epoch from each pair of superclasses."""
    n_batches: int = Field(default=0, ge=0)
    """Batches of an epoch."""
    chunk: int | None = Field(default=None, ge=1)
    """Images that pass the network at once, by gradient caching; by default the whole batch."""
    n_accumulated: int = Field(default=1, ge=1)
    """Batches, each ranked by itself, whose mean gradient makes one step."""
    memory: int = Field(default=0, ge=0)
    """Embeddings of past batches that a batch is ranked against too, from the end of the warm-up on; 0: none."""
    memory_from_epoch: int = Field(default=1, ge=1)
    """The first epoch, from 1, in which a batch is ranked against the memory, which is filled before."""

    @model_validator(mode="after")
    def _sampler_has_what_it_takes(self) -> "Batch":
        takes = _SAMPLER_TAKES[self.sampler]
        for name, is_needed in takes.items():
            if is_needed and not getattr(self, name):
                raise ValueError(f"sampler {self.sampler} needs {name}")
        for name in _OF_SAMPLERS - takes.keys():
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} has no use for sampler {self.sampler}: take it out")
        return self

    @model_validator(mode="after")
    def _memory_has_a_size(self) -> "Batch":
        if self.memory_from_epoch > 1 and not self.memory:
            raise ValueError("memory_from_epoch has no use without a memory: give its size, or take it out")
        return self


_SAMPLER_TAKES = {  # sampler -> key -> whether it must be given
    "classes": {"n_superclasses": False, "max_images_per_class": False},
    "without_repeats": {"max_images_per_class": False},
    "super_pairs": {"n_superclasses": True, "n_batches_per_pair": True, "min_class_size": False},
    "random_classes": {"n_batches": True, "min_class_size": False},
}
_OF_SAMPLERS = {name for takes in _SAMPLER_TAKES.values() for name in takes}


class Augment(Strict):
    """Random views of a training image."""

    cut_from: Literal["square", "picture"] = "square"
    """Crops are cut from the decoded square, or from the whole picture, whatever its shape."""
    shorter_side_px: int = Field(default=0, ge=0)
    """Size that the shorter side of a picture is brought to before it is cut from; 0: its own."""
    min_area: float = Field(default=0.5, gt=0, le=1)
    """Smallest share of the image that a random crop keeps."""
    max_aspect: float = Field(default=1.0, ge=1)
    """A crop's sides differ at most by this factor."""
    flip: bool = True
    brightness: float = Field(default=0.2, ge=0, lt=1)
    """Largest relative change of brightness and contrast."""


class Schedule(Strict):
    """How a learning rate changes."""

    name: Literal["constant", "cosine", "steps"] = "cosine"
    """`cosine` falls to `floor` over the run; `steps` is multiplied by `factor` at each milestone."""
    every: Literal["step", "epoch"] = "step"
    """When a cosine changes."""
    floor: float = Field(default=0, ge=0)
    """The learning rate at the end of a cosine."""
    milestones: tuple[int, ...] = ()
    """Epochs, counted as made."""
    factor: float = Field(default=1, gt=0, le=1)
    n_held_epochs: int = Field(default=0, ge=0)
    """Epochs at the start that do not count; a cosine keeps its length and is cut off at the end of the run."""

    @model_validator(mode="after")
    def _keys_are_of_use(self) -> "Schedule":
        if self.name != "cosine" and (self.floor or self.every != "step"):
            raise ValueError(
                f"floor and every belong to a cosine: take them out, or name it instead of {self.name}"
            )
        if (self.name == "steps") != bool(self.milestones):
            raise ValueError("milestones and steps go together: give both or none")
        return self


class Weights(Strict):
    """How some weights learn."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(default=0, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Of SGD."""
    nesterov: bool = True
    """Of SGD's momentum."""
    schedule: Schedule = Schedule()

    @model_validator(mode="after")
    def _rates_fall(self) -> "Weights":
        if self.schedule.floor > self.learning_rate:
            raise ValueError(f"schedule.floor {self.schedule.floor:g} is above the learning rate")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs momentum: set it false")
        return self


class Optimizer(Strict):
    """How the weights learn: backbone, head, and the loss's class proxies."""

    backbone: Weights
    head: Weights = Field(default={}, validate_default=True)
    """Pooling and linear head. What it leaves out is as the backbone's."""
    proxies: Weights = Field(default={}, validate_default=True)
    """Of losses that have some, such as Cluster. By default as the head."""
    n_warmup_steps: int = Field(default=0, ge=0)
    """Steps at the start in which all learning rates rise linearly to what their schedules say."""
    n_frozen_epochs: int = Field(default=0, ge=0)
    """Epochs at the start in which the backbone keeps its weights."""
    layer_decay: float = Field(default=1, gt=0, le=1)
    """Of the backbone's learning rate, from each block to the one before it (Clark et al., ELECTRA, 2020)."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Longest gradient of the network; a longer one is scaled down."""
    average_decay: float | None = Field(default=None, gt=0, lt=1)
    """Evaluate and keep a moving average of the weights, (1 - decay) of each step's; by default the last."""

    @field_validator("head", "proxies", mode="before")
    @classmethod
    def _fill_in(cls, raw: object, info: ValidationInfo) -> object:
        earlier = info.data.get("backbone" if info.field_name == "head" else "head")
        if earlier is None:
            return Weights(learning_rate=1)  # what is wrong with the earlier one is told once
        if info.field_name == "head" and isinstance(raw, Mapping):
            return {**earlier.model_dump(), **raw}
        return raw or earlier


class Validation(Strict):
    """Early stopping by the H-AP of classes that training does not see. The test split plays no part."""

    share: float = Field(default=0.1, gt=0, lt=1)
    """Of the training split's classes of two images or more, held out with all their images."""
    patience: int = Field(ge=1)
    """Epochs without a better H-AP after which training ends; the best epoch's weights are kept."""
