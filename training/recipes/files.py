"""The files of recipes: which there are, what each extends. Needs no torch."""

from collections.abc import Mapping
from pathlib import Path

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.parse import parse_yaml, read_text
from cairnhub.core.text import did_you_mean

FOLDER = Path(__file__).parent


def recipe_files(folder: Path = FOLDER) -> list[Path]:
    """The files of all recipes; `reported.yaml` beside them holds no settings."""
    return sorted(path for path in folder.glob("*.yaml") if path.name != "reported.yaml")


def recipe_file(name: str, folder: Path = FOLDER) -> Path:
    """The file that a recipe's name begins with.

    Raises:
        CairnError: there is none.
    """
    stem = name.partition("/")[0]
    files = {path.stem: path for path in recipe_files(folder)}
    if stem not in files:
        known = f"{did_you_mean(stem, files)}; there are: {', '.join(files)}"
        raise NotFound(f"no recipe {name!r}: no file {stem}.yaml in {folder}{known}")
    return files[stem]


def files_of_recipe(name: str, folder: Path = FOLDER) -> list[Path]:
    """The files whose settings a recipe has: its own, and the one that it extends.

    Raises:
        CairnError: there is no such file, or it extends a file that extends.
    """
    path = recipe_file(name, folder)
    base = _base_of(path, _read(path))
    return [path, base] if base else [path]


def merged_settings(path: Path) -> dict[str, object]:
    """The keys of a file, on top of those of the file that its `extends` names."""
    settings = _read(path)
    base = _base_of(path, settings)
    settings.pop("extends", None)
    return _merged(_read(base), settings) if base else settings


def _base_of(path: Path, settings: Mapping[str, object]) -> Path | None:
    """The file that another extends."""
    if "extends" not in settings:
        return None
    base = path.parent / f"{settings['extends']}.yaml"
    if base.parent != path.parent or not base.is_file():
        raise BadInput(f"{path}: extends: there is no {base}")
    if "extends" in _read(base):
        raise BadInput(f"{path}: extends: {base} extends another file; one level is allowed")
    return base


def _read(path: Path) -> dict[str, object]:
    raw = parse_yaml(read_text(path), str(path))
    if not isinstance(raw, dict):
        raise BadInput(f"{path}: holds no keys; see training/recipes/small.yaml")
    return raw


def _merged(shared: Mapping[str, object], settings: Mapping[str, object]) -> dict[str, object]:
    """Own values over shared ones, key by key inside mappings too; a loss is named as a whole."""
    merged = dict(shared)
    for key, value in settings.items():
        before = merged.get(key)
        both = isinstance(before, dict) and isinstance(value, dict) and key != "loss"
        merged[key] = {**before, **value} if both else value  # type: ignore[dict-item]
    return merged
