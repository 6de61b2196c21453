"""DyML animal, vehicle, product (Sun et al., CVPR 2021): three levels in training, one per test benchmark."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.settings.sources import DyMLSource, Qualify, Subset
from cairnhub.pipelines.sources.label_names import tell_apart
from cairnhub.pipelines.sources.listing import Listing
from cairnhub.pipelines.sources.packed_lists import list_packed
from cairnhub.pipelines.sources.packs import Pack, Packed
from cairnhub.pipelines.sources.source_reader import SourceReader

LEVELS = ("fine", "middle", "coarse")
ALL_IN_ONE = "mini-bmk_all_in_one"
UNKNOWN = "unknown"
# The published CSVs lack the line break after the header: the first record is glued to it.
_GLUED = re.compile(r"(?P<header>.*?(?:fine_id|labels))(?P<first>[^,\s].*)")
_HEADERS = {("fname", "coarse_id", "middle_id", "fine_id"), ("fname", "labels")}


@dataclass(frozen=True)
class LabelFile:
    """One CSV, the folder of its images and the split that they become."""

    csv: str
    images: str
    split: str
    level: str | None
    """The one level that a benchmark labels; None where all three are given."""


class DyML(SourceReader):
    """Reads `train/`, then `bmk_{fine,middle,coarse}/` or `mini-bmk_all_in_one/`, packed or unpacked.

    Class numbers of a benchmark are its own, so its names carry the benchmark's: `bmk_fine 103`. Where a
    benchmark gives no coarser label, it is `bmk_fine unknown`; where it gives no finer one, the class stands for
    itself. Its protocol says which levels mean something.
    """

    levels = LEVELS

    def __init__(self, dataset: str, qualify: Qualify = "parent") -> None:
        self.dataset = dataset
        self.qualify = qualify
        self.edition = dataset
        self.label_files = [
            LabelFile("train/label.csv", "train/imgs", "train", None),
            *_benchmarks(dataset),
        ]
        self.packs = (
            Pack(
                name=f"{dataset}.zip",
                root=None,
                mark=r"train/label\.csv",
                holds=r"(?:train|bmk_\w+|mini-bmk_all_in_one)/.+",
                lists=tuple(file.csv for file in self.label_files),
                has_original=False,
            ),
        )

    def list_images(self, store: Path) -> Listing:
        """List the images of training and benchmarks."""
        packed = self.packed(store, self.packs[0])
        images = pd.concat([_read_labels(packed, file) for file in self.label_files], ignore_index=True)
        images, qualified = tell_apart(images, LEVELS, self.qualify, packed.where("train/label.csv"))
        listing = list_packed(packed, images.assign(member=images["image_id"]), LEVELS)
        return replace(listing, qualified=qualified)

    def card(self) -> Card:
        """What the published dataset says of itself."""
        kind = self.dataset.removeprefix("dyml_")
        protocols = tuple(
            EvaluationProtocol(
                name=level,
                query=f"query_{level}",
                gallery=f"gallery_{level}",
                levels=(level,),
                drop_query=True,
                group="overall",
            )
            for level in LEVELS
        )
        if any(file.images.startswith(ALL_IN_ONE) for file in self.label_files):
            protocols = (
                EvaluationProtocol(name="all-in-one", query="test", gallery="test", group="overall"),
            )
        return Card(
            name=self.dataset,
            title=f"DyML-{kind.capitalize()}",
            description=(
                f"Dynamic metric learning, {kind}: fine, middle and coarse labels in training; one benchmark per level "
                "with classes unseen in training."
            ),
            licence="unknown: ask the authors",
            redistributable=False,
            citation=(
                "Y. Sun, Y. Zhu, Y. Zhang, P. Zheng, X. Qiu, C. Zhang, Y. Wei. Dynamic Metric Learning: Towards a "
                "Scalable Metric Space to Accommodate Multiple Semantic Scales. CVPR 2021."
            ),
            levels=LEVELS,
            annotation_origin="given",
            protocols=protocols,
        )


def make(dataset: str, source: DyMLSource, subset: Subset, executor: Executor) -> DyML:
    """See `formats`."""
    return DyML(dataset, source.qualify)


def _benchmarks(dataset: str) -> list[LabelFile]:
    if dataset.endswith("product"):
        return [LabelFile(f"{ALL_IN_ONE}/label.csv", f"{ALL_IN_ONE}/imgs", "test", None)]
    return [
        LabelFile(f"bmk_{level}/{side}.csv", f"bmk_{level}/{side}", f"{side}_{level}", level)
        for level in LEVELS
        for side in ("query", "gallery")
    ]


def _read_labels(packed: Packed, file: LabelFile) -> pd.DataFrame:
    where = packed.where(file.csv)
    text = packed.read_files([file.csv])[file.csv].decode("utf-8", errors="replace")
    rows = parse_glued_csv(text, where)
    prefix = "" if file.split == "train" else f"{file.csv.partition('/')[0]} "
    if file.level is None:
        _require(rows, ["fname", *(f"{level}_id" for level in LEVELS)], where)
        labels = {level: prefix + rows[f"{level}_id"] for level in LEVELS}
    else:
        _require(rows, ["fname", "labels"], where)
        known = LEVELS.index(file.level)
        given = prefix + rows["labels"]
        unknown = pd.Series(prefix + UNKNOWN, index=rows.index)
        labels = {level: given if rank <= known else unknown for rank, level in enumerate(LEVELS)}
    image_id = file.images + "/" + rows["fname"]
    return pd.DataFrame({"image_id": image_id, "split": file.split, **labels})


def _require(rows: pd.DataFrame, columns: list[str], path: Path) -> None:
    if set(rows.columns) != set(columns):
        raise BrokenData(f"{path}: its columns are {', '.join(rows.columns)}; expected {', '.join(columns)}")


def parse_glued_csv(text: str, path: Path) -> pd.DataFrame:
    """Parse a DyML CSV, the first record too, whether or not it is glued to the header line.

    Args:
        text: its content.
        path: where it lies, for messages.

    Returns:
        Text columns, stripped.

    Raises:
        CairnError: its header is not DyML's, or a line has another number of fields.
    """
    lines = list(enumerate(text.splitlines(), start=1))
    if lines and (glued := _GLUED.fullmatch(lines[0][1])):
        lines[:1] = [(1, glued["header"]), (1, glued["first"])]
    table = [
        (line, [field.strip() for field in content.split(",")]) for line, content in lines if content.strip()
    ]
    if not table or tuple(table[0][1]) not in _HEADERS:
        raise BrokenData(f"{path}: its first line is {[line for _, line in lines[:1]]}, not a header of DyML")
    (_, header), *records = table
    if not records:
        raise BrokenData(f"{path}: lists no image; fetch it again")
    for line, record in records:
        if len(record) != len(header):
            raise BrokenData(
                f"{path}:{line}: {', '.join(record)[:60]!r} has {len(record)} fields, not {len(header)}"
            )
    return pd.DataFrame([record for _, record in records], columns=header)
