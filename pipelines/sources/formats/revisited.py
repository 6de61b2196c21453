"""Revisited Oxford and Paris (Radenovic et al., CVPR 2018): 70 queries each, answers graded easy, hard and junk."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData, NotFound
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.executors.local import HERE, Executor
from cairnhub.pipelines.settings.sources import RevisitedSource, Subset
from cairnhub.pipelines.sources.listing import PLACE, Listing
from cairnhub.pipelines.sources.match_members import list_members, match_members
from cairnhub.pipelines.sources.packs import Pack
from cairnhub.pipelines.sources.plain_pickle import read_plain_pickle
from cairnhub.pipelines.sources.source_reader import SourceReader

LEVELS = ("landmark",)
KEPT = ("box",)
GRADES = ("easy", "hard", "junk")
"""Of an answer; junk is neither right nor wrong."""
UNLABELLED = "unlabelled"
CITATION = (
    "F. Radenovic, A. Iscen, G. Tolias, Y. Avrithis, O. Chum. Revisiting Oxford and Paris: Large-Scale Image Retrieval "
    "Benchmarking. CVPR 2018. "
)


@dataclass(frozen=True)
class City:
    """What differs between the two.

    Attributes:
        edition: name of the dataset and of its counts.
        title: its name.
        archives: of the photographs.
        photo: pattern of a photograph's name.
        common: tag of the photographs of no landmark.
        prefix: what stands before each tag.
        homepage: of the photographs.
        citation: of the photographs.
    """

    edition: str
    title: str
    archives: tuple[str, ...]
    photo: str
    common: str
    prefix: str
    homepage: str
    citation: str

    @property
    def packs(self) -> tuple[Pack, ...]:
        """The archives; as a copy of them counts a folder `jpg/` with the photographs of all."""
        pattern = rf"jpg/{self.photo}"
        return tuple(
            Pack(name=name, root="", mark=pattern, holds=pattern, has_original=False)
            for name in self.archives
        )

    @property
    def answers(self) -> str:
        """The file with the queries and their answers."""
        return f"gnd_{self.edition}.pkl"

    def tag(self, image_id: str) -> str:
        """What a photograph was found under: `all_souls` of `all_souls_000013`."""
        return re.sub(r"_[0-9]+$", "", image_id).removeprefix(self.prefix)


CITIES = {
    "oxford": City(
        edition="roxford5k",
        title="Revisited Oxford (ROxford5k)",
        archives=("oxbuild_images-v1.tgz",),
        photo=r"(?!paris_)[a-z_]+_[0-9]{6}\.jpg",
        common="oxford",
        prefix="",
        homepage="https://www.robots.ox.ac.uk/~vgg/data/oxbuildings/",
        citation=(
            "J. Philbin, O. Chum, M. Isard, J. Sivic, A. Zisserman. Object Retrieval with Large Vocabularies and Fast "
            "Spatial Matching. CVPR 2007."
        ),
    ),
    "paris": City(
        edition="rparis6k",
        title="Revisited Paris (RParis6k)",
        archives=("paris_1-v1.tgz", "paris_2-v1.tgz"),
        photo=r"paris_[a-z]+_[0-9]{6}\.jpg",
        common="general",
        prefix="paris_",
        homepage="https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/",
        citation=(
            "J. Philbin, O. Chum, M. Isard, J. Sivic, A. Zisserman. Lost in Quantization: Improving Particular Object "
            "Retrieval in Large Scale Image Databases. CVPR 2008."
        ),
    ),
}


@dataclass(frozen=True)
class Query:
    """One query: its photograph, what part of it is searched for (left, top, right, bottom, in pixels), its answers.

    `answers` are places in the list of the gallery, by grade.
    """

    image_id: str
    box: tuple[float, ...]
    answers: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Benchmark:
    """The content of the file of answers."""

    gallery: tuple[str, ...]
    queries: tuple[Query, ...]


class Revisited(SourceReader):
    """Reads `gnd_<dataset>.pkl` (as plain values: nothing of it is run) and the photographs in their archives.

    The file names no landmark. A query shows that whose tag most of its easy and hard answers bear in their file
    names; an image of the gallery that of the queries that it answers, else it is `unlabelled`. The benchmark goes by
    the answers themselves, not by these labels.
    """

    levels = LEVELS

    def __init__(self, city: City, executor: Executor = HERE) -> None:
        self.city = city
        self.executor = executor
        self.edition = city.edition
        self.packs = city.packs

    def list_images(self, store: Path) -> Listing:
        """List queries and gallery, and the answers of the benchmark."""
        benchmark = read_benchmark(store / self.city.answers)
        shown = landmarks(benchmark, self.city)
        boxes = {query.image_id: " ".join(map(str, query.box)) for query in benchmark.queries}
        ids = [*boxes, *benchmark.gallery]
        images = pd.DataFrame({"image_id": ids, "split": "gallery"}, dtype="str")
        images["split"] = images["split"].mask(images["image_id"].isin(boxes), "query")
        images["landmark"] = images["image_id"].map(shown).fillna(UNLABELLED)
        images["box"] = images["image_id"].map(boxes).fillna("")
        located = {
            packed.archive.name: packed for packed in (self.packed(store, pack) for pack in self.packs)
        }
        members = list_members([packed.archive for packed in located.values()], self.executor)
        members["image_id"] = members["member"].str.replace(r"^.*/|\.jpg$", "", regex=True)
        matches = match_members(images, members, ["image_id"], f"not in {' or '.join(located)}")
        placed = matches.images.sort_values(["split", "archive", "offset", "member"], ignore_index=True)
        return Listing(
            placed[[*PLACE, *LEVELS, *KEPT]],
            matches.quarantine,
            ground_truth=_ground_truth(benchmark),
            refused_members=matches.refused_members,
            unnamed=matches.unnamed,
            kept=KEPT,
        )

    def card(self) -> Card:
        """What the published dataset says of itself."""
        return Card(
            name=self.edition,
            title=self.city.title,
            description=(
                "Photographs of landmarks from Flickr; 70 queries, of which the part in the column `box` is searched "
                "for, with answers graded easy, hard and junk. A landmark is named by the tag of its photographs; what "
                f"answers no query is `{UNLABELLED}`. For research; the photographs belong to their authors."
            ),
            homepage=self.city.homepage,
            licence="unknown: photographs from Flickr, each under its own terms",
            redistributable=False,
            citation=CITATION + self.city.citation,
            levels=LEVELS,
            annotation_origin="given",
            protocols=(
                EvaluationProtocol(
                    name="retrieval",
                    query="query",
                    gallery="gallery",
                    kind="graded",
                    ks=(1, 5, 10),
                    crop="box",
                    scales=(1, 0.70711, 0.5),
                ),
            ),
        )


def make(dataset: str, source: RevisitedSource, subset: Subset, executor: Executor) -> Revisited:
    """See `formats`."""
    return Revisited(CITIES[source.city], executor)


def landmarks(benchmark: Benchmark, city: City) -> dict[str, str]:
    """Which landmark the queries show, and the images that answer one."""
    of_query = {query.image_id: _landmark(query, benchmark, city) for query in benchmark.queries}
    votes: dict[str, Counter[str]] = {}
    for query in benchmark.queries:
        for place in (*query.answers["easy"], *query.answers["hard"]):
            votes.setdefault(benchmark.gallery[place], Counter())[of_query[query.image_id]] += 1
    return of_query | {image_id: _most(counts) for image_id, counts in votes.items()}


def _landmark(query: Query, benchmark: Benchmark, city: City) -> str:
    answers = (*query.answers["easy"], *query.answers["hard"])
    tags = Counter(city.tag(benchmark.gallery[place]) for place in answers)
    del tags[city.common]
    return (_most(tags) if tags else city.tag(query.image_id)).replace("_", " ")


def _most(counts: Counter[str]) -> str:
    """The most common name; of several the first in order."""
    return min(counts, key=lambda name: (-counts[name], name))


def _ground_truth(benchmark: Benchmark) -> pd.DataFrame:
    """One row per query and image of its lists."""
    rows = [
        (query.image_id, benchmark.gallery[place], "", grade)
        for query in benchmark.queries
        for grade in GRADES
        for place in query.answers[grade]
    ]
    return pd.DataFrame(rows, columns=["query_id", "image_id", "usage", "relevance"], dtype="str")


def read_benchmark(path: Path) -> Benchmark:
    """Read a file of answers.

    Args:
        path: a pickle of `imlist`, `qimlist` and `gnd`, which has `bbx`, `easy`, `hard` and `junk` per query.

    Raises:
        CairnError: it is missing, no pickle of plain values, or of another shape; names the query.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"{path} is missing: run the fetch stage again") from error
    match read_plain_pickle(content, path):
        case {"imlist": [*gallery], "qimlist": [*queries], "gnd": [*answers]}:
            pass
        case _:
            raise BrokenData(f"{path}: has no lists imlist, qimlist and gnd; fetch it again")
    names = [name for name in (*gallery, *queries) if isinstance(name, str) and name]
    if len(names) != len(gallery) + len(queries) or len(queries) != len(answers) or not queries:
        raise BrokenData(
            f"{path}: imlist and qimlist must be names, and gnd one entry per query; fetch it again"
        )
    read = [
        _query(name, entry, len(gallery), f"{path}: query {name[:80]!r}")
        for name, entry in zip(names[len(gallery) :], answers, strict=True)
    ]
    return Benchmark(tuple(names[: len(gallery)]), tuple(read))


def _query(name: str, entry: object, n_gallery: int, where: str) -> Query:
    match entry:
        case {"bbx": [*box], "easy": [*easy], "hard": [*hard], "junk": [*junk]}:
            pass
        case _:
            raise BrokenData(f"{where} has no bbx, easy, hard and junk; fetch it again")
    numbers = tuple(float(number) for number in box if isinstance(number, int | float))
    if len(box) != 4 or len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise BrokenData(f"{where}: bbx is not four numbers; fetch it again")
    answers = {
        grade: _places(places, n_gallery, f"{where}: {grade}")
        for grade, places in zip(GRADES, (easy, hard, junk), strict=True)
    }
    graded = [place for places in answers.values() for place in places]
    if len(set(graded)) != len(graded):
        raise BrokenData(f"{where}: an image is listed twice, or under two grades; fetch it again")
    return Query(name, numbers, answers)


def _places(values: list[object], n_gallery: int, where: str) -> tuple[int, ...]:
    places = tuple(value for value in values if isinstance(value, int) and 0 <= value < n_gallery)
    if len(places) != len(values):
        raise BrokenData(f"{where}: holds something other than places in imlist; fetch it again")
    return places
