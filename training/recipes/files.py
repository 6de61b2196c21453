"""The files of recipes: which there are, what each extends. Needs no torch."""

from collections.abc import Mapping
from pathlib import Path

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.parse import parse_yaml, read_text, typed
from cairnhub.core.text import did_you_mean

FOLDER = Path(__file__).parent


def recipe_files(folder: Path = FOLDER) -> list[Path]:
    """The files of all recipes; a `reported.yaml` beside them holds no settings."""
    return sorted(path for path in folder.rglob("*.yaml") if path.name != "reported.yaml")


def recipe_stem(path: Path, folder: Path = FOLDER) -> str:
    """What the names of a file's recipes begin with, such as `small` or `happier/sop`."""
    return path.relative_to(folder).with_suffix("").as_posix()


def recipe_file(name: str, folder: Path = FOLDER) -> Path:
    """The file that a recipe's name begins with.

    Raises:
        CairnError: there is none.
    """
    return split_name(name, folder)[0]


def folder_of_recipe(name: str, own: Path) -> Path:
    """Where a recipe lies: among a project's own, which come first, or among those of the package."""
    stems = {recipe_stem(path, own) for path in recipe_files(own)}
    return own if {name, name.rpartition("/")[0]} & stems else FOLDER


def split_name(name: str, folder: Path = FOLDER) -> tuple[Path, str]:
    """The file that a recipe's name begins with, and what follows: a row of the file or a preset, or nothing.

    Raises:
        CairnError: there is no such file.
    """
    files = {recipe_stem(path, folder): path for path in recipe_files(folder)}
    for stem in (name, name.rpartition("/")[0]):
        if stem in files:
            return files[stem], name[len(stem) + 1 :]
    known = f"{did_you_mean(name.rpartition('/')[0] or name, files)}; there are: {', '.join(files)}"
    raise NotFound(f"no recipe {name!r}: no file {name.rpartition('/')[0] or name}.yaml in {folder}{known}")


def files_of_recipe(name: str, folder: Path = FOLDER) -> list[Path]:
    """The files whose settings a recipe has: its own, and the one that it extends.

    Raises:
        CairnError: there is no such file, or it extends a file that extends.
    """
    path = recipe_file(name, folder)
    base = _base_of(path, _read(path))
    return [path, base] if base else [path]


def rows_of(path: Path) -> dict[str, dict[str, object]]:
    """A file's rows: name -> what a recipe has in place of the file's settings.

    Raises:
        CairnError: they are no such mapping.
    """
    rows = typed(
        dict[str, dict[str, object]], merged_settings(path, with_rows=True).get("rows", {}), f"{path}: rows"
    )
    return {name: dict(row) for name, row in rows.items()}


def row_settings(path: Path, row: str) -> dict[str, object]:
    """The keys of a file with those of one of its rows on top."""
    return _merged(merged_settings(path), rows_of(path)[row])


def merged_settings(path: Path, with_rows: bool = False) -> dict[str, object]:
    """The keys of a file, on top of those of the file that its `extends` names; `rows` apart."""
    settings = _read(path)
    base = _base_of(path, settings)
    settings.pop("extends", None)
    merged = _merged(_read(base), settings) if base else settings
    return merged if with_rows else {key: value for key, value in merged.items() if key != "rows"}


def _base_of(path: Path, settings: Mapping[str, object]) -> Path | None:
    """The file that another extends: beside it, or one of the package."""
    if "extends" not in settings:
        return None
    named = f"{settings['extends']}.yaml"
    places = [folder / named for folder in (path.parent, FOLDER) if (folder / named).parent == folder]
    base = next(filter(Path.is_file, places), None)
    if base is None:
        raise BadInput(f"{path}: extends: there is no {path.parent / named}")
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
