"""Recipes: training set-ups in YAML, typed and checked before anything is loaded.

A file holds settings alone: what is in it can change the model. `happier/sop/HAPPIER` trains by those of
`happier/sop.yaml` with its row HAPPIER on top; `table/SupAP` by those of `table.yaml` with the preset SupAP as loss;
where the file names a loss itself, as `small.yaml` does, its name alone will do.
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
from cairnhub.training.recipes.files import (
    FOLDER,
    merged_settings,
    recipe_files,
    recipe_stem,
    row_settings,
    rows_of,
    split_name,
)
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
    """Names of all recipes, such as `small` and `happier/sop/HAPPIER`."""
    names: list[str] = []
    for path in recipe_files(folder):
        stem, rows = recipe_stem(path, folder), rows_of(path)
        is_whole = not rows and "loss" in merged_settings(path)
        names += [stem] if is_whole else [f"{stem}/{row}" for row in rows or PRESETS]
    return names


def load_recipe(name: str, folder: Path = FOLDER) -> Recipe:
    """The settings of a file, with those of a row or with a preset as loss.

    Args:
        name: `<file>/<row>`, `<file>/<preset>`, or `<file>` where the file names its loss.
        folder: of the files.

    Raises:
        CairnError: no such recipe, an unknown key or wrong value in it, or `extends` of a file that extends.
    """
    path, variant = split_name(name, folder)
    rows = rows_of(path)
    settings = row_settings(path, variant) if variant in rows else merged_settings(path)
    if variant and variant not in rows:
        settings["loss"] = variant
    if "loss" not in settings:
        raise BadInput(f"recipe {name!r} names no loss; write {name}/{' or /'.join(rows or PRESETS)}")
    return typed(Recipe, settings, f"{path} as {name}" if variant else str(path))
