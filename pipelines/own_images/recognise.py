"""What lies in somebody's folder of images, and where its labels stand."""

from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.text import quoted
from cairnhub.pipelines.own_images.coco_labels import read_coco
from cairnhub.pipelines.own_images.fiftyone_labels import is_fiftyone, read_fiftyone
from cairnhub.pipelines.own_images.folder_labels import is_image_folder, read_image_folder, require_classes
from cairnhub.pipelines.own_images.hugging_face_labels import is_hugging_face, read_hugging_face
from cairnhub.pipelines.own_images.label_rows import LabelRows
from cairnhub.pipelines.own_images.table_labels import read_elsewhere
from cairnhub.pipelines.settings.sources import FOLDERS

TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class InPlace:
    """Images that are read where and as they lie.

    Attributes:
        mirror: the folder that holds images and labels.
        labels: the table below it, or `folders`.
        images: folders below it.
    """

    mirror: Path
    labels: str
    images: tuple[str, ...] = (".",)


def recognise(images: Path, labels: Path | None) -> InPlace | LabelRows:
    """Say how images and labels lie, or read the labels into rows where the layout is a foreign one.

    Args:
        images: a folder, or a Parquet file.
        labels: a CSV, TSV or COCO JSON; None: the folder tells.

    Raises:
        CairnError: one of them is missing, they do not fit each other, or there is no image with a label.
    """
    if not images.exists():
        raise NotFound(f"no folder {images}: give the folder that holds the images with --images")
    if labels is not None:
        return _labelled(images, labels)
    if images.is_file():
        if is_hugging_face(images):
            return read_hugging_face(images)
        raise BadInput(f"{images}: no folder; give the folder that holds the images, or a Parquet file")
    if is_hugging_face(images):
        return read_hugging_face(images)
    if is_fiftyone(images):
        return read_fiftyone(images)
    tables = sorted(path.name for path in images.iterdir() if path.suffix.lower() in TABLES)
    if len(tables) > 1:
        raise BadInput(f"{images}: holds {quoted(tables, 5)}; name the one with the labels with --labels")
    if tables:
        return InPlace(images, tables[0])
    if is_image_folder(images):
        return read_image_folder(images)
    require_classes(images)
    return InPlace(images, FOLDERS)


def _labelled(images: Path, labels: Path) -> InPlace | LabelRows:
    if not labels.is_file():
        raise NotFound(f"{labels}: no such file; name a CSV, or a COCO JSON, with --labels")
    if not images.is_dir():
        raise BadInput(f"{images}: no folder; --labels goes with a folder of images")
    if labels.suffix == ".json":
        return read_coco(labels, images)
    if labels.suffix.lower() not in TABLES:
        raise BadInput(f"{labels}: neither a .csv or .tsv nor a COCO .json; save the labels as one of them")
    if labels.is_relative_to(images):
        return InPlace(images, labels.relative_to(images).as_posix())
    return read_elsewhere(labels, images)
