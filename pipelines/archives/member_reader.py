"""Members read one by one, where the index says they lie."""

from pathlib import Path
from typing import Self

from cairnhub.core.errors import BrokenData, NotFound
from cairnhub.pipelines.archives.entry import MAX_MEMBER_BYTES, Entry
from cairnhub.pipelines.archives.kinds import OpenArchive, archive_at
from cairnhub.pipelines.archives.tar import OpenTar


class MemberReader:
    """Reads members of the archives of a store; each is opened once."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._open: dict[str | None, OpenArchive] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for archive in self._open.values():
            archive.close()

    def read(self, entry: Entry) -> bytes:
        """The bytes of a member.

        Raises:
            CairnError: it is not there, or not in the size that the index says, or its archive is a streamed one.
        """
        try:
            content = self._opened(entry.archive).read(entry) if _is_plausible(entry) else b""
        except FileNotFoundError as error:
            raise NotFound(f"{self._path_of(entry)} is missing: run the fetch stage again") from error
        if len(content) != entry.size_bytes:
            size = "?" if entry.size_bytes is None else f"{entry.size_bytes:,}"
            raise BrokenData(
                f"{self._path_of(entry)}: {entry.member} has {len(content):,} bytes, not the {size} of the index: "
                "run the stages fetch and index again"
            )
        return content

    def will_read(self, entry: Entry) -> None:
        """Let a tar that is open already begin to fetch what is read soon."""
        archive = self._open.get(entry.archive)
        if isinstance(archive, OpenTar) and _is_plausible(entry):
            archive.will_read(entry)

    def _path_of(self, entry: Entry) -> Path:
        return archive_at(self._store, entry.archive).path_of(entry.member)

    def _opened(self, name: str | None) -> OpenArchive:
        if name not in self._open:
            self._open[name] = archive_at(self._store, name).open()
        return self._open[name]


def _is_plausible(entry: Entry) -> bool:
    """Whether a sound index could say so; the index is a file, and files get damaged."""
    size, offset = entry.size_bytes, entry.offset
    return size is not None and 0 <= size <= MAX_MEMBER_BYTES and (offset is None or offset >= 0)
