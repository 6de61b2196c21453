"""Google Landmarks v2 (Weyand et al., CVPR 2020): tars by id prefix, landmarks named by Commons categories."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cairnhub.core.errors import BadInput, BrokenData, NotFound
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.hierarchies.label_tree.qualification import Qualified
from cairnhub.pipelines.archives.tar import Tar
from cairnhub.pipelines.executors.local import HERE, Executor
from cairnhub.pipelines.lookup import is_in, rows_among, take
from cairnhub.pipelines.settings.fetch import Fetch
from cairnhub.pipelines.settings.sources import GLDv2Source, GLDv2Subset
from cairnhub.pipelines.sources.csv_tables import read_csv
from cairnhub.pipelines.sources.formats.gldv2.landmark_table import keyed, landmark_table, published_labels
from cairnhub.pipelines.sources.formats.gldv2.mined_types import (
    FILE,
    MinedTypes,
    forget_types,
    mine_types,
    mined_types,
)
from cairnhub.pipelines.sources.formats.gldv2.published_hashes import hash_files, with_published_hashes
from cairnhub.pipelines.sources.label_names import tell_apart
from cairnhub.pipelines.sources.ledger import FetchedFile
from cairnhub.pipelines.sources.listing import ATTRIBUTION, PLACE, Listing, exclude, quarantine
from cairnhub.pipelines.sources.match_members import MemberMatches, list_members, match_members
from cairnhub.pipelines.sources.registry import RegistryRow
from cairnhub.pipelines.sources.source_reader import SourceReader

FOLDERS = {"train": "train", "index": "index", "test": "test"}
"""Folder of the tars -> split of the published dataset."""
FOLDERS_H = {"train": "train", "index": "gallery", "test": "query"}
"""The same for H-GLDv2."""
TABLES = {
    "train": ("metadata/train.csv", "metadata/train_attribution.csv", "metadata/train_clean.csv"),
    "index": ("metadata/index.csv",),
    "test": ("metadata/test.csv", "ground_truth/"),
}
"""Files, or beginnings of their names, that only one folder's split needs."""
UNLABELLED = "unlabelled"
CITATION = (
    "T. Weyand, A. Araujo, B. Cao, J. Sim. Google Landmarks Dataset v2: A Large-Scale Benchmark for Instance-Level "
    "Recognition and Retrieval. CVPR 2020."
)
CITATION_H = (
    "Hierarchy: E. Ramzi, N. Audebert, C. Rambour, A. Araujo, X. Bitot, N. Thome. Optimization of Rank Losses for "
    "Image Retrieval. TPAMI 2025."
)
ABSENT = "in no tar"
_ARCHIVE = re.compile(
    r"(md5sum/)?(?P<folder>train|index|test)/(md5\.)?images_(?P<number>[0-9]{1,9})\.(tar|txt)"
)


class GLDv2(SourceReader):
    """Reads the official layout: `metadata/`, `ground_truth/`, `{train,index,test}/images_NNN.tar`.

    With `hierarchy: published` it is H-GLDv2 (Ramzi et al., SupRank): the labels that GLDv2 publishes give
    category and kind, images of landmarks without a label are excluded, test images query the index's.
    """

    levels = ("landmark", "category", "kind")
    version = "2.1"

    def __init__(
        self, source: GLDv2Source, subset: GLDv2Subset | None = None, executor: Executor = HERE
    ) -> None:
        self.source = source
        self.executor = executor
        self.subset = subset or GLDv2Subset()
        self.is_published = source.hierarchy == "published"
        self.edition = self._edition()
        names = FOLDERS_H if self.is_published else FOLDERS
        unknown = set(self.subset.splits) - set(names.values())
        if unknown:
            raise BadInput(f"params.yaml: subset.splits: no split {unknown.pop()!r}; "
                             f"splits are {', '.join(names.values())}")  # fmt: skip
        self.folders = {
            folder: split
            for folder, split in names.items()
            if not self.subset.splits or split in self.subset.splits
        }

    def _edition(self) -> str:
        if self.is_published:
            return "hgldv2" if self.source.clean and not self.source.keep_unlabelled else ""
        return "gldv2_clean" if self.source.clean else "gldv2"

    def needs(self, name: str) -> bool:
        """All but the tars, their hash files and tables that the subset has no use for."""
        if archive := _ARCHIVE.fullmatch(name):
            folder, number = archive["folder"], int(archive["number"])
            return folder in self.folders and self._is_chosen(folder, number)
        return all(folder in self.folders or not name.startswith(prefix) for folder, prefix in TABLES.items())

    def _is_chosen(self, folder: str, number: int) -> bool:
        n_archives = {str(key): count for key, count in self.subset.n_archives.items()}
        return number < n_archives.get(folder, number + 1)

    def list_images(self, store: Path) -> Listing:
        """List train, index and test images with the landmark they show and its mined type."""
        excluded: dict[str, dict[str, int]] = {}
        has_types = not self.is_published and self.is_fetched(FILE)  # published labels need none
        mined = mined_types(store) if has_types else MinedTypes({}, {})
        landmarks = landmark_table(store / "metadata", mined.types)
        images, unnamed, matches = self._placed(store, landmarks, excluded)
        absent = matches.quarantine
        cut = {self.folders[folder] for folder in self.subset.n_archives if folder in self.folders}
        outside = (absent["reason"] == ABSENT) & absent["split"].isin(cut)
        absent = exclude(absent, outside, "in none of the tars of the subset", excluded)
        if self.subset.only_typed:
            images = exclude(images, images["type"] == "", "its landmark has no type", excluded)
        labels = published_labels(store / "metadata", landmarks)
        qualified: tuple[Qualified, ...] = ()
        if self.is_published:
            images = self._labelled(images, labels, excluded)
            images, qualified = tell_apart(images, self.levels, self.source.qualify, store / "metadata")
        images = images.sort_values(["split", "archive", "offset"], ignore_index=True)
        images = self._credited(images, store)
        named = self.levels if self.is_published else ("landmark", "type")
        names = landmarks[["landmark", "original", "changes"]].rename(columns={"landmark": "label"})
        return Listing(
            images[[*PLACE, *named, *ATTRIBUTION]],
            pd.concat([unnamed, absent], ignore_index=True),
            excluded,
            published_labels=None if self.is_published else labels,
            names=names,
            chains=mined.chains,
            ground_truth=_ground_truth(store) if "test" in self.folders else None,
            refused_members=matches.refused_members,
            unnamed=matches.unnamed,
            qualified=qualified,
        )

    def _placed(
        self, store: Path, landmarks: pd.DataFrame, excluded: dict[str, dict[str, int]]
    ) -> tuple[pd.DataFrame, pd.DataFrame, MemberMatches]:
        """The listed images with landmark and place, and what has none; of millions only these tables stay.

        Args:
            store: of the files.
            landmarks: as `landmark_table` gives them.
            excluded: is added to.

        Returns:
            The images, with `row`, their place among the listed ones of their split; those whose landmark has no name;
            and what became of the others (`MemberMatches`, without the images).
        """
        listed = self._annotations(store)
        images = exclude(listed, listed["exclusion"].notna(), listed["exclusion"], excluded)
        known = listed.pop("image_id")
        del listed
        keys = ["space", "landmark_id"]
        images = images.drop(columns="exclusion").merge(
            landmarks[[*keys, "landmark", "type"]], on=keys, how="left"
        )
        images = images.drop(columns=keys)
        images, unnamed = quarantine(images, images["landmark"].isna(), "its landmark has no category")
        matches = match_members(images, self._members(store), ["image_id", "split"], ABSENT, named=known)
        return matches.images, unnamed, matches._replace(images=images.head(0))

    def hash_files(self, rows: Sequence[RegistryRow]) -> list[RegistryRow]:
        """See `SourceReader`."""
        return hash_files(rows)

    def with_published_hashes(self, rows: Sequence[RegistryRow], store: Path) -> list[RegistryRow]:
        """See `SourceReader`."""
        return with_published_hashes(rows, store)

    def fetch_more(self, store: Path, settings: Fetch) -> list[FetchedFile]:
        """Mine the types of landmarks for which GLDv2 gives no supercategory, where the parameters ask for them."""
        if self.is_published:
            return []
        landmarks = landmark_table(store / "metadata", {})
        categories = landmarks.loc[landmarks["type"] == "", "original"].tolist()
        if categories and settings.wikimedia is not None:
            return [mine_types(categories, store, settings.wikimedia)]
        if categories:
            forget_types(store)
        return []

    def _annotations(self, store: Path) -> pd.DataFrame:
        """The listed images of the chosen splits: ids and what they show, in the id space of the labels.

        `exclusion` is the rule by which an image is excluded, null for one that is not.
        """
        readers = {"train": self._train, "index": _index, "test": _test}
        frames = [
            table.assign(split=split, row=np.arange(len(table), dtype=np.int32))
            for table, split in ((readers[folder](store), split) for folder, split in self.folders.items())
        ]
        columns = ["image_id", "split", "space", "landmark_id", "row", "exclusion"]
        return pd.concat(frames, ignore_index=True).reindex(columns=columns)

    def _train(self, store: Path) -> pd.DataFrame:
        metadata = store / "metadata"
        train = read_csv(metadata / "train.csv", ["id", "landmark_id"], is_only=True)
        train = train.rename(columns={"id": "image_id"}).assign(space="train")
        if self.source.clean:
            clean = read_csv(metadata / "train_clean.csv", ["landmark_id", "images"])
            is_clean = is_in(train["image_id"], clean["images"].str.split().explode())
            train = _with_exclusion(train, ~is_clean, "not in train_clean")
        return train

    def _credited(self, images: pd.DataFrame, store: Path) -> pd.DataFrame:
        """Attribution of training images; read last, and one after the other: it is most of a row's bytes."""
        metadata, columns = store / "metadata", ["author", "license", "title"]
        if "train" not in self.folders:
            return images.drop(columns="row").assign(**dict.fromkeys(ATTRIBUTION, pd.Series(dtype="str")))
        is_train = (images["split"] == self.folders["train"]).to_numpy()
        # Free text, as people wrote it, over several lines too; few authors, few licences.
        credit = keyed(
            metadata / "train_attribution.csv", "id", columns, is_multiline=True, repetitive=columns[:2]
        )
        rows = np.where(is_train, rows_among(images["image_id"], credit.pop("id")), -1)
        for column in columns[:2]:  # `save_images` writes them as text
            images[column] = credit.pop(column).array.take(rows, allow_fill=True)
        images["title"] = take(credit.pop("title"), rows)
        del credit
        urls = read_csv(metadata / "train.csv", ["url"], is_only=True)["url"]
        images["source_url"] = take(urls, np.where(is_train, images.pop("row"), -1))
        return images

    def _labelled(
        self, images: pd.DataFrame, labels: pd.DataFrame, excluded: dict[str, dict[str, int]]
    ) -> pd.DataFrame:
        """Join category and kind; what has none is excluded, or kept under a name that says so."""
        images = images.merge(labels, on="landmark", how="left")
        bare = images["category"].isna()
        if self.source.keep_unlabelled:
            bare &= images["split"] == self.folders.get("test", "")
        images = exclude(images, bare, "its landmark has no published label", excluded)
        return images.fillna({"category": UNLABELLED, "kind": UNLABELLED})

    def _members(self, store: Path) -> pd.DataFrame:
        """Where each image lies: one scan over the chosen tars of every split."""
        tars = [
            Tar(store, f"{folder}/{path.name}")
            for folder in self.folders
            for path in sorted((store / folder).glob("images_*.tar"))
            if self.is_fetched(f"{folder}/{path.name}")
            and (archive := _ARCHIVE.fullmatch(f"{folder}/{path.name}"))
            and self._is_chosen(folder, int(archive["number"]))
        ]
        if not tars:
            folders = ", ".join(f"{folder}/" for folder in self.folders)
            raise NotFound(f"{store}: no images_NNN.tar under {folders}: run the fetch stage")
        members = list_members(tars, self.executor)
        if members.empty:
            raise BrokenData(f"{store}: its {len(tars)} tars hold no image; run the fetch stage again")
        members["split"] = members["archive"].str.replace(r"/.*", "", regex=True).map(self.folders)
        members["archive"] = members["archive"].astype("category")  # a few hundred names
        members["image_id"] = members["member"].str.replace(r"^.*/|\.jpg$", "", regex=True)
        return members

    def card(self) -> Card:
        """What the published dataset says of itself."""
        origin = "was published with the dataset" if self.is_published else "was proposed and then reviewed"
        query, gallery = ("query", "gallery") if self.is_published else ("test", "index")
        return Card(
            name="hgldv2" if self.is_published else "gldv2",
            title=f"{'H-GLDv2: ' if self.is_published else ''}Google Landmarks v2 with hierarchical labels",
            description=(
                "Landmark photographs from Wikimedia Commons. Every landmark hangs in a tree (landmark, category, "
                f"kind) that {origin}. Annotations by Google: CC BY 4.0. Training images: each under the licence in "
                "its `license` column; index and test images: CC0 or public domain."
            ),
            homepage="https://github.com/cvdfoundation/google-landmark",
            licence="CC-BY-4.0",
            redistributable=True,
            citation=f"{CITATION} {CITATION_H}" if self.is_published else CITATION,
            levels=self.levels,
            annotation_origin="given" if self.is_published else "automatic",
            attribution=ATTRIBUTION,
            attribution_required=tuple({"train"} & set(self.folders.values())),
            protocols=(EvaluationProtocol(name="retrieval", query=query, gallery=gallery),),
        )


def _with_exclusion(images: pd.DataFrame, by_rule: "pd.Series[bool]", reason: str) -> pd.DataFrame:
    return images.assign(exclusion=pd.Series(reason, images.index, dtype="str").where(by_rule))


def _index(store: Path) -> pd.DataFrame:
    index = read_csv(store / "metadata/index.csv", ["id"], is_only=True)
    shown = keyed(store / "metadata/index_image_to_landmark.csv", "id", ["landmark_id"])
    index = index.merge(shown, on="id", how="left")
    index = index.rename(columns={"id": "image_id"}).assign(space="index")
    return _with_exclusion(index, index["landmark_id"].isna(), "shows no known landmark")


def _test(store: Path) -> pd.DataFrame:
    """Queries take the landmark that most of their ground-truth index images show."""
    test = read_csv(store / "metadata/test.csv", ["id"], is_only=True)
    shown = read_csv(store / "metadata/index_image_to_landmark.csv", ["id", "landmark_id"])
    pairs = _ground_truth(store).merge(shown.rename(columns={"id": "image_id"}), on="image_id")
    votes = pairs.groupby(["query_id", "landmark_id"]).size().reset_index(name="n_images")
    votes = votes.sort_values(["query_id", "n_images", "landmark_id"], ascending=[True, False, True])
    votes = votes.drop_duplicates("query_id").rename(columns={"query_id": "id"})
    test = test.merge(votes[["id", "landmark_id"]], on="id", how="left")
    test = test.rename(columns={"id": "image_id"}).assign(space="index")
    return _with_exclusion(test, test["landmark_id"].isna(), "no ground truth (ignored by the benchmark)")


def _ground_truth(store: Path) -> pd.DataFrame:
    """The retrieval benchmark's answers, one row per query and index image that answers it."""
    path = store / "ground_truth/retrieval_solution_v2.1.csv"
    truth = read_csv(path, ["id", "images", "Usage"])
    truth = truth[(truth["Usage"] != "Ignored") & (truth["images"] != "None")]
    truth = truth.assign(images=truth["images"].str.split()).explode("images")
    return truth.rename(columns={"id": "query_id", "images": "image_id", "Usage": "usage"})[
        ["query_id", "image_id", "usage"]
    ]
