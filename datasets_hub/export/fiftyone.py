"""`fiftyone`: a `FiftyOneImageClassificationDataset` per split, written without FiftyOne.

`labels.json` has the finest chosen level, with id and labels of every level as attributes of each classification;
`labels.<level>.json` has each level by itself, for a field of its own; `images.json` says which image a file is.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from cairnhub.datasets_hub.export.exported_images import ExportedImage, Selection
from cairnhub.datasets_hub.export.file_names import FileNames


def write_fiftyone(folder: Path, selection: Selection) -> None:
    """Write `<split>/data/`, `<split>/labels.json` and the other tables of each split."""
    finest = selection.levels[0]
    for split in selection.splits:
        place, names = folder / split, FileNames()
        (place / "data").mkdir(parents=True)
        images: dict[str, object] = {}
        main: dict[str, object] = {}
        by_level: dict[str, dict[str, object]] = {level: {} for level in selection.levels}
        for image in selection.images(split):
            uuid = names.name(image.stem)
            (place / "data" / f"{uuid}.{image.ending}").write_bytes(image.content)
            images[uuid] = {"image_id": image.image_id, "labels": image.labels, "texts": image.texts}
            main[uuid] = _classification(image, finest)
            for level in selection.levels:
                by_level[level][uuid] = image.labels[level]
        _write(place / "images.json", images)
        # With `classes`, FiftyOne takes targets for indices: these are names.
        _write(place / "labels.json", {"classes": None, "labels": main})
        for level, labels in by_level.items():
            _write(place / f"labels.{level}.json", {"classes": None, "labels": labels})


def _classification(image: ExportedImage, level: str) -> dict[str, object] | None:
    label = image.labels[level]
    if label is None:
        return None
    return {"label": label, "attributes": {"image_id": image.image_id, **image.labels}}


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
