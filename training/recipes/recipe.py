"""Recipes: training set-ups in YAML, typed and checked before anything is loaded.

A file holds settings alone: what is in it can change the model. `sop/HAPPIER` trains by those of `sop.yaml` with the
preset HAPPIER; where the file names a loss itself, as `small.yaml` does, its name alone will do.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from cairnhub.core.errors import CairnError
from cairnhub.core.parse import parse_yaml, read_text, typed
from cairnhub.core.text import did_you_mean
from cairnhub.training.losses.presets import PRESETS
from cairnhub.training.losses.rank_losses import PAPERS_STEP
from cairnhub.training.losses.registry import Loss, StepSettings, read_loss
from cairnhub.training.recipes.settings import Augment, Batch, Network, Optimizer, Validation
from cairnhub.training.strict import Strict

FOLDER = Path(__file__).parent


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

    @model_validator(mode="after")
    def _memory_is_of_use(self) -> "Recipe":
        if self.batch.memory and not self.loss.takes_references:
            terms = ", ".join(self.loss.terms)
            raise ValueError(f"batch.memory has no use for {terms}, which ranks nothing: set it to 0")
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


def recipe_files(folder: Path = FOLDER) -> list[Path]:
    """The files of all recipes; `reported.yaml` beside them holds no settings."""
    return sorted(path for path in folder.glob("*.yaml") if path.name != "reported.yaml")


def recipe_names(folder: Path = FOLDER) -> list[str]:
    """Names of all recipes, such as `small` and `sop/HAPPIER`."""
    names: list[str] = []
    for path in recipe_files(folder):
        own = "loss" in _settings(path)
        names += [path.stem] if own else [f"{path.stem}/{preset}" for preset in PRESETS]
    return names


def files_of_recipe(name: str, folder: Path = FOLDER) -> list[Path]:
    """The files whose settings a recipe has: its own, and the one that it extends.

    Raises:
        CairnError: as for `load_recipe`.
    """
    path = _file_of(name, folder)
    base = _base_of(path, _read(path))
    return [path, base] if base else [path]


def load_recipe(name: str, folder: Path = FOLDER) -> Recipe:
    """The settings of `<file>.yaml` with a loss.

    Args:
        name: `<file>/<preset>`, or `<file>` where the file names its loss.
        folder: of the files.

    Raises:
        CairnError: no such recipe, an unknown key or wrong value in it, or `extends` of a file that extends.
    """
    path, preset = _file_of(name, folder), name.partition("/")[2]
    settings = _settings(path)
    if preset:
        settings["loss"] = preset
    if "loss" not in settings:
        raise CairnError(f"recipe {name!r} names no loss; write {name}/{' or /'.join(PRESETS)}")
    return typed(Recipe, settings, f"{path} as {name}" if preset else str(path))


def _file_of(name: str, folder: Path) -> Path:
    path = folder / f"{name.partition('/')[0]}.yaml"
    if path not in recipe_files(folder):
        known = recipe_names(folder)
        raise CairnError(
            f"no recipe {name!r} in {folder}{did_you_mean(name, known)}; there are: {', '.join(known)}"
        )
    return path


def _settings(path: Path) -> dict[str, object]:
    """The keys of a file, on top of those of the file that its `extends` names."""
    own = _read(path)
    base = _base_of(path, own)
    own.pop("extends", None)
    return _merged(_read(base), own) if base else own


def _base_of(path: Path, own: Mapping[str, object]) -> Path | None:
    """The file that another extends."""
    if "extends" not in own:
        return None
    base = path.parent / f"{own['extends']}.yaml"
    if base.parent != path.parent or not base.is_file():
        raise CairnError(f"{path}: extends: there is no {base}")
    if "extends" in _read(base):
        raise CairnError(f"{path}: extends: {base} extends another file; one level is allowed")
    return base


def _read(path: Path) -> dict[str, object]:
    raw = parse_yaml(read_text(path), str(path))
    if not isinstance(raw, dict):
        raise CairnError(f"{path}: holds no keys; see training/recipes/small.yaml")
    return raw


def _merged(shared: Mapping[str, object], own: Mapping[str, object]) -> dict[str, object]:
    """Own values over shared ones, key by key inside mappings too; a loss is named as a whole."""
    merged = dict(shared)
    for key, value in own.items():
        before = merged.get(key)
        both = isinstance(before, dict) and isinstance(value, dict) and key != "loss"
        merged[key] = {**before, **value} if both else value  # type: ignore[dict-item]
    return merged
