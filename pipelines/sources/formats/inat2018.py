"""iNaturalist-2018 (Van Horn et al., CVPR 2018) with the retrieval splits of Brown et al. (ECCV 2020)."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NotRequired, TypeVar

import pandas as pd
from typing_extensions import TypedDict  # pydantic takes that of `typing` from Python 3.12 on

from cairnhub.core.errors import BrokenData, NotFound
from cairnhub.core.parse import decode, parse_json, read_text, typed
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.executors.local import HERE, Executor
from cairnhub.pipelines.settings.sources import INat2018Source, Subset
from cairnhub.pipelines.sources.csv_tables import require_columns
from cairnhub.pipelines.sources.label_names import tell_apart
from cairnhub.pipelines.sources.listing import ATTRIBUTION, Listing, quarantine
from cairnhub.pipelines.sources.packed_lists import list_packed
from cairnhub.pipelines.sources.packs import Pack, Packed
from cairnhub.pipelines.sources.source_reader import SourceReader

T = TypeVar("T")
ROOT = "train_val2018/"
IMAGES = Pack(
    name="train_val2018.tar.gz",
    root=ROOT,
    mark=r"[^/]+/[0-9]+/[^/]+\.jpg",
    holds=r"[^/]+/[0-9]+/[^/]+\.jpg",
)
SPLIT_FILES = {
    "train": "Inat_dataset_splits/Inaturalist_train_set1.txt",
    "test": "Inat_dataset_splits/Inaturalist_test_set1.txt",
}


def _json(name: str) -> Pack:
    pattern = re.escape(name)
    return Pack(name=f"{name}.tar.gz", root="", mark=pattern, holds=pattern, lists=(name,))


CATEGORIES = _json("categories.json")
ANNOTATIONS = (_json("train2018.json"), _json("val2018.json"))


class _Licence(TypedDict):
    id: int
    name: str


class _Image(TypedDict):
    file_name: str
    license: int | None
    rights_holder: str | None


class _Annotations(TypedDict):
    """What is read of a COCO-style annotation file."""

    images: list[_Image]
    licenses: NotRequired[list[_Licence]]


class INat2018(SourceReader):
    """Reads the competition's JSON and its one `.tar.gz`, split by species as retrieval papers do."""

    version = "2018"
    edition = "inat2018"
    packs = (IMAGES, CATEGORIES, *ANNOTATIONS)

    def __init__(self, source: INat2018Source, executor: Executor = HERE) -> None:
        self.executor = executor
        self.levels = source.levels
        self.qualify = source.qualify

    def list_images(self, store: Path) -> Listing:
        """List the images of the retrieval splits with every rank of their species."""
        images = pd.concat([_read_split(store / name, split) for split, name in SPLIT_FILES.items()])
        listed = images["file_name"].str.removeprefix(ROOT)
        images["category_id"] = images["file_name"].str.split("/").str[2]
        categories = self.packed(store, CATEGORIES)
        path = categories.where(CATEGORIES.lists[0])
        species = _categories(categories)
        require_columns(species, self.levels, path)
        species, qualified = tell_apart(species, self.levels, self.qualify, path)
        images = images.merge(species, on="category_id", how="left", suffixes=("", "_category"))
        images, unknown = quarantine(
            images, images["species"].isna(), "its category is not in categories.json"
        )
        images, misplaced = _hold_folders(images, self.levels)
        annotations = [self.packed(store, pack) for pack in ANNOTATIONS]
        images = images.merge(_credits(annotations), on="file_name", how="left")
        images["member"] = images["file_name"].str.removeprefix(ROOT)
        faulty = pd.concat([unknown, misplaced], ignore_index=True)
        packed = self.packed(store, IMAGES)
        columns = (*self.levels, *ATTRIBUTION)
        listing = list_packed(packed, images, columns, faulty, listed, self.executor)
        copies = tuple(str(each) for each in (packed, categories, *annotations) if each.is_copy)
        return replace(listing, qualified=qualified, copies=copies)

    def summary(self, store: Path) -> dict[str, dict[str, int]]:
        """What the split files count; the archive is not read."""
        splits = {split: _read_split(store / name, split)["file_name"] for split, name in SPLIT_FILES.items()}
        return {
            split: {"images": len(names), "species": int(names.str.split("/").str[2].nunique())}
            for split, names in splits.items()
        }

    def card(self) -> Card:
        """What the published dataset says of itself."""
        return Card(
            name="inat2018",
            title="iNaturalist-2018 for hierarchical retrieval",
            description=(
                "Photographs of species with the ranks of their taxonomy; test species are unseen in training. The "
                "dataset's terms forbid redistributing its images; labels and splits may be shared."
            ),
            homepage="https://github.com/visipedia/inat_comp/tree/master/2018",
            licence="iNaturalist-2018-competition-terms",
            redistributable=False,
            citation=(
                "G. Van Horn, O. Mac Aodha, Y. Song, Y. Cui, C. Sun, A. Shepard, H. Adam, P. Perona, S. Belongie. "
                "The iNaturalist Species Classification and Detection Dataset. CVPR 2018. Splits: A. Brown, W. Xie, "
                "V. Kalogeiton, A. Zisserman. Smooth-AP. ECCV 2020."
            ),
            levels=self.levels,
            annotation_origin="given",
            attribution=ATTRIBUTION,
            protocols=(
                EvaluationProtocol(
                    name="retrieval", query="test", gallery="test", ks=(1, 4, 10, 16, 32, 100)
                ),
            ),
        )


def make(dataset: str, source: INat2018Source, subset: Subset, executor: Executor) -> INat2018:
    """See `formats`."""
    return INat2018(source, executor)


def _read_split(path: Path, split: str) -> pd.DataFrame:
    try:
        names = [line.strip() for line in read_text(path).split("\n") if line.strip()]
    except FileNotFoundError as error:
        raise NotFound(f"{path} is missing: run the fetch stage again") from error
    if not names:
        raise BrokenData(f"{path}: lists no image; fetch it again")
    malformed = [name for name in names if name.count("/") != 3]
    if malformed:
        raise BrokenData(
            f"{path}: {quoted(malformed[:1])} is not train_val2018/<supercategory>/<category>/<image>; fetch it again"
        )
    frame = pd.DataFrame({"file_name": names, "split": split})
    frame["image_id"] = frame["file_name"].str.rpartition("/")[2].str.removesuffix(".jpg")
    return frame


def _hold_folders(images: pd.DataFrame, levels: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The images, and those whose folder names another supercategory than their category has, where that is a level."""
    if "supercategory" not in levels:
        return images, images.head(0)[["image_id", "split"]].assign(reason="")
    folder = images["file_name"].str.split("/").str[1]
    contradiction = "its category contradicts its folder; " + images["supercategory"] + " in " + folder
    return quarantine(images, folder != images["supercategory"], contradiction)


def _read_json(packed: Packed, shape: type[T]) -> T:
    """Parse the one JSON file of a pack.

    Args:
        packed: the pack.
        shape: what the file must hold; keys that it does not name are ignored.

    Raises:
        CairnError: missing archive, no such JSON in it, broken JSON, or JSON of another shape.
    """
    (name,) = packed.pack.lists
    where = str(packed.where(name))
    return typed(shape, parse_json(decode(packed.read_files([name])[name], where), where), where)


def _categories(packed: Packed) -> pd.DataFrame:
    """One row per species: `category_id`, `species`, its ranks and `supercategory`."""
    path = packed.where("categories.json")
    frame = pd.DataFrame(_read_json(packed, list[dict[str, str | int]])).fillna("").astype(str)
    require_columns(frame, ["id", "name"], path)
    if (repeated := frame["id"].duplicated()).any():
        example = frame.loc[repeated, "id"].iloc[0]
        raise BrokenData(f"{path}: category {quoted([example])} is listed twice; fetch it again")
    stripped = {column: frame[column].str.strip() for column in frame}
    return pd.DataFrame(stripped).rename(columns={"id": "category_id", "name": "species"})


def _credits(packs: Sequence[Packed]) -> pd.DataFrame:
    """Author and licence of every image, from the COCO-style annotation files."""
    frames = []
    for packed in packs:
        annotations = _read_json(packed, _Annotations)
        licenses = {entry["id"]: entry["name"] for entry in annotations.get("licenses", [])}
        images = pd.DataFrame(annotations["images"], columns=list(_Image.__annotations__))
        frames.append(
            pd.DataFrame(
                {
                    "file_name": images["file_name"],
                    "author": images["rights_holder"],
                    "license": images["license"].map(licenses),
                }
            )
        )
    credit = pd.concat(frames, ignore_index=True).drop_duplicates("file_name")
    return credit.assign(source_url="", title="")
