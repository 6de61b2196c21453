"""Files of their own, in a folder of the store: listed and read as if the folder were an archive."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cairnhub.core.errors import NotFound
from cairnhub.pipelines.archives.entry import Entry, refusal_of_name, shown

DANGLING = "refused: a link that leads nowhere"
NO_FILE = "refused: no regular file"


@dataclass(frozen=True)
class Folder:
    """A folder of the store: `name` is its path below `store`, by default the store itself.

    Attributes:
        fetched: the files of the store that count, by their paths below it; None: all that lie there.
    """

    is_streamed: ClassVar[bool] = False
    store: Path
    name: str = "."
    fetched: frozenset[str] | None = None

    def __str__(self) -> str:
        return self.name

    def path_of(self, member: str) -> Path:
        """The file itself."""
        return self.store / member

    def reads(self) -> Iterator[Path]:
        """Every good file below it."""
        return (self.store / entry.member for entry in self.entries() if entry.refusal is None)

    def entries(self) -> list[Entry]:
        """The files below the folder and below linked folders, by path; a member's name is its path below the store.

        Raises:
            CairnError: no such folder.
        """
        folder = self.store / self.name
        if not folder.is_dir():
            raise NotFound(f"{folder} is missing: run the fetch stage again")
        prefix = "" if self.name == "." else f"{self.name.rstrip('/')}/"
        names = self._below(folder) if self.fetched is None else self.fetched
        inside = sorted((name for name in names if name.startswith(prefix)), key=lambda name: name.split("/"))
        return [self._entry(name) for name in inside]

    def _below(self, folder: Path) -> Iterator[str]:
        """Paths below the store of what lies below a folder, but folders."""
        above = {folder: {os.path.realpath(folder)}}
        for root, folders, files in os.walk(folder, followlinks=True):
            seen = above.pop(Path(root))
            for name in list(folders):
                real = os.path.realpath(path := Path(root, name))
                above[path] = seen | {real}
                if real in seen:  # a link to a folder that it lies in: that way there is no end
                    folders.remove(name)
            yield from (Path(root, name).relative_to(self.store).as_posix() for name in files)

    def _entry(self, name: str) -> Entry:
        try:
            status = (self.store / name).stat()
        except OSError:
            if (self.store / name).exists():
                raise
            return Entry(None, shown(name), None, 0, DANGLING)
        refusal = refusal_of_name(name) or (None if stat.S_ISREG(status.st_mode) else NO_FILE)
        return Entry(None, shown(name), None, status.st_size, refusal)

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
