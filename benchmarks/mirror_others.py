"""Mirrors of iNaturalist-2018, Stanford Online Products and DyML-Product: their archives and lists."""

import gzip
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mirror_parts import (
    SAMPLE,
    Plan,
    image_name,
    long_tail,
    picture_of,
    place,
    rows_of,
    scattered,
    tar_into,
    whole,
)
from tiny_pictures import TinyPictures

INAT_IMAGES = {"train": 325_846, "test": 136_093}
INAT_LABELS = {
    "kingdom": 5,
    "phylum": 23,
    "class": 54,
    "order": 249,
    "family": 961,
    "genus": 3_438,
    "name": 5_690,
}
"""Of the training split: with these, the species are dealt out."""
INAT_VALIDATION = 3
"""Images of each species that stand in `val2018.json`."""
SOP_IMAGES = {"train": 59_551, "test": 60_502}
SOP_PRODUCTS = {"train": 11_318, "test": 11_316}
SOP_CATEGORIES = ("bicycle", "cabinet", "chair", "coffee_maker", "fan", "kettle", "lamp", "mug", "sofa", "stapler",
                  "table", "toaster")  # fmt: skip
DYML_IMAGES = {"train": 747_100, "test": 1_500}
DYML_LABELS = {"train": (1_639, 171, 36), "test": (315, 37, 6)}
"""Fine, middle and coarse."""


# ---- archives ------------------------------------------------------------------------------------------------


def write_tar_gz(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """A gzipped tar, unless it is there."""
    if path.exists():
        return
    with (
        whole(path) as part,
        part.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
        io.BufferedWriter(packed, 1 << 20) as file,  # type: ignore[arg-type]
    ):
        tar_into(file, members)


def write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """A zip of stored members, unless it is there."""
    if path.exists():
        return
    with whole(path) as part, zipfile.ZipFile(part, "w") as archive:
        for name, content in members:
            entry = zipfile.ZipInfo(name)  # dated 1980
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, content)


# ---- iNaturalist-2018 ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Photo:
    """One image of iNaturalist-2018."""

    number: int
    category: int
    file_name: str


def write_inat2018(plan: Plan) -> None:
    """One archive of images, the competition's annotations, and the retrieval papers' splits."""
    species = _species(plan)
    photos: dict[str, list[Photo]] = {}
    for split, chosen in _dealt_out(species).items():
        n_images = max(plan.part(INAT_IMAGES[split]), 2 * len(chosen))
        photos[split] = list(_photos(plan, split, chosen, n_images, species))
        lines = "".join(f"{photo.file_name}\n" for photo in photos[split])
        with whole(plan.folder / f"Inat_dataset_splits/Inaturalist_{split}_set1.txt") as part:
            part.write_text(lines)
    categories = [{"id": number, **ranks} for number, ranks in enumerate(species)]
    _json_tar(plan.folder / "categories.json.tar.gz", "categories.json", categories)
    for name, some in zip(("val2018", "train2018"), _annotated(photos), strict=True):
        _json_tar(plan.folder / f"{name}.json.tar.gz", f"{name}.json", _annotations(some, categories))
    pictures = TinyPictures(plan.seed)
    members = (
        (photo.file_name, picture_of(pictures, split, photo.number))
        for split, of_split in photos.items()
        for photo in of_split
    )
    write_tar_gz(plan.folder / "train_val2018.tar.gz", members)


def _species(plan: Plan) -> list[dict[str, str]]:
    """Name and ranks of every species, by its id."""
    ranks = (*INAT_LABELS, "supercategory")
    if plan.reference:
        rows = rows_of(plan.reference / "inat2018_categories_named.csv")
    else:
        rows = rows_of(SAMPLE / "inat2018/species.tsv")
    return [{rank: row[rank] for rank in ranks} for row in rows]


def _dealt_out(species: Sequence[dict[str, str]]) -> dict[str, list[int]]:
    """Species of training and test: as many labels of each rank in training as published, of 8,142 species.

    From the coarsest rank down, the smallest labels go to the test whole, but for the last below a label; then single
    species of the genera that have more than one. Of fewer species a third is the test.
    """
    ranks = list(INAT_LABELS)
    paths = [
        [tuple(one[rank] for rank in ranks[: depth + 1]) for depth in range(len(ranks))] for one in species
    ]
    is_published = len(species) == 8_142
    train = set(range(len(species)))
    for depth, rank in enumerate(ranks):
        sizes = Counter(paths[i][depth] for i in sorted(train))
        below = Counter(path[:-1] for path in sizes)
        wanted = (
            INAT_LABELS[rank] if is_published else len(sizes) - len(sizes) // 3 * (depth == len(ranks) - 1)
        )
        gone = set()
        for path in sorted(sizes, key=lambda path: (sizes[path], path)):
            if len(sizes) - len(gone) > wanted and (depth == 0 or below[path[:-1]] > 1):
                gone.add(path)
                below[path[:-1]] -= 1
        train -= {i for i in train if paths[i][depth] in gone}
    return {"train": sorted(train), "test": sorted(set(range(len(species))) - train)}


def _photos(
    plan: Plan, split: str, chosen: Sequence[int], n_images: int, species: Sequence[dict[str, str]]
) -> Iterator[Photo]:
    order = scattered(len(chosen))
    number = 0
    for rank, count in enumerate(long_tail(len(chosen), n_images).tolist()):
        category = chosen[order(rank)]
        for _ in range(count):
            name = image_name(plan.seed, f"inat2018 {split}", number, 32)
            yield Photo(
                number, category, f"train_val2018/{species[category]['supercategory']}/{category}/{name}.jpg"
            )
            number += 1


def _annotated(photos: dict[str, list[Photo]]) -> tuple[list[Photo], list[Photo]]:
    """The images of the two annotation files."""
    seen = Counter[int]()
    files: tuple[list[Photo], list[Photo]] = ([], [])
    for of_split in photos.values():
        for photo in of_split:
            files[seen[photo.category] >= INAT_VALIDATION].append(photo)
            seen[photo.category] += 1
    return files


def _annotations(photos: Sequence[Photo], categories: list[dict[str, Any]]) -> dict[str, Any]:
    images = [
        {
            "id": number,
            "file_name": photo.file_name,
            "width": 16,
            "height": 16,
            "license": 1 + number % 2,
            "rights_holder": f"{place(photo.number % 900)} {place(photo.number % 6_000)}",
        }
        for number, photo in enumerate(photos)
    ]
    return {
        "info": {"year": 2018, "description": "Tiny pictures, not photographs"},
        "images": images,
        "licenses": [
            {"id": 1, "name": "Attribution-NonCommercial License", "url": ""},
            {"id": 2, "name": "Attribution License", "url": ""},
        ],
        "annotations": [
            {"id": number, "image_id": number, "category_id": photo.category}
            for number, photo in enumerate(photos)
        ],
        "categories": categories,
    }


def _json_tar(path: Path, name: str, content: object) -> None:
    write_tar_gz(path, [(name, json.dumps(content, ensure_ascii=False).encode())])


# ---- Stanford Online Products --------------------------------------------------------------------------------


def write_sop(plan: Plan) -> None:
    """One zip with lists and images; numbers run through training, then test."""
    header = "image_id class_id super_class_id path\n"
    lists = {"train": [header], "test": [header], "info": [header]}
    members: list[tuple[str, str, int]] = []
    class_id = 0
    for split in SOP_IMAGES:
        n_products = plan.part(SOP_PRODUCTS[split], len(SOP_CATEGORIES))
        for count in long_tail(n_products, max(plan.part(SOP_IMAGES[split]), 2 * n_products)).tolist():
            class_id += 1
            category = class_id % len(SOP_CATEGORIES)
            for number in range(count):
                path = f"{SOP_CATEGORIES[category]}_final/{110_000_000_000 + class_id}_{number}.JPG"
                members.append((path, split, len(members)))
                line = f"{len(members)} {class_id} {category + 1} {path}\n"
                lists[split].append(line)
                lists["info"].append(line)
    top, pictures = "Stanford_Online_Products", TinyPictures(plan.seed)

    def packed() -> Iterator[tuple[str, bytes]]:
        for name, lines in lists.items():
            yield f"{top}/Ebay_{name}.txt", "".join(lines).encode()
        for path, split, number in members:
            yield f"{top}/{path}", picture_of(pictures, split, number)

    write_zip(plan.folder / f"{top}.zip", packed())


# ---- DyML-Product --------------------------------------------------------------------------------------------


def write_dyml_product(plan: Plan) -> None:
    """One zip with two label files, whose first record is glued to the header, and numbered images."""
    pictures = TinyPictures(plan.seed)

    def packed() -> Iterator[tuple[str, bytes]]:
        for split, folder in (("train", "train"), ("test", "mini-bmk_all_in_one")):
            n_fine, n_middle, n_coarse = (plan.part(count, 6) for count in DYML_LABELS[split])
            counts = long_tail(n_fine, max(plan.part(DYML_IMAGES[split]), 2 * n_fine))
            fine = np.repeat(np.arange(n_fine), counts).tolist()
            rows = (
                f"{number}.jpg, {mark % n_middle % n_coarse}, {mark % n_middle}, {mark}\n"
                for number, mark in enumerate(fine)
            )
            yield f"{folder}/label.csv", ("fname, coarse_id, middle_id, fine_id" + "".join(rows)).encode()
            for number in range(len(fine)):
                yield f"{folder}/imgs/{number}.jpg", picture_of(pictures, split, number)

    write_zip(plan.folder / "dyml_product.zip", packed())
