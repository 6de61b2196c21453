"""Folders of classes inside folders of splits, as `ImageFolder` has them: `train/cat/1.jpg`."""

from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BadInput
from cairnhub.pipelines.own_images.label_rows import LabelRows, text_rows
from cairnhub.pipelines.sources.image_endings import is_image_name
from cairnhub.pipelines.split_names import VALIDATION

_SPLITS = ("train", "test", "query", "gallery", *VALIDATION)


def is_image_folder(folder: Path) -> bool:
    """Whether all folders in a folder have names of splits, and hold folders."""
    inside = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    named = bool(inside) and all(path.name.lower() in _SPLITS for path in inside)
    return named and all(any(each.is_dir() for each in path.iterdir()) for path in inside)


def read_image_folder(folder: Path) -> LabelRows:
    """Read split and class of each image from its folders.

    Raises:
        BadInput: no image in such folders.
    """
    rows = [
        (path.relative_to(folder).as_posix(), path.parent.name, path.relative_to(folder).parts[0])
        for path in sorted(folder.rglob("*"))
        if path.is_file() and is_image_name(path.name) and len(path.relative_to(folder).parts) > 2
    ]
    frame = pd.DataFrame(rows, columns=["path", "class", "split"])
    return LabelRows(text_rows(frame, folder), ["class"], folder)


def require_classes(folder: Path) -> None:
    """Refuse a folder whose images lie in no folders of classes.

    Raises:
        BadInput: there is no image, or none in a folder.
    """
    images = (path for path in folder.rglob("*") if path.is_file() and is_image_name(path.name))
    places = {path.parent == folder for path in images}
    if not places:
        raise BadInput(f"{folder}: no image in it; name the folder that holds the folders of classes")
    if places == {True}:
        raise BadInput(
            f"{folder}: its images lie in no folders of classes; put each class into a folder, or give a CSV with "
            "--labels"
        )
