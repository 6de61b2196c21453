"""`imagefolder`: a folder per split and class, and `metadata.jsonl` with ids and labels of every level.

`datasets.load_dataset(folder)` reads the metadata, `torchvision.datasets.ImageFolder` the folders of a split, which are
the classes of the finest chosen level; an image without a label lies in no class.
"""

import json
from pathlib import Path

import yaml

from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.export.exported_images import Selection
from cairnhub.datasets_hub.export.file_names import FileNames

FILE_NAME = "file_name"


def write_imagefolder(folder: Path, selection: Selection) -> None:
    """Write `<split>/<class>/<image>` and `<split>/metadata.jsonl`.

    Raises:
        BadInput: a column has the name by which the metadata know a file.
    """
    if FILE_NAME in (*selection.levels, *selection.published.card.texts):
        raise BadInput(
            f"{selection.name} has a column {FILE_NAME!r}, by which an imagefolder knows its files: take another format"
        )
    finest, names = selection.levels[0], FileNames()
    class_folders = [names.name(label) for label in selection.names(finest)]
    for split in selection.splits:
        _write_split(folder / split, selection, split, class_folders)
    files = [{"split": split, "path": f"{split}/**"} for split in selection.splits]
    head = yaml.safe_dump(
        {"configs": [{"config_name": "default", "data_files": files}]}, sort_keys=False, line_break="\n"
    )
    (folder / "README.md").write_text(f"---\n{head}---\n", encoding="utf-8", newline="\n")


def _write_split(folder: Path, selection: Selection, split: str, class_folders: list[str]) -> None:
    folder.mkdir()
    finest, names = selection.levels[0], FileNames()
    names.name("metadata.jsonl")
    with (folder / "metadata.jsonl").open("w", encoding="utf-8", newline="\n") as metadata:
        for image in selection.images(split):
            code = image.codes[finest]
            place = folder / class_folders[code] if code >= 0 else folder
            place.mkdir(exist_ok=True)
            path = place / f"{names.name(image.stem)}.{image.ending}"
            path.write_bytes(image.content)
            record = {FILE_NAME: path.relative_to(folder).as_posix(), "image_id": image.image_id}
            metadata.write(json.dumps({**record, **image.labels, **image.texts}, ensure_ascii=False) + "\n")
