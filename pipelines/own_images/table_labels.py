"""A table that does not lie in the folder of its images: a copy of it, whose paths lead from the project."""

from pathlib import Path

from cairnhub.core.errors import BadInput
from cairnhub.pipelines.declare import path_column
from cairnhub.pipelines.own_images.label_rows import PATH, LabelRows, require_present, text_rows
from cairnhub.pipelines.sources.csv_tables import read_csv


def read_elsewhere(labels: Path, images: Path) -> LabelRows:
    """Read a CSV whose paths are seen from the folder of images, or from its own folder.

    Args:
        labels: the CSV or TSV.
        images: the folder of images.

    Raises:
        CairnError: it has no column of paths, or leads to no image in the folder.
    """
    table = read_csv(labels, ())
    column = path_column([*map(str, table.columns)])
    if column != PATH and PATH in table.columns:
        raise BadInput(f"{labels}: columns {column!r} and {PATH!r} both say where an image is; rename one")
    rows = text_rows(table.rename(columns={column: PATH}), labels)
    rows[PATH] = [_below(name.strip(), labels.parent, images) for name in rows[PATH]]
    left_out = require_present(rows, images, labels)
    return LabelRows(rows, (), images, left_out=left_out)


def _below(name: str, beside: Path, images: Path) -> str:
    """A path as seen from the folder of images; as it is where it leads elsewhere."""
    for folder in (images, beside):
        path = folder / name
        if path.is_file() and path.is_relative_to(images):
            return path.relative_to(images).as_posix()
    return name
