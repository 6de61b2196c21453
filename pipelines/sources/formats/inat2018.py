"""iNaturalist-2018 (Van Horn et al., CVPR 2018) with the retrieval splits of Brown et al. (ECCV 2020)."""

from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypeVar

import pandas as pd
from typing_extensions import TypedDict  # pydantic takes that of `typing` from Python 3.12 on

from cairnhub.core.errors import BrokenData, NotFound
from cairnhub.core.parse import decode, parse_json, read_text, typed
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.archives.targz import TarGz
from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.settings.sources import INat2018Source, Subset
from cairnhub.pipelines.sources.csv_tables import require_columns
from cairnhub.pipelines.sources.label_names import tell_apart
from cairnhub.pipelines.sources.listing import ATTRIBUTION, PLACE, Listing, in_streamed, quarantine
from cairnhub.pipelines.sources.source_reader import SourceReader

T = TypeVar("T")
ARCHIVE = "train_val2018.tar.gz"
SPLIT_FILES = {
    "train": "Inat_dataset_splits/Inaturalist_train_set1.txt",
    "test": "Inat_dataset_splits/Inaturalist_test_set1.txt",
}


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

    def __init__(self, source: INat2018Source) -> None:
        self.levels = source.levels
        self.qualify = source.qualify

    def list_images(self, store: Path) -> Listing:
        """List the images of the retrieval splits with every rank of their species."""
        images = pd.concat([_read_split(store / name, split) for split, name in SPLIT_FILES.items()])
        images["category_id"] = images["file_name"].str.split("/").str[2]
        path = store / "categories.json.tar.gz"
        species = _categories(store)
        require_columns(species, self.levels, path)
        species, qualified = tell_apart(species, self.levels, self.qualify, path)
        images = images.merge(species, on="category_id", how="left", suffixes=("", "_category"))
        images, unknown = quarantine(
            images, images["species"].isna(), "its category is not in categories.json"
        )
        images, misplaced = _hold_folders(images, self.levels)
        images = images.merge(_credits(store), on="file_name", how="left")
        # The annotations alone: what the archive holds is seen when it is streamed into shards, once.
        images = in_streamed(images.rename(columns={"file_name": "member"}), ARCHIVE)
        images = images.sort_values(["split", "member"], ignore_index=True)
        faulty = pd.concat([unknown, misplaced], ignore_index=True)
        return Listing(images[[*PLACE, *self.levels, *ATTRIBUTION]], faulty, qualified=qualified)

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
            protocols=(EvaluationProtocol(name="retrieval", query="test", gallery="test"),),
        )


def make(dataset: str, source: INat2018Source, subset: Subset, executor: Executor) -> INat2018:
    """See `formats`."""
    return INat2018(source)


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


def _read_json(archive: TarGz, shape: type[T]) -> T:
    """Parse the one JSON file inside a `.tar.gz`.

    Args:
        archive: the `.tar.gz`.
        shape: what the file must hold; keys that it does not name are ignored.

    Raises:
        CairnError: missing archive, no JSON in it, broken JSON, or JSON of another shape.
    """
    path = archive.path_of("")
    for member in archive.members():
        if member.name.endswith(".json") and not member.refusal:
            where = f"{path}: {member.name}"
            return typed(shape, parse_json(decode(member.content, where), where), where)
    raise BrokenData(f"{path}: holds no .json file; fetch it again")


def _categories(store: Path) -> pd.DataFrame:
    """One row per species: `category_id`, `species`, its ranks and `supercategory`."""
    archive = TarGz(store, "categories.json.tar.gz")
    path = archive.path_of("categories.json")
    frame = pd.DataFrame(_read_json(archive, list[dict[str, str | int]])).fillna("").astype(str)
    require_columns(frame, ["id", "name"], path)
    if (repeated := frame["id"].duplicated()).any():
        example = frame.loc[repeated, "id"].iloc[0]
        raise BrokenData(f"{path}: category {quoted([example])} is listed twice; fetch it again")
    stripped = {column: frame[column].str.strip() for column in frame}
    return pd.DataFrame(stripped).rename(columns={"id": "category_id", "name": "species"})


def _credits(store: Path) -> pd.DataFrame:
    """Author and licence of every image, from the COCO-style annotation files."""
    frames = []
    for name in ("train2018.json.tar.gz", "val2018.json.tar.gz"):
        annotations = _read_json(TarGz(store, name), _Annotations)
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
