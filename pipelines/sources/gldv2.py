"""Google Landmarks v2 (Weyand et al., CVPR 2020): tars by id prefix, landmarks named by Commons categories."""

import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pandas as pd

from datasets_hub.card import Card, EvaluationProtocol
from hierarchies import CairnError
from hierarchies.names import disambiguate
from pipelines.config import GLDv2Source
from pipelines.sources.archives import scan_tar
from pipelines.sources.base import ATTRIBUTION, LOCATION, Listing, read_csv, split_off

SPLITS = ("train", "index", "test")
COMMONS_PREFIX = "Category:"


def readable_name(commons_url: str) -> str:
    """The name inside a Commons category URL: decoded, NFC, single spaces.

    >>> readable_name("http://commons.wikimedia.org/wiki/Category:Caf%C3%A9__de_Flore_")
    'Café de Flore'
    """
    _, _, name = commons_url.partition(COMMONS_PREFIX)
    decoded = unicodedata.normalize("NFC", unquote(name or commons_url))
    return " ".join(decoded.replace("_", " ").split())


class GLDv2:
    """Reads the official layout: `metadata/`, `ground_truth/`, `{train,index,test}/images_NNN.tar`."""

    levels = ("landmark", "category", "kind")

    def __init__(self, source: GLDv2Source) -> None:
        self.source = source

    def list_images(self, store: Path) -> Listing:
        """List train, index and test images with the landmark they show and its mined type."""
        excluded: dict[str, dict[str, int]] = {}
        landmarks = landmark_table(store / "metadata")
        splits = [
            self._train(store / "metadata", excluded),
            _index(store / "metadata", excluded),
            _test(store, excluded),
        ]
        images = pd.concat(splits, ignore_index=True)
        images = images.merge(landmarks, on=["space", "landmark_id"], how="left")
        images, unnamed = split_off(images, images["landmark"].isna(), "its landmark has no category")
        images = images.merge(_members(store), on=["image_id", "split"], how="left")
        images, absent = split_off(images, images["member"].isna(), "in no tar")
        images = images.sort_values(["split", "archive", "offset"], ignore_index=True)
        images = images.astype({"offset": "int64", "size_bytes": "int64"})
        columns = [*LOCATION, "landmark", "type", *ATTRIBUTION]
        quarantine = pd.concat([unnamed, absent], ignore_index=True)
        return Listing(
            images[columns], quarantine, excluded, _published_labels(store / "metadata", landmarks)
        )

    def _train(self, metadata: Path, excluded: dict[str, dict[str, int]]) -> pd.DataFrame:
        train = read_csv(metadata / "train.csv", ["id", "url", "landmark_id"])
        credit = read_csv(metadata / "train_attribution.csv", ["id", "author", "license", "title"])
        train = train.merge(credit[["id", "author", "license", "title"]], on="id", how="left")
        if self.source.clean:
            clean = read_csv(metadata / "train_clean.csv", ["landmark_id", "images"])
            kept = train["id"].isin(set(clean["images"].str.split().explode()))
            excluded["train"] = {"not in train_clean": int((~kept).sum())}
            train = train[kept]
        train = train.rename(columns={"id": "image_id", "url": "source_url"})
        return train.assign(split="train", space="train")

    def card(self) -> Card:
        """What the published dataset says of itself."""
        return Card(
            name="gldv2",
            title="Google Landmarks v2 with hierarchical labels",
            description=(
                "Landmark photographs from Wikimedia Commons. Every landmark hangs in a tree (landmark, category, "
                "kind) that was proposed from its name and type and then reviewed. Annotations by Google: CC BY 4.0. "
                "Training images: each under the licence in its `license` column; index and test images: CC0 or "
                "public domain."
            ),
            homepage="https://github.com/cvdfoundation/google-landmark",
            licence="CC-BY-4.0",
            redistributable=True,
            citation=(
                "T. Weyand, A. Araujo, B. Cao, J. Sim. Google Landmarks Dataset v2: A Large-Scale Benchmark for "
                "Instance-Level Recognition and Retrieval. CVPR 2020."
            ),
            levels=self.levels,
            annotation_origin="automatic",
            attribution=ATTRIBUTION,
            protocols=(EvaluationProtocol(name="retrieval", query="test", gallery="index"),),
        )


def landmark_table(metadata: Path) -> pd.DataFrame:
    """Every landmark of both id spaces with a unique readable name.

    Returns:
        Columns `space` (`train` or `index`), `landmark_id`, `landmark` (unique: a name that occurs twice gets
        its space and id), `type` (the mined supercategory, empty where none was found).
    """
    spaces = []
    for space in ("train", "index"):
        names = read_csv(metadata / f"{space}_label_to_category.csv", ["landmark_id", "category"])
        types = read_csv(metadata / f"{space}_label_to_hierarchical.csv", ["landmark_id", "supercategory"])
        types = types[["landmark_id", "supercategory"]].drop_duplicates()
        _one_row_each(types, metadata / f"{space}_label_to_hierarchical.csv")
        spaces.append(names.merge(types, on="landmark_id", how="left").assign(space=space))
    table = pd.concat(spaces, ignore_index=True)
    table["landmark"] = table["category"].map(readable_name)
    table["type"] = table["supercategory"].fillna("").str.split().str.join(" ")
    ids = table["space"] + " " + table["landmark_id"]
    table["landmark"] = disambiguate(table["landmark"].tolist(), ids.tolist())
    return table[["space", "landmark_id", "landmark", "type"]]


def _published_labels(metadata: Path, landmarks: pd.DataFrame) -> pd.DataFrame:
    """The labels that GLDv2 itself publishes, for the landmarks that have one."""
    columns = ["landmark_id", "hierarchical_label", "natural_or_human_made"]
    spaces = [
        read_csv(metadata / f"{space}_label_to_hierarchical.csv", columns)[columns].assign(space=space)
        for space in ("train", "index")
    ]
    labels = pd.concat(spaces, ignore_index=True).drop_duplicates(["space", "landmark_id"])
    labels = landmarks.merge(labels, on=["space", "landmark_id"])
    labels = labels.rename(columns={"hierarchical_label": "category", "natural_or_human_made": "kind"})
    return labels.loc[labels["category"] != "", ["landmark", "category", "kind"]]


def _one_row_each(types: pd.DataFrame, path: Path) -> None:
    repeated = types[types["landmark_id"].duplicated(keep=False)]
    if len(repeated):
        example = repeated["landmark_id"].iloc[0]
        parents = sorted(repeated.loc[repeated["landmark_id"] == example, "supercategory"])
        raise CairnError(
            f"{path}: landmark {example} has two supercategories: {', '.join(map(repr, parents))}"
        )


def _index(metadata: Path, excluded: dict[str, dict[str, int]]) -> pd.DataFrame:
    index = read_csv(metadata / "index.csv", ["id"])[["id"]]
    shown = read_csv(metadata / "index_image_to_landmark.csv", ["id", "landmark_id"])
    index = index.merge(shown[["id", "landmark_id"]], on="id", how="left")
    known = index["landmark_id"].notna()
    excluded["index"] = {"shows no known landmark": int((~known).sum())}
    return index[known].rename(columns={"id": "image_id"}).assign(split="index", space="index")


def _test(store: Path, excluded: dict[str, dict[str, int]]) -> pd.DataFrame:
    """Queries take the landmark that most of their ground-truth index images show."""
    test = read_csv(store / "metadata/test.csv", ["id"])[["id"]]
    truth = read_csv(store / "ground_truth/retrieval_solution_v2.1.csv", ["id", "images", "Usage"])
    shown = read_csv(store / "metadata/index_image_to_landmark.csv", ["id", "landmark_id"])
    pairs = truth.assign(index_id=truth["images"].str.split()).explode("index_id")
    pairs = pairs.merge(shown.rename(columns={"id": "index_id"}), on="index_id")
    votes = pairs.groupby(["id", "landmark_id"]).size().reset_index(name="n_images")
    votes = votes.sort_values(["id", "n_images", "landmark_id"], ascending=[True, False, True])
    test = test.merge(votes.drop_duplicates("id")[["id", "landmark_id"]], on="id", how="left")
    known = test["landmark_id"].notna()
    excluded["test"] = {"no ground truth (ignored by the benchmark)": int((~known).sum())}
    return test[known].rename(columns={"id": "image_id"}).assign(split="test", space="index")


def _members(store: Path) -> pd.DataFrame:
    """Where each image lies: one scan over the tars of every split."""
    found = []
    for split in SPLITS:
        for tar in sorted((store / split).glob("images_*.tar")):
            members = scan_tar(tar)
            members["archive"] = f"{split}/{tar.name}"
            found.append(members.assign(split=split))
    if not found:
        raise CairnError(f"{store}: no images_NNN.tar under train/, index/ or test/: run the fetch stage")
    members = pd.concat(found, ignore_index=True)
    members["image_id"] = members["member"].str.rpartition("/")[2].str.removesuffix(".jpg")
    return members.drop_duplicates(["image_id", "split"])
