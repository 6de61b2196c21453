"""A split of any published dataset as training reads it, by its name or URI."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cairnhub.datasets_hub.loader import describe, load_dataset
from cairnhub.datasets_hub.local_splits import LocalSplits
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.datasets_hub.mmap_images import MmapImages, OpenSplit
from cairnhub.datasets_hub.parquet_files import open_parquet, read_parquet
from cairnhub.datasets_hub.schema import class_indices
from cairnhub.hierarchies.label_tree.tree import LabelTree

if TYPE_CHECKING:
    from datasets import Dataset
    from pyarrow import Table


@dataclass(frozen=True)
class PublishedSplits:
    """The splits of a dataset, wherever it lies; one that lies elsewhere is downloaded first, by `datasets`."""

    published: PublishedDataset

    @cached_property
    def tree(self) -> LabelTree:
        """Its label tree."""
        return self.published.tree()

    @property
    def fingerprint(self) -> str:
        """Of its tree and its images; of a folder of this machine the same as `LocalSplits` says."""
        location = self.published.location
        if location.is_local:
            return LocalSplits(Path(location.uri) / "data", self.tree).fingerprint
        return self.published.stats.fingerprint

    def open(self, split: str) -> OpenSplit:
        """Images at random and labels of a split."""
        files = _local_files(self.published, split)
        labels = class_indices(self.columns(split, self.tree.levels), self.tree.levels)
        return OpenSplit(
            MmapImages(files) if files else _PreparedImages(_prepared(self.published, split)), labels
        )

    def columns(self, split: str, names: Sequence[str]) -> "Table":
        """Some columns of a split, in its order."""
        files = _local_files(self.published, split)
        if files:
            return read_parquet(files, names)
        return _prepared(self.published, split).select_columns(list(names)).with_format("arrow")[:]

    def column_names(self, split: str) -> list[str]:
        """What columns a split has."""
        files = _local_files(self.published, split)
        if not files:
            return list(_prepared(self.published, split).column_names)
        with open_parquet(files[0]) as file:
            return list(file.schema_arrow.names)


def open_split(
    name: str | Path,
    split: str,
    *,
    scale: str | None = None,
    revision: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> OpenSplit:
    """Open a split for reading at random; one that lies elsewhere is downloaded first, by `datasets`.

    Args:
        name: as for `load_dataset`, and so the others.
        split: its name.
        scale: `sample` or `full`, for names.
        revision: a version published before.
        hub: where names are looked up.
        storage_options: passed to fsspec for URIs.

    Raises:
        NotFound: no such dataset or split.
        BrokenData: a shard is missing, or its images cannot be read in place.
    """
    published = describe(name, scale=scale, revision=revision, hub=hub, storage_options=storage_options)
    published.check_labels()
    return PublishedSplits(published).open(split)


def read_columns(
    name: str | Path,
    split: str,
    columns: Sequence[str],
    *,
    scale: str | None = None,
    revision: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> "Table":
    """Some columns of a split, in its order; arguments and errors as for `open_split`."""
    published = describe(name, scale=scale, revision=revision, hub=hub, storage_options=storage_options)
    published.check_labels()
    return PublishedSplits(published).columns(split, columns)


def _prepared(published: PublishedDataset, split: str) -> "Dataset":
    """A split as `datasets` prepares it; or the error that says what is missing."""
    location = published.location
    return load_dataset(
        location.uri, split, revision=location.revision, storage_options=location.storage_options
    )


def _local_files(published: PublishedDataset, split: str) -> Sequence[str]:
    """A split's shards where all of them lie on this machine."""
    files = published.data_files["default"].get(split, ())
    is_here = published.location.is_local and all(Path(path).is_file() for path in files)
    return files if is_here else ()


class _PreparedImages:
    """Images of a split that `datasets` has prepared."""

    def __init__(self, loaded: "Dataset") -> None:
        import datasets

        self._rows = loaded.select_columns(["image"]).cast_column("image", datasets.Image(decode=False))

    def __len__(self) -> int:
        return len(self._rows)

    def files(self, start: int, stop: int) -> tuple[Path, ...]:
        return ()

    def __getitem__(self, row: int) -> bytes:
        return bytes(self._rows[row]["image"]["bytes"])
