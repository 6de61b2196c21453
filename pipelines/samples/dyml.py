r"""DyML animal, vehicle and product in small: image folders and CSVs with the fault of the published ones.

Layout (as the authors' archives unpack, and as public readers of them expect):
    train/label.csv, train/imgs/<n>.jpg
    animal, vehicle: bmk_{fine,middle,coarse}/{query,gallery}.csv, bmk_<level>/{query,gallery}/<n>.jpg
    product: mini-bmk_all_in_one/label.csv, mini-bmk_all_in_one/imgs/<n>.jpg
Every CSV separates fields by ", " and lacks the line break after its header: the first record, always image
0.jpg, is glued to the last column's name. `label.csv` begins

    fname, coarse_id, middle_id, fine_id0.jpg, 2, 11, 103\n1.jpg, 2, 11, 103\n

and a benchmark's `query.csv` or `gallery.csv` (labels are those of its level)

    fname, labels0.jpg, 103\n1.jpg, 103\n

so that pandas shows columns "fname", " coarse_id", " middle_id", " fine_id0.jpg" (or "fname",
" labels0.jpg"), then the first record's labels as further, empty columns, and image 0.jpg is lost. Labels are
numbers; the fine classes of the test are not those of train, middle and coarse ones are shared.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cairnhub.pipelines.samples.shapes.packing import write_bytes
from cairnhub.pipelines.samples.shapes.scenes import draw

TREES: dict[str, dict[str, tuple[str, ...]]] = {
    "animal": {
        "bird": ("duck", "owl", "heron"),
        "mammal": ("dog", "cat", "squirrel"),
        "insect": ("butterfly", "beetle", "dragonfly"),
    },
    "vehicle": {"cars": ("car", "van"), "heavy": ("bus", "lorry"), "two-wheeled": ("motorcycle", "bicycle")},
    "product": {"furniture": ("chair", "lamp"), "fashion": ("shoe", "bag"), "packed": ("bottle", "box")},
}
N_FINE_TRAIN, N_FINE_TEST = 3, 2  # fine classes per middle class
N_TRAIN, N_QUERY, N_GALLERY = 8, 1, 3  # images per fine class
LEVELS = ("fine", "middle", "coarse")


@dataclass(frozen=True)
class Fine:
    """One fine class with the numbers of its three levels."""

    scene: str
    subject: str
    fine: int
    middle: int
    coarse: int

    def label(self, level: str) -> int:
        """The class number at `level`, one of `LEVELS`."""
        return {"fine": self.fine, "middle": self.middle, "coarse": self.coarse}[level]


def write_animal(folder: Path) -> None:
    """Write DyML-Animal."""
    _write(folder, "animal")


def write_vehicle(folder: Path) -> None:
    """Write DyML-Vehicle."""
    _write(folder, "vehicle")


def write_product(folder: Path) -> None:
    """Write DyML-Product."""
    _write(folder, "product")


def _write(folder: Path, name: str) -> None:
    train, test = _classes(name)
    _write_labelled(folder / "train", "train", train, N_TRAIN)
    if name == "product":
        _write_labelled(folder / "mini-bmk_all_in_one", "test", test, N_QUERY + N_GALLERY)
        return
    for level in LEVELS:
        for part, count in (("query", N_QUERY), ("gallery", N_GALLERY)):
            photos = [(kind, f"{level}/{part}/{number}") for number in range(count) for kind in test]
            names = _write_images(folder / f"bmk_{level}" / part, photos)
            rows = [(file, kind.label(level)) for file, (kind, _) in zip(names, photos, strict=True)]
            _write_glued(folder / f"bmk_{level}" / f"{part}.csv", ("fname", "labels"), rows)


def _classes(name: str) -> tuple[list[Fine], list[Fine]]:
    """Train and test classes: the same coarse and middle classes, other fine ones."""
    train: list[Fine] = []
    test: list[Fine] = []
    scenes = [(coarse, scene) for coarse, group in enumerate(TREES[name].values()) for scene in group]
    for middle, (coarse, scene) in enumerate(scenes):
        for number in range(N_FINE_TRAIN + N_FINE_TEST):
            fine = 100 + middle * (N_FINE_TRAIN + N_FINE_TEST) + number
            kind = Fine(scene, f"dyml/{name}/{fine}", fine, 10 + middle, coarse)
            (train if number < N_FINE_TRAIN else test).append(kind)
    return train, test


def _write_labelled(folder: Path, split: str, classes: list[Fine], count: int) -> None:
    photos = [(kind, f"{split}/{number}") for number in range(count) for kind in classes]
    names = _write_images(folder / "imgs", photos)
    rows = [
        (file, kind.coarse, kind.middle, kind.fine) for file, (kind, _) in zip(names, photos, strict=True)
    ]
    _write_glued(folder / "label.csv", ("fname", "coarse_id", "middle_id", "fine_id"), rows)


def _write_images(folder: Path, photos: Iterable[tuple[Fine, str]]) -> list[str]:
    names = []
    for number, (kind, photograph) in enumerate(photos):
        names.append(f"{number}.jpg")
        write_bytes(folder / names[-1], draw(kind.scene, kind.subject, photograph))
    return names


def _write_glued(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str | int, ...]]) -> None:
    """Header and first record on one line, nothing between them: the fault is the format."""
    records = "".join(", ".join(map(str, row)) + "\n" for row in rows)
    write_bytes(path, (", ".join(header) + records).encode())
