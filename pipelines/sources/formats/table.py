"""Anybody's own images: folders or archives, and a CSV with one column per level."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import UNPRINTABLE, BadInput, NotFound
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.datasets_hub.readers import split_name_fault
from cairnhub.pipelines.archives.damage import misnamed
from cairnhub.pipelines.archives.folder import Folder
from cairnhub.pipelines.archives.kinds import Archive, archive_at
from cairnhub.pipelines.executors.local import HERE, Executor
from cairnhub.pipelines.settings.sources import FOLDERS, Subset, TableSource
from cairnhub.pipelines.sources.csv_tables import read_csv
from cairnhub.pipelines.sources.image_endings import IMAGE_ENDINGS
from cairnhub.pipelines.sources.label_names import tell_apart
from cairnhub.pipelines.sources.listed_rows import as_stored, lacks_a_label, listed_twice
from cairnhub.pipelines.sources.listing import PLACE, Listing, quarantine
from cairnhub.pipelines.sources.match_members import list_members, match_members
from cairnhub.pipelines.sources.packs import local_row
from cairnhub.pipelines.sources.registry import RegistryRow
from cairnhub.pipelines.sources.source_reader import SourceReader
from cairnhub.pipelines.sources.splits import describe, divide
from cairnhub.pipelines.split_names import check_protocols, check_spelling, recognised_protocols

log = logging.getLogger(__name__)


class Table(SourceReader):
    """Reads what `params.yaml` declares under `sources.<dataset>` with `format: table`."""

    has_registry = False

    def __init__(self, dataset: str, source: TableSource, executor: Executor = HERE) -> None:
        self.dataset = dataset
        self.executor = executor
        self.edition = dataset
        self.source = source
        self.levels = source.tree.published_levels(source.levels)[:1] if source.tree else source.levels
        self.twins = source.twins

    def list_images(self, store: Path) -> Listing:
        """List the CSV's rows and where each image lies."""
        path, rule = store / self.source.labels, self.source.qualify
        members = self._members(store)
        frame = _from_folders(members, self.source) if self.source.labels == FOLDERS else self._read(path)
        others = self._others(frame)
        kept = self._kept(path, others)
        told = self._told(path, kept)
        rows = self._once(self._rows(path, frame).join(frame[[*kept, *told]]))
        rows["member"] = as_stored(rows["image_id"], members["member"])
        named = pd.concat([rows["member"], pd.Series([self.source.labels])])
        twice = listed_twice(rows, [*self.levels, "split"])
        rows, repeated = quarantine(rows, pd.Series(rows.index.isin(twice.index), rows.index), twice)
        lacking = lacks_a_label(rows, self.levels, needs_all=rule == "refuse")
        rows, unlabelled = quarantine(rows, lacking, "a level is empty")
        rows, qualified = tell_apart(rows, self.levels, rule, path, has_lines=True)
        absent = f"not in {', '.join(self.source.images)}"
        matches = match_members(rows, members, ["member"], absent, named)
        if matches.images.empty:
            raise BadInput(
                f"{store / self.source.labels}: none of its {len(rows)} paths is in {', '.join(self.source.images)}; "
                f"the first is {rows['image_id'].iloc[0]!r}, and the images look like {members['member'].iloc[0]!r}"
                if len(rows) and len(members)
                else f"{store / self.source.labels}: lists no usable image"
            )
        order = ["split", "archive", "offset", "member"]
        images = matches.images.sort_values(order, na_position="first", ignore_index=True)
        return Listing(
            images[[*PLACE, *self.levels, *kept, *told]],
            pd.concat([repeated, unlabelled, matches.quarantine], ignore_index=True),
            refused_members=matches.refused_members,
            unnamed=matches.unnamed,
            qualified=qualified,
            kept=kept,
            not_kept=tuple(name for name in others if name not in kept),
        )

    def own_files(self, mirror: str) -> list[RegistryRow]:
        """See `SourceReader`; a local file without a declared hash is held against its own present content."""
        source = self.source
        names = [] if source.labels == FOLDERS else [source.labels]
        for name in source.images:
            names += self._files_of(Path(mirror), name)
        names = list(dict.fromkeys(names))  # the CSV may lie in a folder of images
        unknown = sorted(set(source.hashes) - set(names))
        if unknown:
            raise BadInput(f"params.yaml: hashes names {unknown[0]!r}, which is not among labels and images")
        if "://" in mirror:
            return [RegistryRow(name, name, None, source.hashes.get(name)) for name in names]
        return [self._local_row(name, Path(mirror)) for name in names]

    def _local_row(self, name: str, mirror: Path) -> RegistryRow:
        path = mirror / name
        if not path.is_file():
            raise NotFound(
                f"{path} is missing: put it there, or correct labels, images or the mirror in params.yaml"
            )
        return local_row(name, mirror, self.source.hashes.get(name))

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

    @property
    def _used(self) -> list[str]:
        """The CSV's columns that say what and where an image is."""
        split = [self.source.split] if isinstance(self.source.split, str) else []
        return [self.source.path, *self.levels, *split]

    def _read(self, path: Path) -> pd.DataFrame:
        named = () if self.source.keep == "all" else self.source.keep
        told = self.source.tree.columns(self.levels[0]) if self.source.tree else ()
        return read_csv(path, [*self._used, *named, *told], self.source.multiline)

    def _others(self, frame: pd.DataFrame) -> tuple[str, ...]:
        """The CSV's columns that are not used."""
        return tuple(name for name in map(str, frame.columns) if name not in self._used)

    def _kept(self, path: Path, others: Sequence[str]) -> tuple[str, ...]:
        """Those of them that are published."""
        kept = tuple(others) if self.source.keep == "all" else self.source.keep
        taken = {*PLACE, *self.levels, "image", "path"}
        bad = [name for name in kept if name in taken or not name.strip() or UNPRINTABLE.search(name)]
        if bad:
            raise BadInput(
                f"{path}: column {bad[0]!r} cannot be kept under this name: it is another column's, or nobody can read "
                f"it; rename it, or name the others under sources.{self.dataset}.keep in params.yaml"
            )
        return kept

    def _told(self, path: Path, kept: Sequence[str]) -> tuple[str, ...]:
        """Columns that a tree is proposed from, beside those that are published anyway."""
        told = self.source.tree.columns(self.levels[0]) if self.source.tree else ()
        if bad := [name for name in told if name in PLACE]:
            raise BadInput(
                f"{path}: column {bad[0]!r} cannot tell a tree under this name: it is another column's; rename it, and "
                f"under sources.{self.dataset}.tree in params.yaml"
            )
        return tuple(name for name in told if name not in kept)

    def _rows(self, path: Path, frame: pd.DataFrame) -> pd.DataFrame:
        """What the table says of each image; the index is the line."""
        source = self.source
        rows = pd.DataFrame({level: frame[level].str.strip() for level in self.levels})
        rows["image_id"] = frame[source.path].str.strip().str.removeprefix("./")
        if not isinstance(source.split, str):
            log.info(f"{self.dataset}: {describe(source.split, self.levels)}")
            told_apart, _ = tell_apart(rows, self.levels, "parent", path)  # classes, not names, are divided
            rows["split"] = divide(told_apart, self.levels, source.split)
            return rows
        rows["split"] = frame[source.split].str.strip()
        if (rows["split"] == "").any():
            lines = rows.index[rows["split"] == ""]
            more = f" and in {len(lines) - 1:,} more lines" if len(lines) > 1 else ""
            raise BadInput(
                f"{path}:{lines[0]}: column {source.split!r} is empty{more}; every image needs a split"
            )
        for split in rows["split"].unique():
            if fault := split_name_fault(split):
                line = rows.index[rows["split"] == split][0]
                raise BadInput(f"{path}:{line}: column {source.split!r}: {fault}")
        check_spelling(rows["split"].value_counts(), f"{path}: column {source.split!r}")
        return rows

    def _once(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows without those that say again what one before says: they are one image."""
        again = rows.duplicated(["image_id", *self.levels, "split"])
        if again.any():
            log.info(
                f"{self.dataset}: {int(again.sum()):,} rows repeat one before them in full: one image each"
            )
        return rows[~again]

    def _members(self, store: Path) -> pd.DataFrame:
        return list_members([self._archive(store, name) for name in self.source.images], self.executor)

    def _archive(self, store: Path, name: str) -> Archive:
        archive = archive_at(store, name)
        return replace(archive, fetched=self.fetched) if isinstance(archive, Folder) else archive

    def protocols(self, splits: Collection[str]) -> tuple[EvaluationProtocol, ...]:
        """Those that `params.yaml` declares, else those that the splits' names tell."""
        declared = self.source.protocols
        if declared is None:
            return recognised_protocols(splits)
        check_protocols(declared, splits, f"params.yaml: sources.{self.dataset}.protocols")
        return declared

    def splits_at(self, mirror: Path) -> Collection[str]:
        """See `SourceReader`."""
        labels = mirror / self.source.labels
        return set(self._rows(labels, self._read(labels))["split"]) if labels.is_file() else ()

    def card(self) -> Card:
        """What the published dataset says of itself, as far as `params.yaml` tells."""
        source = self.source
        n_levels = len(source.tree.published_levels(source.levels) if source.tree else self.levels)
        divided = "" if isinstance(source.split, str) else f" {describe(source.split, self.levels)}"
        return Card(
            name=self.dataset,
            title=source.title or self.dataset,
            description=f"{source.title or self.dataset}: images with labels on {n_levels} levels.{divided}",
            homepage=source.homepage or None,
            licence=source.licence,
            redistributable=source.redistributable,
            citation=source.citation or None,
            levels=self.levels,
            annotation_origin="given",
        )


def _from_folders(members: pd.DataFrame, source: TableSource) -> pd.DataFrame:
    """The table that folders of images are: the folder of an image is its finest label, that above the next.

    Raises:
        BadInput: there is no image.
    """
    names = members.loc[members["refusal"].isna(), "member"]
    names = names[names.str.lower().str.endswith(IMAGE_ENDINGS)].reset_index(drop=True)
    if names.empty:
        raise BadInput(
            f"no image in {', '.join(source.images)}: looked for names that end in {', '.join(IMAGE_ENDINGS)}"
        )
    above = names.str.split("/").map(lambda parts: parts[-2::-1])
    labels = {
        level: above.map(lambda folders, i=i: folders[i] if i < len(folders) else "")
        for i, level in enumerate(source.levels)
    }
    return pd.DataFrame({source.path: names, **labels})


def make(dataset: str, source: TableSource, subset: Subset, executor: Executor) -> Table:
    """See `formats`."""
    return Table(dataset, source, executor)
