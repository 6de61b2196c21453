"""The parts of a recipe that know no loss: network, batches, augmentation, optimiser, validation."""

from typing import Annotated, Literal

from PIL import ImageColor
from pydantic import AfterValidator, Field, model_validator

from cairnhub.training.architectures import OWN, known_backbone
from cairnhub.training.strict import Strict


def _colour(name: str) -> str:
    ImageColor.getrgb(name)
    return name


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
    def _frozen_is_trained(self) -> "Network":
        if self.frozen != "none" and not self.weights and self.backbone != OWN:
            raise ValueError("frozen keeps weights that are trained; name some in weights, or freeze none")
        return self

    @property
    def decoded_side_px(self) -> int:
        """Side of the square that an image is decoded to."""
        return max(self.resized_side_px, self.image_side_px)


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
