"""Files that `datasets` streams are looked into one after another, each before any of it is decoded."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from cairnhub.datasets_hub.filesystems import filesystem_of
from cairnhub.datasets_hub.parquet_files import require_bounded
from cairnhub.datasets_hub.storage_errors import explained

if TYPE_CHECKING:
    from datasets import IterableDataset, IterableDatasetDict

Files: TypeAlias = Iterable["str | Files"]
READ_AT_ONCE = 2**16  # headers of pages are small, and pages large: what lies between them is not fetched


def stream_bounded(split: str | None, options: Mapping[str, Any]) -> "IterableDataset | IterableDatasetDict":
    """What `datasets.load_dataset(streaming=True)` returns.

    Args:
        split: as there.
        options: as there.

    Raises:
        BrokenData: here or while iterating: a file takes more memory than is allowed.
    """
    import datasets

    builder = datasets.load_dataset_builder(**options)
    look = _Look(builder, dict(builder.storage_options or {}))
    if builder.info.features is None:  # it would read them from a footer
        for files in (builder.config.data_files or {}).values():
            for _ in look.into(str(file) for file in files):
                pass
    builder._generate_tables = look
    return builder.as_streaming_dataset(split=split)


@dataclass
class _Look:
    """Takes the place of the function by which a builder makes tables of its files.

    Attributes:
        builder: of `datasets`.
        storage_options: for fsspec.
        bounded: the files that were looked into.
    """

    builder: Any
    storage_options: dict[str, Any]
    bounded: set[str] = field(default_factory=set)

    def __call__(self, files: Files, **others: object) -> Iterator[tuple[object, object]]:
        yield from type(self.builder)._generate_tables(self.builder, self.into(files), **others)

    def into(self, files: Files) -> Iterator[Any]:
        """The same files, or groups of them, one by one."""
        for file in files:
            if isinstance(file, str):
                self._check(file)
                yield file
            else:
                yield self.into(file)

    def _check(self, file: str) -> None:
        if file in self.bounded:
            return
        token = {"token": self.builder.token} if file.startswith("hf://") else {}
        with explained(file):
            filesystem, path = filesystem_of(file, **{**token, **self.storage_options})
            with filesystem.open(path, "rb", block_size=READ_AT_ONCE) as opened:
                require_bounded([opened])
        self.bounded.add(file)
