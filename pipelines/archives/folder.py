"""Files of their own, in a folder of the store: listed and read as if the folder were an archive."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cairnhub.core.errors import NotFound
from cairnhub.pipelines.archives.entry import Entry


@dataclass(frozen=True)
class Folder:
    """A folder of the store: `name` is its path below `store`, by default the store itself."""

    is_streamed: ClassVar[bool] = False
    store: Path
    name: str = "."

    def __str__(self) -> str:
        return self.name

    def path_of(self, member: str) -> Path:
        """The file itself."""
        return self.store / member

    def reads(self) -> Iterator[Path]:
        """Every file below it."""
        return (self.store / entry.member for entry in self.entries())

    def entries(self) -> list[Entry]:
        """The files below the folder, by path; a member's name is its path below the store.

        Raises:
            CairnError: no such folder.
        """
        folder = self.store / self.name
        if not folder.is_dir():
            raise NotFound(f"{folder} is missing: run the fetch stage again")
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return [
            Entry(None, path.relative_to(self.store).as_posix(), None, path.stat().st_size) for path in files
        ]

    def open(self) -> "OpenFolder":
        """The folder, to read files by name."""
        return OpenFolder(self.store)

    def read_file(self, member: str) -> bytes:
        """One file by its path below the store, such as a list of the images.

        Raises:
            CairnError: it is not there.
        """
        try:
            return (self.store / member).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"{self.store / member} is missing: run the fetch stage again") from error


class OpenFolder:
    """A folder that is being read: nothing is held open."""

    def __init__(self, store: Path) -> None:
        self._store = store

    def read(self, entry: Entry) -> bytes:
        """The bytes of a file."""
        return (self._store / entry.member).read_bytes()

    def close(self) -> None:
        """Nothing to let go of."""
