"""Recipes: training set-ups in YAML, typed and checked before anything is loaded.

A file holds settings alone: what is in it can change the model. `sop/HAPPIER` trains by those of `sop.yaml` with the
preset HAPPIER; where the file names a loss itself, as `small.yaml` does, its name alone will do.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from cairnhub.core.errors import BadInput
from cairnhub.core.parse import typed
from cairnhub.training.architectures import has_batch_norm
from cairnhub.training.losses.presets import PRESETS
from cairnhub.training.losses.rank_losses import PAPERS_STEP
from cairnhub.training.losses.registry import Loss, StepSettings, read_loss
from cairnhub.training.recipes.files import FOLDER, merged_settings, recipe_file, recipe_files
from cairnhub.training.recipes.settings import Augment, Batch, Network, Optimizer, Validation
from cairnhub.training.strict import Strict


class Recipe(Strict):
    """One training set-up: what can change the model, and nothing else."""

    network: Network
    loss: Annotated[SerializeAsAny[Loss], BeforeValidator(read_loss)]
    """Weighted terms, or the name of a preset."""
    step: StepSettings = PAPERS_STEP
    """Of every term that takes one and names none of its own."""
    batch: Batch
    augment: Augment = Augment()
    optimizer: Optimizer
    n_epochs: int = Field(ge=1)
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the network; ranks are computed in float32 always. float16 scales the loss."""
    validation: Validation | None = None
    """Early stopping; by default all epochs are made, on all images."""
    portable: bool = False
    """The same bits on every x86-64 machine (`core.portable`), at about three times the CPU; without a GPU."""

    @model_validator(mode="after")
    def _memory_is_of_use(self) -> "Recipe":
        if self.batch.memory and not self.loss.takes_references:
            terms = ", ".join(self.loss.terms)
            raise ValueError(f"batch.memory has no use for {terms}, which ranks nothing: set it to 0")
        if 0 < self.batch.memory < self.batch.size:
            raise ValueError(f"batch.memory must hold a batch of {self.batch.size} at least, or be 0")
        return self

    @model_validator(mode="after")
    def _frozen_sees_plain_views(self) -> "Recipe":
        if self.network.frozen == "all" and self.augment != Augment():
            raise ValueError(
                "augment has no use where network.frozen is all, whose vectors are computed once, of plain views: "
                "leave it out, or freeze some blocks only"
            )
        return self

    @model_validator(mode="after")
    def _chunks_are_exact(self) -> "Recipe":
        network = self.network
        is_frozen = network.frozen_batch_norm or network.frozen == "all"
        if self.batch.chunk and has_batch_norm(network.backbone) and not is_frozen:
            raise ValueError(
                "batch.chunk with live batch norm would train on the statistics of chunks: "
                "set network.frozen_batch_norm"
            )
        return self


def recipe_names(folder: Path = FOLDER) -> list[str]:
    """Names of all recipes, such as `small` and `sop/HAPPIER`."""
    names: list[str] = []
    for path in recipe_files(folder):
        names_loss = "loss" in merged_settings(path)
        names += [path.stem] if names_loss else [f"{path.stem}/{preset}" for preset in PRESETS]
    return names


def load_recipe(name: str, folder: Path = FOLDER) -> Recipe:
    """The settings of `<file>.yaml` with a loss.

    Args:
        name: `<file>/<preset>`, or `<file>` where the file names its loss.
        folder: of the files.

    Raises:
        CairnError: no such recipe, an unknown key or wrong value in it, or `extends` of a file that extends.
    """
    path, preset = recipe_file(name, folder), name.partition("/")[2]
    settings = merged_settings(path)
    if preset:
        settings["loss"] = preset
    if "loss" not in settings:
        raise BadInput(f"recipe {name!r} names no loss; write {name}/{' or /'.join(PRESETS)}")
    return typed(Recipe, settings, f"{path} as {name}" if preset else str(path))
