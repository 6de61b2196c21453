"""`cairn init`: a project of somebody's own images, in a folder of their own; the installed package builds it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cairnhub.core.errors import BadInput
from cairnhub.core.files import replace_folder, write_text_atomic
from cairnhub.core.parse import parse_yaml, read_text
from cairnhub.datasets_hub.card import NAME
from cairnhub.pipelines.declare import Declaration, declared_source, n_classes
from cairnhub.pipelines.graph import write_graph
from cairnhub.pipelines.include import compact, dumped, usual_plan, warning_of, yaml_with_comments
from cairnhub.pipelines.own_images.label_rows import LabelRows
from cairnhub.pipelines.own_images.recognise import InPlace, recognise
from cairnhub.pipelines.params import Params, load_params, validate
from cairnhub.pipelines.paths import Paths
from cairnhub.training.recipes.files import recipe_file

FILES = Path(__file__).parent / "project_files"
SCALE = "sample"
SOURCE, LABELS, IMAGES = "source", "labels.csv", "images"


@dataclass(frozen=True)
class Made:
    """A project that was made.

    Attributes:
        declared: the entry under `sources`.
        proposes: whether its tree is proposed, for people to review.
        notes: what its owner should know, a sentence each.
    """

    declared: dict[str, Any]
    proposes: bool
    notes: tuple[str, ...]


def make_project(folder: Path, images: Path, labels: Path | None, said: Declaration) -> Made:
    """Make a project; nothing is left where it cannot be.

    Args:
        folder: of the project, absent or empty; its name is that of the dataset.
        images: a folder, or a Parquet file.
        labels: a CSV, TSV or COCO JSON; None: the folder tells.
        said: columns of labels and what is said of the tree.

    Raises:
        CairnError: the folder holds something or has no name for a dataset, or images and labels cannot be declared.
    """
    folder, images, labels = folder.absolute(), _straight(images), labels and _straight(labels)
    name = folder.name
    if not re.fullmatch(NAME, name):
        raise BadInput(
            f"{name!r} is no name for a dataset: small letters, digits, - and _, such as my_photos"
        )
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder}: a file; name a new or an empty folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise BadInput(
            f"{folder}: holds files already; name a new or an empty folder, or run `cairn include` in it"
        )
    found = recognise(images, labels)
    with replace_folder(folder) as new:
        mirror, said, notes = _bring(found, new, folder, said)
        declared = declared_source(said, mirror)
        declared, recipe = usual_plan(declared, said, n_classes(declared, mirror))
        where = SOURCE if isinstance(found, LabelRows) else os.path.relpath(mirror, folder)
        params = _write_params(new, name, declared, where, recipe)
        _write_files(new, name, params)
        write_graph(new)
        notes += tuple(filter(None, [warning_of(params, name, SCALE, new)]))
    return Made(declared, name in params.tree_from_text, notes)


def _straight(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  # `a/../b` made short, links kept


def _bring(
    found: InPlace | LabelRows, new: Path, folder: Path, said: Declaration
) -> tuple[Path, Declaration, tuple[str, ...]]:
    """The folder that is read, what is said of it, and notes; labels of a foreign layout become a CSV."""
    if isinstance(found, InPlace):
        return found.mirror, replace(said, labels=found.labels, images=found.images), ()
    source = new / SOURCE
    source.mkdir()
    if found.images is not None:
        (source / IMAGES).symlink_to(found.images, target_is_directory=True)
    elif found.write is not None:
        found.write(source / IMAGES)
    rows = found.rows.assign(path=f"{IMAGES}/" + found.rows["path"])
    rows.to_csv(source / LABELS, index=False, lineterminator="\n")
    said = replace(said, labels=LABELS, images=(IMAGES,), levels=said.levels or found.levels)
    told = f"{folder.name}/{SOURCE}/{LABELS} has the labels from now on ({len(rows):,} images)"
    return source, said, tuple(filter(None, [told, found.left_out]))


def _write_params(new: Path, name: str, declared: dict[str, Any], mirror: str, recipe: str) -> Params:
    yaml = yaml_with_comments()
    document = yaml.load(read_text(FILES / "params.yaml"))
    document["sources"] = {name: compact(declared)}
    for key in ("datasets", "tree_from_text" if "tree" in declared else "tree_from_data", "train_on"):
        document[key].append(name)
        document[key].fa.set_flow_style()
    document["fetch"][SCALE]["mirrors"][name] = mirror
    document["train"][SCALE]["recipes"][name] = name
    text = dumped(document, yaml)
    validate(Params, parse_yaml(text, "params.yaml"), "params.yaml")
    write_text_atomic(new / "params.yaml", text)
    write_text_atomic(Paths(new, SCALE, name).recipes / f"{name}.yaml", read_text(recipe_file(recipe)))
    return load_params(new / "params.yaml")


def _write_files(new: Path, name: str, params: Params) -> None:
    for target, source in ((".gitignore", "gitignore.txt"), (".dvcignore", "dvcignore.txt")):
        write_text_atomic(new / target, read_text(FILES / source))
    write_text_atomic(new / "README.md", read_text(FILES / "README.md").replace("{name}", name))
    if name in params.tree_from_text:
        write_text_atomic(Paths(new, SCALE, name).decisions, "")


def start_repositories(folder: Path) -> tuple[str, ...]:
    """Have git and DVC know a project, where they are installed and do not yet; says what could not be."""
    notes = []
    has_git = shutil.which("git") is not None
    if has_git and not _output(["git", "rev-parse", "--show-toplevel"], folder):
        _output(["git", "init", "-q"], folder)
    above = _output(["git", "rev-parse", "--show-toplevel"], folder) if has_git else ""
    if not above:
        notes.append("git keeps no history of it: git is not installed, or refuses the folder")
    if importlib.util.find_spec("dvc") is None:
        return (*notes, "DVC is not installed: `cairn build` builds it without")
    where = (
        [] if above and Path(above).resolve() == folder.resolve() else ["--subdir" if above else "--no-scm"]
    )
    if not (folder / ".dvc").is_dir():
        _output([sys.executable, "-m", "dvc", "init", "-q", *where], folder)
    if not (folder / ".dvc").is_dir():
        notes.append("`dvc init` failed in it: `cairn build` builds it without DVC")
    return tuple(notes)


def _output(command: list[str], folder: Path) -> str:
    """What a command prints; nothing where it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
