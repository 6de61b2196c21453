"""The index: one row per image, what became of the listed images, the card, and what else a source tells."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.parse import FORBID, read_json
from cairnhub.core.text import quoted
from cairnhub.hierarchies.label_tree.label_rules import Twins
from cairnhub.pipelines.lookup import hashes

ROWS_PER_GROUP = 10_000
"""Row groups of the index: a part of it reads those that it needs."""
_SHUFFLE_SEED = "cairn: row order"  # 16 bytes
_TEXT = pa.string()
_QUARANTINE = pa.schema([("image_id", _TEXT), ("split", _TEXT), ("path", _TEXT), ("reason", _TEXT)])


@dataclass(frozen=True)
class IndexCounts:
    """What became of the listed images.

    Attributes:
        splits: per split `listed`, `indexed`, `quarantined`, `excluded`.
        excluded: split -> reason -> count.
        fetched: hash of the manifest: a streamed archive may change while the rows stay; then what is published is
            stale.
        levels: the label columns, fine -> coarse.
        n_unnamed: members of archives, and files of folders, that no list names; `unnamed.parquet` has them all.
        unnamed: the first ten of them.
        qualified: level -> name -> the labels that it became, where it stood under two parents or for no name.
        twins: whether labels that differ only by case, spaces or Unicode form are `keep`t apart.
    """

    __pydantic_config__ = FORBID

    splits: dict[str, dict[str, int]]
    excluded: dict[str, dict[str, int]]
    fetched: str
    levels: tuple[str, ...]
    n_unnamed: int
    unnamed: tuple[str, ...]
    qualified: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    twins: Twins = "refuse"


@dataclass(frozen=True)
class IndexFolder:
    """The folder of an index.

    Attributes:
        folder: with `images.parquet` (rows of a split stand together, in the order of `shuffle_keys`),
            `quarantine.parquet`, `unnamed.parquet`, `counts.json` and `card.json`; some sources add `names.parquet`,
            `published_labels.parquet`, `superclasses.json`.
    """

    folder: Path

    @property
    def images(self) -> Path:
        """One row per image: id, split, archive, member, offset, size, labels, attribution."""
        return self.folder / "images.parquet"

    @property
    def names(self) -> Path:
        """How names were made readable, where they were."""
        return self.folder / "names.parquet"

    @property
    def quarantine(self) -> Path:
        """Listed images that cannot be had, then members that must not be read; `reason` says why."""
        return self.folder / "quarantine.parquet"

    @property
    def unnamed(self) -> Path:
        """Column `path`: members of archives, and files of folders, that no list names."""
        return self.folder / "unnamed.parquet"

    def counts(self) -> IndexCounts:
        """What became of the listed images.

        Raises:
            CairnError: the stage `index` has not run, or the file is damaged.
        """
        path = self.folder / "counts.json"
        if not path.is_file():
            raise NotFound(f"{path} is missing: run the stage `index`, which writes it")
        return read_json(path, IndexCounts)

    @property
    def card(self) -> Path:
        """The dataset's card, before publication."""
        return self.folder / "card.json"

    def landmarks(self) -> pd.DataFrame:
        """One row per landmark.

        Returns:
            Columns `landmark` (unique name), `type` (mined text, empty where none was found) and `n_images`, sorted
            by name.
        """
        images = pd.read_parquet(self.images, columns=["landmark", "type"])
        grouped = images.groupby("landmark", sort=True)["type"]
        return grouped.agg(type="first", n_images="size").reset_index()

    def labels(self, leaf: str, columns: Sequence[str]) -> pd.DataFrame:
        """One row per label of a level, sorted, with what other columns say of it.

        Args:
            leaf: the level.
            columns: of text; of several rows of a label those that are not empty must agree.

        Returns:
            Columns `leaf`, those asked for (`""` where nothing is said) and `n_images`.

        Raises:
            BadInput: there is no such column, or rows of a label differ; names both.
        """
        images = self._columns([leaf, *columns])
        counts = images.groupby(leaf, sort=True).size()
        labels = pd.DataFrame({leaf: counts.index})
        for column in columns:
            said = images.loc[images[column] != "", [leaf, column]].drop_duplicates()
            if (twice := said[leaf].duplicated(keep=False)).any():
                label = said.loc[twice, leaf].iloc[0]
                both = said.loc[said[leaf] == label, column].tolist()
                raise BadInput(f"{leaf} {label!r} has {column} {both[0]!r} and {both[1]!r}; keep one")
            labels[column] = labels[leaf].map(said.set_index(leaf)[column]).fillna("")
        return labels.assign(n_images=counts.to_numpy())

    def _columns(self, names: Sequence[str]) -> pd.DataFrame:
        known = pq.read_schema(self.images).names
        if absent := [name for name in names if name not in known]:
            raise BadInput(f"{self.images}: no column {absent[0]!r}; there are {quoted(known, 20)}")
        images = pd.read_parquet(self.images, columns=list(dict.fromkeys(names)))
        return pd.DataFrame({name: images[name].fillna("").astype("str").str.strip() for name in images})

    def published_labels(self) -> pd.DataFrame:
        """Labels that others published for the same landmarks: a yardstick for the proposal, never its input.

        Returns:
            Columns `landmark`, `category`, `kind`; no row where nobody published any.
        """
        path = self.folder / "published_labels.parquet"
        return (
            pd.read_parquet(path)
            if path.is_file()
            else pd.DataFrame(columns=["landmark", "category", "kind"])
        )

    def superclasses(self) -> dict[str, list[str]]:
        """Superclasses of each type, nearest first, where they were mined."""
        path = self.folder / "superclasses.json"
        return read_json(path, dict[str, list[str]]) if path.is_file() else {}

    def save_images(self, images: pd.DataFrame) -> None:
        """Write the rows split by split, shuffled, a row group at a time: a copy of all would double the memory.

        Args:
            images: columns of categories, which take less memory, are written as text.
        """
        splits = images["split"].factorize(sort=True)[0]
        order = np.lexsort((shuffle_keys(images["image_id"]), splits))
        text = dict.fromkeys(images.select_dtypes("category"), "str")
        typed = images.head(ROWS_PER_GROUP).astype(text) if text else images
        schema = pa.Schema.from_pandas(typed, preserve_index=False)
        with pq.ParquetWriter(self.images, schema) as file:
            for start in range(0, len(order), ROWS_PER_GROUP):
                rows = images.iloc[order[start : start + ROWS_PER_GROUP]].astype(text)
                file.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False))

    def save_quarantine(self, rows: pd.DataFrame) -> None:
        """Write rows with the columns of `quarantine`; refused members have neither id nor split."""
        pq.write_table(pa.Table.from_pandas(rows, _QUARANTINE, preserve_index=False), self.quarantine)

    def save_counts(self, counts: IndexCounts) -> None:
        """Write what became of the listed images."""
        _write_json(self.folder / "counts.json", asdict(counts))

    def save_labels(self, published: pd.DataFrame | None, superclasses: Mapping[str, Sequence[str]]) -> None:
        """Write what others know of the labels, as far as there is any."""
        if published is not None:
            published.to_parquet(self.folder / "published_labels.parquet", index=False)
        if superclasses:
            _write_json(self.folder / "superclasses.json", dict(superclasses))


def shuffle_keys(image_ids: "pd.Series[str]") -> npt.NDArray[np.uint64]:
    """By which rows are ordered within a split: a keyed hash (SipHash) of the id, evenly spread over 64 bits.

    An image keeps its key whatever else there is, so that others that come or go leave the order of the rest.
    """
    return hashes(image_ids, _SHUFFLE_SEED)


def _write_json(path: Path, content: object) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
