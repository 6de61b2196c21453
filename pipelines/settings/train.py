"""`train`: which recipe trains which dataset."""

from pydantic import Field

from cairnhub.pipelines.settings.strict import Strict, Workers


class Train(Strict):
    """Which recipe trains which dataset."""

    recipes: dict[str, str]
    """Dataset -> recipe: a file in the project's `recipes/`, else in `training/recipes/`."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    n_workers: Workers = 2
