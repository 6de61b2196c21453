"""iNaturalist-2018 in small: the archives of its images and COCO-style annotations, and its retrieval splits.

Layout (as the competition and the retrieval papers publish it):
    train_val2018.tar.gz        members train_val2018/<supercategory>/<category id>/<32 hex>.jpg
    {train,val}2018.json.tar.gz member <split>2018.json: info, images, licenses, annotations, categories
    categories.json.tar.gz      member categories.json: the list of categories with their ranks, by id
    Inat_dataset_splits/Inaturalist_{train,test}_set1.txt   one path of an image per line
The retrieval splits deal out species (test species are new), across the images of both train2018 and val2018.
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from cairnhub.pipelines.samples.shapes.canvas import IMAGE_SIDE_PX
from cairnhub.pipelines.samples.shapes.packing import hex_id, write_bytes, write_tar_gz
from cairnhub.pipelines.samples.shapes.scenes import draw

FACTS = Path(__file__).with_name("species.tsv")
N_IMAGES = 8  # per species, of which
N_VAL = 2  # are listed in val2018.json
RIGHTS_HOLDERS = ("Ana Peña", "J. O'Neill", "Łukasz Żak", "中村 葵", "Mary-Ann Smith")
LICENSES = [
    {"id": 1, "name": "Attribution-NonCommercial License", "url": "http://creativecommons.org/licenses/by-nc/4.0/"},
    {"id": 2, "name": "Attribution License", "url": "http://creativecommons.org/licenses/by/4.0/"},
]  # fmt: skip


@dataclass(frozen=True)
class Species:
    """One category: its ranks, the retrieval split it belongs to, how it is drawn."""

    category_id: int
    ranks: dict[str, str]
    retrieval_split: str
    scene: str


@dataclass(frozen=True)
class Photograph:
    """One image; `file_name` is its member in the archive and its path in every list."""

    species: Species
    number: int
    file_name: str


def write(folder: Path) -> None:
    """Write the whole sample into `folder`."""
    species = read_species()
    photos = sorted(
        (
            Photograph(kind, number, _file_name(kind, number))
            for kind in species
            for number in range(N_IMAGES)
        ),
        key=lambda photo: photo.file_name,
    )
    pictures = [
        (
            photo.file_name,
            draw(photo.species.scene, photo.species.ranks["name"], str(photo.number)),
        )
        for photo in photos
    ]
    write_tar_gz(folder / "train_val2018.tar.gz", pictures)
    categories = [{"id": kind.category_id, **kind.ranks} for kind in species]
    _write_json(folder, "categories", categories)
    for split, first, last in (("train2018", N_VAL, N_IMAGES), ("val2018", 0, N_VAL)):
        chosen = [photo for photo in photos if first <= photo.number < last]
        _write_json(folder, split, _annotations(split, chosen, categories))
    for split in ("train", "test"):
        lines = [f"{photo.file_name}\n" for photo in photos if photo.species.retrieval_split == split]
        write_bytes(folder / f"Inat_dataset_splits/Inaturalist_{split}_set1.txt", "".join(lines).encode())


def read_species() -> list[Species]:
    """The facts: real species and their taxonomy; ids follow their order."""
    with FACTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    drawing = ("retrieval_split", "scene")
    return [
        Species(
            number,
            {rank: name for rank, name in row.items() if rank not in drawing},
            row["retrieval_split"],
            row["scene"],
        )
        for number, row in enumerate(rows)
    ]


def _file_name(kind: Species, number: int) -> str:
    image = hex_id("inat2018", kind.ranks["name"], number, length=32)
    return f"train_val2018/{kind.ranks['supercategory']}/{kind.category_id}/{image}.jpg"


# The published format is free-form JSON: Any ends here.
def _annotations(split: str, photos: list[Photograph], categories: list[dict[str, Any]]) -> dict[str, Any]:
    rng = Random(f"inat2018/{split}")
    first_id = 1 if split == "train2018" else 100_001
    images = [
        {
            "id": number,
            "file_name": photo.file_name,
            "width": IMAGE_SIDE_PX,
            "height": IMAGE_SIDE_PX,
            "license": rng.choice((1, 1, 2)),
            "rights_holder": rng.choice(RIGHTS_HOLDERS),
        }
        for number, photo in enumerate(photos, first_id)
    ]
    annotations = [
        {"id": number, "image_id": number, "category_id": photo.species.category_id}
        for number, photo in enumerate(photos, first_id)
    ]
    return {
        "info": {"year": 2018, "version": "sample", "description": "Drawings, not photographs"},
        "images": images,
        "licenses": LICENSES,
        "annotations": annotations,
        "categories": categories,
    }


def _write_json(folder: Path, name: str, content: object) -> None:
    text = json.dumps(content, ensure_ascii=False)
    write_tar_gz(folder / f"{name}.json.tar.gz", [(f"{name}.json", text.encode())])
