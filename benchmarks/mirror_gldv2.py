"""A mirror of Google Landmarks v2: folders, tars, tables and hash files as at the dataset's public address."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
from mirror_parts import (
    SAMPLE,
    Plan,
    image_name,
    long_tail,
    picture_of,
    place,
    rows_of,
    scattered,
    spread,
    table,
    tar_into,
    whole,
)
from tiny_pictures import TinyPictures

IMAGES = {"train": 4_132_914, "index": 761_757, "test": 117_577}
TARS = {"train": 500, "index": 100, "test": 20}
LANDMARKS = {"train": 203_094, "index": 101_302}
CLEAN_IMAGES, CLEAN_LANDMARKS = 1_580_470, 81_313
ANSWERED = 1_129
"""Test images for which the retrieval benchmark has answers; the others are ignored."""
TYPED = 0.8
"""Share of landmarks whose type is known."""
_PLACES = ("", "", "", "", " ({})", ", {}")
_STYLES = ("old", "royal", "northern", "small", "wooden", "stone", "municipal", "railway", "coastal", "former",
           "medieval", "baroque", "national", "private", "ruined", "Roman")  # fmt: skip
_LICENCES = (
    "https://creativecommons.org/licenses/by-sa/3.0/",
    "https://creativecommons.org/licenses/by-sa/4.0/",
    "https://creativecommons.org/licenses/by/2.0/",
    "https://creativecommons.org/publicdomain/zero/1.0/",
)


@dataclass(frozen=True)
class Type:
    """What a landmark is, as Wikimedia says, and the label that GLDv2 publishes for it."""

    name: str
    label: str
    kind: str
    weight: float = 1.0


def landmark_title(space: str, number: int, kind_of: str) -> str:
    """A Commons category's name, some with stray spaces, some given twice."""
    number += 7 if space == "index" else 0
    if number % 97 == 96:
        number -= 1
    name = f"{place(number)} {kind_of or 'Gate'}".replace("  ", " ")
    return name + _PLACES[number % len(_PLACES)].format(place(number // 20 % 300)) + " " * (number % 53 == 0)


def encoded(title: str) -> str:
    """As in a Commons address."""
    return quote(title.replace(" ", "_"), safe="/:,()'!*~;@$-._")


def read_types(reference: Path | None) -> list[Type]:
    """The types that landmarks have, the frequent ones first, with rarer kinds of each behind them.

    Those of the sample, each as frequent as one that was seen ten times; of those that the reference has, as it says.
    """
    sample = [row for row in rows_of(SAMPLE / "gldv2/landmarks.tsv") if row["supercategory"]]
    types = {
        row["supercategory"]: Type(
            row["supercategory"], row["hierarchical_label"], row["natural_or_human_made"], 10.0
        )
        for row in sample
    }
    kinds = {one.label: one.kind for one in types.values()}
    for row in rows_of(reference / "gldv2_supercategories.tsv") if reference else ():
        name, label = row["supercategory"], row["hierarchical_label"]
        types[name] = Type(name, label, kinds.get(label, "human-made"), float(row["seen"]))
    frequent = sorted(types.values(), key=lambda one: (-one.weight, one.name))
    rarer = [
        Type(f"{style} {one.name}", one.label, one.kind, one.weight / (20 * (rank + 1)))
        for rank, style in enumerate(_STYLES)
        for one in frequent
    ]
    return frequent + rarer


class Landmarks:
    """The landmarks of one id space, and which image shows which."""

    def __init__(self, plan: Plan, space: str) -> None:
        self.space = space
        self.n_images = plan.part(IMAGES[space], 60)
        n_labels = min(plan.part(LANDMARKS[space], 12), self.n_images)
        self.counts = long_tail(n_labels, self.n_images)
        self._ends = np.cumsum(self.counts)
        self._order = scattered(n_labels)
        types = read_types(plan.reference)
        weights = np.cumsum([one.weight for one in types])
        drawn = np.random.default_rng([plan.seed, len(space)]).random((n_labels, 2))
        self._type_at = np.searchsorted(weights, drawn[:, 0] * weights[-1], side="right")
        self._types = types
        self._is_typed = drawn[:, 1] < TYPED

    def ids(self) -> npt.NDArray[np.int64]:
        """Landmark of every image, by its number."""
        numbers = np.arange(self.n_images, dtype=np.int64)
        ranks = np.searchsorted(self._ends, self.turn(numbers), side="right")
        return np.array([self._order(rank) for rank in range(len(self.counts))], np.int64)[ranks]

    def turn(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """So that images of a landmark do not stand together."""
        return np.asarray(scattered(self.n_images)(numbers))  # type: ignore[arg-type]

    def titles(self) -> list[str]:
        """Name of every landmark, by its id."""
        types = [self._types[at] for at in self._type_at]
        return [landmark_title(self.space, number, one.name) for number, one in enumerate(types)]

    def labels(self, titles: Sequence[str]) -> Iterator[tuple[object, ...]]:
        """Rows of `<space>_label_to_hierarchical.csv`."""
        for number, title in enumerate(titles):
            one = self._types[self._type_at[number]] if self._is_typed[number] else Type("", "", "")
            yield number, _category(title), one.name, one.label, one.kind

    def clean(self, plan: Plan) -> dict[int, int]:
        """Landmark -> how many of its images are clean; those with the most images are."""
        n_labels = min(plan.part(CLEAN_LANDMARKS, 5), len(self.counts))
        total = min(plan.part(CLEAN_IMAGES, n_labels), int(self.counts[:n_labels].sum()))
        counts = spread(self.counts[:n_labels], total, self.counts[:n_labels].astype(float))
        return {self._order(rank): int(count) for rank, count in enumerate(counts)}


def write_gldv2(plan: Plan) -> None:
    """Google Landmarks v2: `metadata/`, `ground_truth/`, the tars of three splits and their hash files."""
    tars = [
        (split, number, n) for split, count in TARS.items() for n in [plan.part(count)] for number in range(n)
    ]
    steps = [partial(_train_tables, plan), partial(_index_tables, plan)]
    steps += [partial(_write_tar, plan, which) for which in tars]
    if plan.n_workers == 1:
        for step in steps:
            step()
        return
    with ProcessPoolExecutor(plan.n_workers) as pool:
        for one in [pool.submit(step) for step in steps]:
            one.result()


def _write_tar(plan: Plan, which: tuple[str, int, int]) -> None:
    split, number, n_tars = which
    path = plan.folder / split / f"images_{number:03d}.tar"
    said = plan.folder / f"md5sum/{split}/md5.images_{number:03d}.txt"
    if said.exists():
        return
    pictures = _pictures(plan.seed)
    names = (
        (i, image_name(plan.seed, split, i)) for i in range(number, plan.part(IMAGES[split], 60), n_tars)
    )
    members = (
        (f"{name[0]}/{name[1]}/{name[2]}/{name}.jpg", picture_of(pictures, split, i)) for i, name in names
    )
    with whole(path) as part, part.open("wb", buffering=1 << 20) as file:
        tar_into(file, members)
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    with whole(said) as part:
        part.write_text(f"{digest}  {path.name}\n")


@lru_cache(1)
def _pictures(seed: int) -> TinyPictures:
    return TinyPictures(seed)


def _train_tables(plan: Plan) -> None:
    """Tables of the training images, a block of rows at a time."""
    metadata, marks = plan.folder / "metadata", Landmarks(plan, "train")
    ids, titles = marks.ids(), marks.titles()
    addresses = [encoded(" ".join(title.split())) for title in titles]

    def rows() -> Iterator[tuple[object, ...]]:
        for number, mark in enumerate(ids.tolist()):
            shard = f"{number * 7919 % 256:02x}"
            file = f"{addresses[mark]},_view_{number}.jpg"
            yield (
                image_name(plan.seed, "train", number),
                f"https://upload.wikimedia.org/wikipedia/commons/{shard[0]}/{shard}/{file}",
                mark,
            )

    def credits() -> Iterator[tuple[object, ...]]:
        for number, mark in enumerate(ids.tolist()):
            author = number * 2654435761 % 2**32 >> 16
            yield (
                image_name(plan.seed, "train", number),
                f"https://commons.wikimedia.org/wiki/File:{addresses[mark]},_view_{number}.jpg",
                f"{place(author % 700)} {place(author)}"
                if author % 9
                else f'"{place(author)}", {place(author % 50)}',
                _LICENCES[author % len(_LICENCES)],
                f"File:{titles[mark]}, view {number}.jpg",
            )

    table(metadata / "train.csv", "id,url,landmark_id", rows())
    table(metadata / "train_attribution.csv", "id,url,author,license,title", credits())
    counts = marks.clean(plan)
    shown: dict[int, list[str]] = {mark: [] for mark in sorted(counts)}
    for number, mark in enumerate(ids.tolist()):
        if len(shown.get(mark, ())) < counts.get(mark, 0):
            shown[mark].append(image_name(plan.seed, "train", number))
    table(
        metadata / "train_clean.csv",
        "landmark_id,images",
        ((mark, " ".join(names)) for mark, names in shown.items()),
    )
    _label_tables(metadata, marks, titles)


def _index_tables(plan: Plan) -> None:
    """Tables of index and test, and the answers of the benchmark."""
    metadata, truth, marks = plan.folder / "metadata", plan.folder / "ground_truth", Landmarks(plan, "index")
    ids = marks.ids().tolist()
    names = [image_name(plan.seed, "index", number) for number in range(len(ids))]
    table(metadata / "index.csv", "id", ((name,) for name in names))
    table(metadata / "index_image_to_landmark.csv", "id,landmark_id", zip(names, ids, strict=True))
    _label_tables(metadata, marks, marks.titles())
    tests = [image_name(plan.seed, "test", number) for number in range(plan.part(IMAGES["test"], 60))]
    table(metadata / "test.csv", "id", ((name,) for name in tests))
    every = max(1, len(tests) // plan.part(ANSWERED, 12))
    asked = {
        name: ids[i * 911 % len(ids)]
        for i, name in enumerate(islice(tests[::every], plan.part(ANSWERED, 12)))
    }
    answers: dict[int, list[str]] = {mark: [] for mark in asked.values()}
    for name, mark in zip(names, ids, strict=True):
        if mark in answers:
            answers[mark].append(name)
    retrieval = (
        (name, " ".join(answers[asked[name]]), "Private" if i % 3 else "Public")
        if name in asked
        else (name, "None", "Ignored")
        for i, name in enumerate(tests)
    )
    table(truth / "retrieval_solution_v2.1.csv", "id,images,Usage", retrieval)
    table(
        truth / "recognition_solution_v2.1.csv",
        "id,landmarks,Usage",
        ((name, "", "Ignored") for name in tests),
    )


def _label_tables(metadata: Path, marks: Landmarks, titles: Sequence[str]) -> None:
    categories = ((number, _category(title)) for number, title in enumerate(titles))
    table(metadata / f"{marks.space}_label_to_category.csv", "landmark_id,category", categories)
    header = "landmark_id,category,supercategory,hierarchical_label,natural_or_human_made"
    table(metadata / f"{marks.space}_label_to_hierarchical.csv", header, marks.labels(titles))


def _category(title: str) -> str:
    return f"http://commons.wikimedia.org/wiki/Category:{encoded(title)}"
