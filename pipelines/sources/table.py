"""Anybody's own images: folders or tars, and a CSV with one column per level."""

import hashlib
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.executors.local import HERE, Executor
from cairnhub.pipelines.settings.sources import TableSource
from cairnhub.pipelines.sources.listing import (
    LOCATION,
    Listing,
    SourceReader,
    read_csv,
    scan_folder,
    split_off,
)
from cairnhub.pipelines.sources.match_members import locate, scan_tars

TEST_SHARE = 5
"""Without a split column, one image in so many is `test`."""


class Table(SourceReader):
    """Reads what `params.yaml` declares under `sources.<dataset>` with `format: table`."""

    def __init__(self, dataset: str, source: TableSource, executor: Executor = HERE) -> None:
        self.dataset = dataset
        self.executor = executor
        self.edition = dataset
        self.source = source
        self.levels = source.levels

    def list_images(self, store: Path) -> Listing:
        """List the CSV's rows and where each image lies."""
        rows = self._rows(store / self.source.labels)
        rows, repeated = split_off(rows, rows["image_id"].duplicated(), "its path is listed twice")
        blank = (rows[list(self.levels)] == "").any(axis="columns")
        rows, unlabelled = split_off(rows, blank, "a level is empty")
        members = self._members(store)
        located = locate(rows, members, ["image_id"], f"not in {', '.join(self.source.images)}")
        if located.images.empty:
            raise CairnError(
                f"{store / self.source.labels}: none of its {len(rows)} paths is in {', '.join(self.source.images)}; "
                f"the first is {rows['image_id'].iloc[0]!r}, and the images look like {members['image_id'].iloc[0]!r}"
                if len(rows) and len(members)
                else f"{store / self.source.labels}: lists no usable image"
            )
        images = located.images.sort_values(["split", "archive", "offset", "member"], ignore_index=True)
        quarantine = pd.concat([repeated, unlabelled, located.quarantine], ignore_index=True)
        return Listing(images[[*LOCATION, *self.levels]], quarantine, refused=located.refused)

    def _rows(self, path: Path) -> pd.DataFrame:
        source = self.source
        wanted = [source.path, *self.levels, *([source.split] if source.split else [])]
        frame = read_csv(path, wanted)
        rows = pd.DataFrame({level: frame[level].str.strip() for level in self.levels})
        rows["image_id"] = frame[source.path].str.strip()
        rows["split"] = frame[source.split].str.strip() if source.split else rows["image_id"].map(_split_of)
        if (rows["split"] == "").any():
            line = int((rows["split"] == "").to_numpy().argmax()) + 2
            raise CairnError(f"{path}:{line}: column {source.split!r} is empty; every image needs a split")
        return rows

    def _members(self, store: Path) -> pd.DataFrame:
        tars = [name for name in self.source.images if name.endswith(".tar")]
        folders = [name for name in self.source.images if name not in tars]
        frames = [scan_tars(store, tars, self.executor)] if tars else []
        frames += [scan_folder(store, name) for name in folders]
        members = pd.concat(frames, ignore_index=True)
        return members.assign(image_id=members["member"])

    def card(self) -> Card:
        """What the published dataset says of itself, as far as `params.yaml` tells."""
        source = self.source
        return Card(
            name=self.dataset,
            title=source.title or self.dataset,
            description=f"{source.title or self.dataset}: images with labels on {len(self.levels)} levels.",
            homepage=source.homepage or None,
            licence=source.licence,
            redistributable=source.redistributable,
            citation=source.citation or None,
            levels=self.levels,
            annotation_origin="given",
            protocols=(EvaluationProtocol(name="retrieval", query="test", gallery="test"),),
        )


def _split_of(image_id: str) -> str:
    """A split that depends on the image's own path only, so that adding images moves none."""
    digest = hashlib.sha256(image_id.encode()).digest()
    return "test" if digest[0] % TEST_SHARE == 0 else "train"
