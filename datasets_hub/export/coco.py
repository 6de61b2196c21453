"""`coco`: images and one `<split>.json` per split, as COCO (Lin et al., ECCV 2014) has them, for classification.

Every node of a chosen level is a category whose `supercategory` is its parent's name. An image has one annotation, its
label on the finest chosen level, without a box; `labels` of the image has those of every level.
"""

import json
from pathlib import Path

from cairnhub.datasets_hub.export.exported_images import Selection
from cairnhub.datasets_hub.export.file_names import FileNames


def write_coco(folder: Path, selection: Selection) -> None:
    """Write `images/<split>/` and `annotations/<split>.json`."""
    categories, first = _categories(selection)
    finest = selection.levels[0]
    (folder / "annotations").mkdir()
    for split in selection.splits:
        names = FileNames()
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        place = folder / "images" / split
        place.mkdir(parents=True)
        for number, image in enumerate(selection.images(split), start=1):
            name = f"{names.name(image.stem)}.{image.ending}"
            (place / name).write_bytes(image.content)
            width, height = image.size_px
            size = {"id": number, "file_name": name, "width": width, "height": height}
            said = {"image_id": image.image_id, "labels": image.labels, "texts": image.texts}
            images.append({**said, **size})
            if image.codes[finest] >= 0:
                category = first[finest] + image.codes[finest]
                annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": category})
        card = selection.published.card
        content = {
            "info": {"description": card.title, "url": card.homepage or ""},
            "licenses": [{"id": 1, "name": card.licence, "url": card.licence_url or ""}],
            "images": images,
            "annotations": annotations,
            "categories": categories,
        }
        path = folder / "annotations" / f"{split}.json"
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8", newline="\n")


def _categories(selection: Selection) -> tuple[list[dict[str, object]], dict[str, int]]:
    """Categories of all chosen levels, fine to coarse, numbered from 1; and where each level begins."""
    tree = selection.tree
    categories: list[dict[str, object]] = []
    first: dict[str, int] = {}
    for level in selection.levels:
        first[level] = len(categories) + 1
        for name in selection.names(level):
            above = tree.ancestors(name, level)
            parent = above[0].name if above else ""
            category = {"id": len(categories) + 1, "name": name, "supercategory": parent, "level": level}
            categories.append(category)
    return categories, first
