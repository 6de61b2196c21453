"""Google Landmarks Dataset v2 in small: its folders, tars, CSVs and md5 files, with drawings for photographs.

Layout (as at the dataset's public address):
    metadata/*.csv, ground_truth/{retrieval,recognition}_solution_v2.1.csv,
    {train,index,test}/images_NNN.tar with members a/b/c/<id>.jpg (a, b, c: first hex digits of the id),
    md5sum/<split>/md5.images_NNN.txt.
Landmark ids of train and index are different spaces: the same number means different landmarks.
"""

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import quote

from cairnhub.pipelines.samples.shapes.packing import hex_id, write_bytes, write_csv, write_tar
from cairnhub.pipelines.samples.shapes.scenes import draw

FACTS = Path(__file__).with_name("landmarks.tsv")
N_TARS = {"train": 4, "index": 3, "test": 2}
N_UNKNOWN = 6  # test photographs of what is neither in train nor in index
CLEAN_SHARE = 0.85
LICENSES = (
    "https://creativecommons.org/licenses/by-sa/3.0/",
    "https://creativecommons.org/licenses/by/2.0/",
    "https://creativecommons.org/publicdomain/zero/1.0/",
)
AUTHORS = (
    "Zoë Ångström",
    "J. Müller, K. Weiß",
    'Anna "Anouk" Petit',
    "Pedro Núñez",
    "山田花子",
    "Wojtek Łęcki",
)


@dataclass(frozen=True)
class Landmark:
    """One row of the facts; `title` is the Commons category, stray spaces included."""

    split: str
    landmark_id: int
    title: str
    supercategory: str
    hierarchical_label: str
    natural_or_human_made: str
    scene: str

    @property
    def category_url(self) -> str:
        """The Commons category as GLDv2 writes it: underscores for spaces, percent-encoded UTF-8."""
        return "http://commons.wikimedia.org/wiki/Category:" + _encoded(self.title)


@dataclass(frozen=True)
class Photograph:
    """One image: `landmark` is what it shows, None for something unknown to the dataset."""

    image_id: str
    landmark: Landmark | None
    number: int
    content: bytes

    @property
    def member(self) -> str:
        """Its name inside a tar."""
        return "/".join((*self.image_id[:3], f"{self.image_id}.jpg"))


def write(folder: Path) -> None:
    """Write the whole sample into `folder`."""
    landmarks = read_landmarks()
    train = _photographs("train", [(mark, 10) for mark in landmarks if mark.split == "train"])
    index = _photographs("index", [(mark, 7) for mark in landmarks if mark.split == "index"])
    test = _test_photographs(landmarks)
    _write_train_tables(folder / "metadata", train)
    write_csv(folder / "metadata/index.csv", ["id"], [[photo.image_id] for photo in index])
    write_csv(
        folder / "metadata/index_image_to_landmark.csv",
        ["id", "landmark_id"],
        [[photo.image_id, _landmark_id(photo)] for photo in index],
    )
    write_csv(folder / "metadata/test.csv", ["id"], [[photo.image_id] for photo in test])
    for split in ("train", "index"):
        _write_label_tables(folder / "metadata", split, [mark for mark in landmarks if mark.split == split])
    _write_ground_truth(folder / "ground_truth", landmarks, index, test)
    for split, photos in (("train", train), ("index", index), ("test", test)):
        _write_tars(folder, split, photos)


def read_landmarks() -> list[Landmark]:
    """The facts: real landmarks, their mined type and the label that H-GLDv2 gives the type."""
    with FACTS.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return [Landmark(row[0], int(row[1]), *row[2:]) for row in rows]


def _photographs(split: str, wanted: Iterable[tuple[Landmark, int]]) -> list[Photograph]:
    photos = [
        Photograph(
            hex_id("gldv2", split, mark.title, number),
            mark,
            number,
            draw(mark.scene, mark.title, f"{split}/{number}"),
        )
        for mark, count in wanted
        for number in range(count)
    ]
    return sorted(photos, key=lambda photo: photo.image_id)


def _test_photographs(landmarks: list[Landmark]) -> list[Photograph]:
    """Queries of every index landmark, a few of train landmarks, a few of things unknown to both."""
    rng = Random("gldv2/test")
    queries = [(mark, rng.choice((2, 2, 3))) for mark in landmarks if mark.split == "index"]
    indexed = {mark.title for mark, _ in queries}
    others = [mark for mark in landmarks if mark.split == "train" and mark.title not in indexed]
    known = _photographs("test", queries + [(mark, 1) for mark in rng.sample(others, 8)])
    unknown = [
        Photograph(
            hex_id("gldv2", "test", "unknown", number),
            None,
            number,
            draw("museum", f"unknown {number}", "test"),
        )
        for number in range(N_UNKNOWN)
    ]
    return sorted(known + unknown, key=lambda photo: photo.image_id)


def _write_train_tables(metadata: Path, train: list[Photograph]) -> None:
    rng = Random("gldv2/train tables")
    rows: list[list[str | int]] = []
    attribution, clean = [], dict[int, list[str]]()
    for photo in train:
        mark_id, title = _landmark_id(photo), _title(photo)
        shard = hashlib.md5(title.encode()).hexdigest()[:2]
        url = f"https://upload.wikimedia.org/wikipedia/commons/{shard[0]}/{shard}/{_encoded(title)}"
        page = f"https://commons.wikimedia.org/wiki/File:{_encoded(title)}"
        rows.append([photo.image_id, url, mark_id])
        attribution.append([photo.image_id, page, rng.choice(AUTHORS), rng.choice(LICENSES), f"File:{title}"])
        if rng.random() < CLEAN_SHARE:
            clean.setdefault(mark_id, []).append(photo.image_id)
    write_csv(metadata / "train.csv", ["id", "url", "landmark_id"], rows)
    write_csv(metadata / "train_attribution.csv", ["id", "url", "author", "license", "title"], attribution)
    write_csv(
        metadata / "train_clean.csv",
        ["landmark_id", "images"],
        [[mark_id, " ".join(ids)] for mark_id, ids in sorted(clean.items())],
    )


def _write_label_tables(metadata: Path, split: str, landmarks: list[Landmark]) -> None:
    write_csv(
        metadata / f"{split}_label_to_category.csv",
        ["landmark_id", "category"],
        [[mark.landmark_id, mark.category_url] for mark in landmarks],
    )
    write_csv(
        metadata / f"{split}_label_to_hierarchical.csv",
        ["landmark_id", "category", "supercategory", "hierarchical_label", "natural_or_human_made"],
        [
            [
                mark.landmark_id,
                mark.category_url,
                mark.supercategory,
                mark.hierarchical_label,
                mark.natural_or_human_made,
            ]
            for mark in landmarks
        ],
    )


def _write_ground_truth(
    folder: Path, landmarks: list[Landmark], index: list[Photograph], test: list[Photograph]
) -> None:
    """Retrieval answers are index images, recognition answers are train landmarks; each may be lacking."""
    usage = Random("gldv2/usage")
    shown_in_index: dict[str, list[str]] = {}
    for photo in index:
        shown_in_index.setdefault(_subject(photo), []).append(photo.image_id)
    train_ids = {mark.title: str(mark.landmark_id) for mark in landmarks if mark.split == "train"}
    retrieval, recognition = [], []
    for photo in test:
        side = usage.choice(("Public", "Private"))
        answers = shown_in_index.get(_subject(photo), [])
        retrieval.append([photo.image_id, " ".join(answers) or "None", side if answers else "Ignored"])
        recognition.append([photo.image_id, train_ids.get(_subject(photo), ""), side])
    write_csv(folder / "retrieval_solution_v2.1.csv", ["id", "images", "Usage"], retrieval)
    write_csv(folder / "recognition_solution_v2.1.csv", ["id", "landmarks", "Usage"], recognition)


def _write_tars(folder: Path, split: str, photos: list[Photograph]) -> None:
    for number in range(N_TARS[split]):
        tar = folder / split / f"images_{number:03d}.tar"
        write_tar(tar, [(photo.member, photo.content) for photo in photos[number :: N_TARS[split]]])
        md5 = hashlib.md5(tar.read_bytes()).hexdigest()
        write_bytes(folder / f"md5sum/{split}/md5.{tar.stem}.txt", f"{md5}  {tar.name}\n".encode())


def _landmark_id(photo: Photograph) -> int:
    return photo.landmark.landmark_id if photo.landmark else -1


def _subject(photo: Photograph) -> str:
    return photo.landmark.title if photo.landmark else ""


def _title(photo: Photograph) -> str:
    place = " ".join(_subject(photo).replace("/", " - ").split())
    return f"{place}, {1990 + photo.number} view {photo.number}.jpg"


def _encoded(title: str) -> str:
    return quote(title.replace(" ", "_"), safe="/:,()'!*~;@$-._")
