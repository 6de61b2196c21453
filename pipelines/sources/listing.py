"""What every source tells the stages: its files, its images, its card."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from cairnhub.core.errors import CairnError
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.card import Card
from cairnhub.pipelines.archives import Entry

ATTRIBUTION: tuple[Literal["source_url", "author", "license", "title"], ...] = (
    "source_url",
    "author",
    "license",
    "title",
)
LOCATION = ("image_id", "split", "archive", "member", "offset", "size_bytes")
ROWS_AT_ONCE = 10_000
"""Of a CSV: those being read take many times the memory of those that are read."""
_ENTRY_TYPES = {"archive": "str", "member": "str", "offset": "int64", "size_bytes": "int64", "refused": "str"}


@dataclass(frozen=True)
class Listing:
    """One row per image that a source lists, and what became of the rows that are not published.

    Attributes:
        images: columns `image_id`, `split`, `archive` (its name, or "" for a file of its own), `member`
            (path inside it), `offset` and `size_bytes` (bytes; -1 where the archive is streamed), then the
            label columns (names, finest first), then attribution columns where the source has them.
        quarantine: columns `image_id`, `split`, `reason`: listed, but damaged, missing or refused.
        excluded: rows left out on purpose, `split -> reason -> count`.
        published_labels: where others have published a hierarchy of the same landmarks: `landmark`, `category`,
            `kind`. A yardstick for the proposal, never its input.
        names: where labels were made readable: `label`, `original`, `changes` (what was changed, in words).
        chains: type -> its superclasses, nearest first, where they were mined.
        ground_truth: where a benchmark lists the answers of each query: `query_id`, `image_id`, `usage`.
        refused: columns `member`, `reason`: members of archives that are refused and that no list asks for.
    """

    images: pd.DataFrame
    quarantine: pd.DataFrame
    excluded: dict[str, dict[str, int]] = field(default_factory=dict)
    published_labels: pd.DataFrame | None = None
    names: pd.DataFrame | None = None
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ground_truth: pd.DataFrame | None = None
    refused: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["member", "reason"]))

    def counts(self) -> dict[str, dict[str, int]]:
        """Per split: listed = indexed + quarantined + excluded."""
        splits = sorted({*self.images["split"], *self.quarantine["split"], *self.excluded})
        return {split: self._counts_of(split) for split in splits}

    def summary(self, levels: Sequence[str]) -> dict[str, dict[str, int]]:
        """Per split what `registries/counts.yaml` may state: `listed`, `images`, labels of each level."""
        found: dict[str, dict[str, int]] = {}
        present = [level for level in levels if level in self.images]
        for split, count in self.counts().items():
            images = self.images[self.images["split"] == split]
            n_labels = {level: int(images[level].nunique()) for level in present}
            n_images = count["indexed"] + count["quarantined"]
            found[split] = {"listed": count["listed"], "images": n_images, **n_labels}
        return found

    def _counts_of(self, split: str) -> dict[str, int]:
        indexed = int((self.images["split"] == split).sum())
        quarantined = int((self.quarantine["split"] == split).sum())
        excluded = sum(self.excluded.get(split, {}).values())
        return {
            "listed": indexed + quarantined + excluded,
            "indexed": indexed,
            "quarantined": quarantined,
            "excluded": excluded,
        }


class SourceReader(ABC):
    """One source's conventions.

    Attributes:
        levels: names of the levels of its published tree, fine -> coarse.
        version: what its authors call this version of it; empty where there is one only.
        edition: the entry of `registries/counts.yaml` that its counts are held against; empty for none.
    """

    levels: tuple[str, ...]
    version: str = ""
    edition: str = ""

    @abstractmethod
    def list_images(self, store: Path) -> Listing:
        """Read annotations and archive members in place; nothing is unpacked."""

    @abstractmethod
    def card(self) -> Card:
        """Licence, citation, protocols: what the published dataset says of itself."""

    def untyped(self, store: Path) -> list[str]:
        """Commons categories of the landmarks for which the source gives no type."""
        return []

    def summary(self, store: Path) -> dict[str, dict[str, int]]:
        """Per split what the annotations count, to judge files that came by hand; see `Listing.summary`."""
        return self.list_images(store).summary(self.levels)

    def needs(self, name: str) -> bool:
        """Whether the subset that is built needs this file of the registry."""
        return True


def is_in(names: "pd.Series[str]", known: "pd.Index[str]") -> "pd.Series[bool]":
    """Which names are among `known` (unique); `Series.isin` takes those up one by one, minutes for millions."""
    return pd.Series(known.get_indexer(pd.Index(names)) >= 0, names.index)


def read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read text columns of a CSV; absent values are empty strings.

    Raises:
        CairnError: the file is missing, is no CSV, or lacks one of `columns` or has it twice.
    """
    try:
        with pd.read_csv(
            path, dtype=str, keep_default_na=False, encoding="utf-8", chunksize=ROWS_AT_ONCE
        ) as pieces:
            frame = pd.concat(pieces)
    except FileNotFoundError as error:
        raise CairnError(f"{path} is missing: run the fetch stage again") from error
    except (ValueError, OSError) as error:  # pandas' own errors and those of encodings are ValueErrors
        raise CairnError(
            f"{path}: not a readable CSV: {str(error).strip()}; fetch it again, or save it as a CSV in UTF-8"
        ) from error
    require_columns(frame, columns, path)
    if repeated := [column for column in columns if f"{column}.1" in frame.columns]:
        raise CairnError(f"{path}: two columns are called {repeated[0]!r}; rename or remove one")
    if not isinstance(frame.index, pd.RangeIndex):  # pandas then takes the first column for the rows' names
        raise CairnError(
            f"{path}:2: more cells than the header has columns; add the missing name to the header"
        )
    return frame


def require_columns(frame: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Check that a table has `columns`.

    Raises:
        CairnError: names the file, the missing columns and those that it has; or the column that it has twice.
    """
    if frame.columns.has_duplicates:
        repeated = frame.columns[frame.columns.duplicated()]
        raise CairnError(f"{path}: two columns are called {quoted(repeated[:1])}; rename or remove one")
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        only = str(frame.columns[0])
        hint = "; separate cells by commas" if len(frame.columns) == 1 and re.search(r"[;\t|]", only) else ""
        raise CairnError(
            f"{path}: no column {quoted(missing)}; its columns are {quoted(map(str, frame.columns), 20)}{hint}"
        )


def as_frame(entries: Iterable[Entry]) -> pd.DataFrame:
    """Members of archives as a table, which takes a tenth of their memory."""
    return pd.DataFrame(entries, columns=Entry._fields).astype(_ENTRY_TYPES)


def scan_folder(store: Path, folder: str) -> pd.DataFrame:
    """The files below a folder of the store, as an archive's listing.

    Raises:
        CairnError: no such folder.
    """
    if not (store / folder).is_dir():
        raise CairnError(f"{store / folder} is missing: run the fetch stage again")
    files = sorted(path for path in (store / folder).rglob("*") if path.is_file())
    return as_frame(
        Entry("", path.relative_to(store).as_posix(), 0, path.stat().st_size, "") for path in files
    )


def split_off(
    images: pd.DataFrame, bad: "pd.Series[bool]", reason: "str | pd.Series[str]"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide rows into the good ones and a quarantine table that gives the reason."""
    quarantine = images.loc[bad, ["image_id", "split"]].assign(reason=reason)
    return images.loc[~bad], quarantine


def leave_out(
    images: pd.DataFrame, left_out: "pd.Series[bool]", reason: str, excluded: dict[str, dict[str, int]]
) -> pd.DataFrame:
    """The other rows; those left out on purpose are counted by split and reason in `excluded`."""
    for split, count in images.loc[left_out, "split"].value_counts().items():
        reasons = excluded.setdefault(str(split), {})
        reasons[reason] = reasons.get(reason, 0) + int(count)
    return images.loc[~left_out]
