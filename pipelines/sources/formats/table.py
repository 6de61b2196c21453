"""Anybody's own images: folders or archives, and a CSV with one column per level."""

import hashlib
import logging
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.hashing import sha256_of
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.archives.damage import misnamed
from cairnhub.pipelines.archives.folder import Folder
from cairnhub.pipelines.archives.kinds import Archive, archive_at
from cairnhub.pipelines.executors.local import HERE, Executor
from cairnhub.pipelines.settings.sources import Subset, TableSource
from cairnhub.pipelines.sources.csv_tables import read_csv
from cairnhub.pipelines.sources.listing import PLACE, Listing, quarantine
from cairnhub.pipelines.sources.match_members import list_members, match_members
from cairnhub.pipelines.sources.registry import RegistryRow
from cairnhub.pipelines.sources.source_reader import SourceReader

log = logging.getLogger(__name__)

TEST_SHARE = 5
"""Without a split column, one image in so many is `test`."""


class Table(SourceReader):
    """Reads what `params.yaml` declares under `sources.<dataset>` with `format: table`."""

    has_registry = False

    def __init__(self, dataset: str, source: TableSource, executor: Executor = HERE) -> None:
        self.dataset = dataset
        self.executor = executor
        self.edition = dataset
        self.source = source
        self.levels = source.levels

    def list_images(self, store: Path) -> Listing:
        """List the CSV's rows and where each image lies."""
        listed = self._rows(store / self.source.labels)
        named = pd.concat([listed["image_id"], pd.Series([self.source.labels])])
        rows, repeated = quarantine(listed, listed["image_id"].duplicated(), "its path is listed twice")
        blank = (rows[list(self.levels)] == "").any(axis="columns")
        rows, unlabelled = quarantine(rows, blank, "a level is empty")
        members = self._members(store)
        absent = f"not in {', '.join(self.source.images)}"
        matches = match_members(rows, members, ["image_id"], absent, named)
        if matches.images.empty:
            raise BadInput(
                f"{store / self.source.labels}: none of its {len(rows)} paths is in {', '.join(self.source.images)}; "
                f"the first is {rows['image_id'].iloc[0]!r}, and the images look like {members['image_id'].iloc[0]!r}"
                if len(rows) and len(members)
                else f"{store / self.source.labels}: lists no usable image"
            )
        order = ["split", "archive", "offset", "member"]
        images = matches.images.sort_values(order, na_position="first", ignore_index=True)
        return Listing(
            images[[*PLACE, *self.levels]],
            pd.concat([repeated, unlabelled, matches.quarantine], ignore_index=True),
            refused_members=matches.refused_members,
            unnamed=matches.unnamed,
        )

    def own_files(self, mirror: str) -> list[RegistryRow]:
        """See `SourceReader`; a local file without a declared hash is held against its own present content."""
        source = self.source
        names = [source.labels]
        for name in source.images:
            names += self._files_of(Path(mirror), name)
        names = list(dict.fromkeys(names))  # the CSV may lie in a folder of images
        unknown = sorted(set(source.hashes) - set(names))
        if unknown:
            raise BadInput(f"params.yaml: hashes names {unknown[0]!r}, which is not among labels and images")
        if "://" in mirror:
            return [RegistryRow(name, name, None, source.hashes.get(name)) for name in names]
        return [_local_row(name, source.hashes.get(name), Path(mirror)) for name in names]

    def _files_of(self, mirror: Path, name: str) -> list[str]:
        """An archive, or the files of a folder; says which of these have names that no dataset can hold."""
        archive = archive_at(mirror, name)
        if not isinstance(archive, Folder):
            return [name]
        if (mirror / name).is_file():
            raise misnamed(mirror / name, "folder") or BadInput(
                f"{mirror / name}: neither a folder nor a .tar, .tar.gz, .tgz or .zip; name one under images"
            )
        if not (mirror / name).is_dir():
            raise NotFound(
                f"{mirror / name}: no such folder; name a folder of a local mirror, or a .tar, .tar.gz or .zip, "
                "under images"
            )
        entries = archive.entries()
        for reason in dict.fromkeys(entry.refusal for entry in entries if entry.refusal):
            refused = [entry.member for entry in entries if entry.refusal == reason]
            log.warning(f"{self.dataset}: {len(refused):,} files of {name} {reason}: {quoted(refused, 10)}")
        return [entry.member for entry in entries if entry.refusal is None]

    def _rows(self, path: Path) -> pd.DataFrame:
        source = self.source
        wanted = [source.path, *self.levels, *([source.split] if source.split else [])]
        frame = read_csv(path, wanted, source.multiline)
        rows = pd.DataFrame({level: frame[level].str.strip() for level in self.levels})
        rows["image_id"] = frame[source.path].str.strip().str.removeprefix("./")
        rows["split"] = frame[source.split].str.strip() if source.split else rows["image_id"].map(_split_of)
        if (rows["split"] == "").any():
            line = rows.index[rows["split"] == ""][0]
            raise BadInput(f"{path}:{line}: column {source.split!r} is empty; every image needs a split")
        return rows

    def _members(self, store: Path) -> pd.DataFrame:
        archives = [self._archive(store, name) for name in self.source.images]
        members = list_members(archives, self.executor)
        return members.assign(image_id=members["member"])

    def _archive(self, store: Path, name: str) -> Archive:
        archive = archive_at(store, name)
        return replace(archive, fetched=self.fetched) if isinstance(archive, Folder) else archive

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


def make(dataset: str, source: TableSource, subset: Subset, executor: Executor) -> Table:
    """See `formats`."""
    return Table(dataset, source, executor)


def _local_row(name: str, declared: str | None, mirror: Path) -> RegistryRow:
    path = mirror / name
    if not path.is_file():
        raise NotFound(
            f"{path} is missing: put it there, or correct labels, images or the mirror in params.yaml"
        )
    present = declared or f"sha256:{sha256_of(path)}"
    return RegistryRow(name=name, url=name, size_bytes=path.stat().st_size, hash=present)
