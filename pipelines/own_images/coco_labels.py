"""COCO's JSON of annotations: the category of an image is its label, the supercategory the next."""

from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict

from cairnhub.core.parse import read_json
from cairnhub.pipelines.own_images.label_rows import LabelRows, require_present, text_rows


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Image(_Part):
    id: int | str
    file_name: str


class _Annotation(_Part):
    image_id: int | str
    category_id: int | str


class _Category(_Part):
    id: int | str
    name: str
    supercategory: str = ""


class _Coco(_Part):
    images: tuple[_Image, ...]
    annotations: tuple[_Annotation, ...]
    categories: tuple[_Category, ...]


def read_coco(path: Path, images: Path) -> LabelRows:
    """Read images that show one category; those that show none or several have no single label.

    Args:
        path: the JSON.
        images: the folder that its `file_name` are seen from.

    Raises:
        CairnError: it is no such JSON, has no image of one category, or none of its images is there.
    """
    read = read_json(path, _Coco)
    categories = {each.id: each for each in read.categories}
    shown: dict[int | str, set[int | str]] = {}
    for each in read.annotations:
        shown.setdefault(each.image_id, set()).add(each.category_id)
    rows = []
    for image in read.images:
        found = [categories[name] for name in shown.get(image.id, ()) if name in categories]
        if len(found) == 1:
            rows.append((image.file_name, found[0].name, found[0].supercategory))
    frame = text_rows(pd.DataFrame(rows, columns=["path", "category", "supercategory"]), path)
    levels = ["category", "supercategory"]
    if (frame["supercategory"] == "").any() or frame["supercategory"].nunique() == 1:
        frame, levels = frame.drop(columns="supercategory"), levels[:1]
    n = len(read.images) - len(frame)
    several = f"{n:,} images without a category, or with several, are left out" if n else ""
    left_out = "; ".join(filter(None, [several, require_present(frame, images, path)]))
    return LabelRows(frame, levels, images, left_out=left_out)
