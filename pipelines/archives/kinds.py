"""The kinds of archives: what all of them can do, and which one a file's name stands for."""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Protocol

from cairnhub.pipelines.archives.entry import Entry
from cairnhub.pipelines.archives.folder import Folder
from cairnhub.pipelines.archives.tar import Tar
from cairnhub.pipelines.archives.targz import TarGz
from cairnhub.pipelines.archives.zip import Zip


class OpenArchive(Protocol):
    """An archive that is being read."""

    def read(self, entry: Entry) -> bytes:
        """The bytes of one member; fewer than the entry says where they are not there."""

    def close(self) -> None:
        """Let go of the file."""


class Archive(Protocol):
    """An archive of the store, or a folder of files; a value that travels to workers.

    Attributes:
        is_streamed: whether it is read from end to end only, by `members` in place of `open`.
    """

    is_streamed: ClassVar[bool]

    def __str__(self) -> str:
        """Its path below the store."""

    def path_of(self, member: str) -> Path:
        """The file that a member lies in."""

    def reads(self) -> Iterable[Path]:
        """The files that listing it takes."""

    def entries(self) -> list[Entry]:
        """List its members, the refused ones too, in its own order."""

    def open(self) -> OpenArchive:
        """Open it to read members one by one; a streamed one raises CairnError."""


def archive_at(store: Path, name: str | None) -> Tar | Zip | TarGz | Folder:
    """The archive of this name; None stands for files of their own, a name without a known ending for a folder.

    Args:
        store: folder of the fetched files.
        name: path below it, as in the index.
    """
    if name is None:
        return Folder(store)
    lower = name.lower()
    if lower.endswith(".tar"):
        return Tar(store, name)
    if lower.endswith((".tar.gz", ".tgz")):
        return TarGz(store, name)
    if lower.endswith(".zip"):
        return Zip(store, name)
    return Folder(store, name)


def entries_of(archive: Archive) -> list[Entry]:
    """The members of one archive: a task for an executor."""
    return archive.entries()
