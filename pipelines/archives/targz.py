"""Gzipped tars: nobody can enter one half-way, so they are read once, from end to end."""

import gzip
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar, NoReturn

from cairnhub.core.errors import BadInput, BrokenData, CairnError, NotFound
from cairnhub.pipelines.archives.entry import DAMAGED, MAX_MEMBER_BYTES, REPEATED, Entry, Member
from cairnhub.pipelines.archives.tar import Header, infos, refusal_of

_BUFFER_BYTES = 1 << 16


@dataclass(frozen=True)
class TarGz:
    """A `.tar.gz` or `.tgz` of the store: `name` is its path below `store`."""

    is_streamed: ClassVar[bool] = True
    store: Path
    name: str

    def __str__(self) -> str:
        return self.name

    def path_of(self, member: str) -> Path:
        """The archive, whatever the member."""
        return self.store / self.name

    def reads(self) -> tuple[Path, ...]:
        """The archive."""
        return (self.store / self.name,)

    def entries(self) -> list[Entry]:
        """The members in the archive's order, without folders; it takes reading all of it.

        Raises:
            CairnError: missing, damaged or truncated archive.
        """
        entries: list[Entry] = []
        seen: set[str] = set()
        for member in self.members():
            refusal = member.refusal or (REPEATED if member.name in seen else None)
            seen.add(member.name)
            entries.append(Entry(self.name, member.name, None, len(member.content), refusal))
        return entries

    def open(self) -> NoReturn:
        """Refuse: members of it are not read one by one.

        Raises:
            CairnError: always.
        """
        raise BadInput(f"{self.store / self.name}: is read from end to end only (`members`), not by member")

    def members(self) -> Iterator[Member]:
        """Yield the members with their bytes, without folders, reading the archive once from end to end.

        Raises:
            CairnError: missing, damaged or truncated archive, with the last member that came whole.
        """
        path = self.store / self.name
        last = "none"
        try:
            with (
                gzip.open(path) as content,
                tarfile.open(
                    fileobj=content,
                    mode="r|",
                    bufsize=_BUFFER_BYTES,
                    tarinfo=Header,
                    encoding="utf-8",
                    errors="replace",
                ) as tar,
            ):
                for info in infos(tar, path):
                    refusal = refusal_of(info)
                    yield Member(info.name, b"" if refusal else _content(tar, info), refusal)
                    last = info.name
                _drain(content)
        except FileNotFoundError as error:
            raise NotFound(f"{path} is missing: run the fetch stage again") from error
        except CairnError:
            raise
        except DAMAGED as error:
            raise BrokenData(
                f"{path}: damaged archive ({error}; last whole member: {last}): delete it and run the fetch stage again"
            ) from error


def _drain(content: gzip.GzipFile) -> None:
    """Read to the end, where the checksum stands; behind the last member there is padding and no more."""
    for _ in range(MAX_MEMBER_BYTES // _BUFFER_BYTES):
        if not content.read(_BUFFER_BYTES):
            return
    raise tarfile.ReadError("no end behind the last member")


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    member: IO[bytes] | None = tar.extractfile(info)
    content = member.read() if member is not None else b""
    if len(content) != info.size:
        raise tarfile.ReadError(f"{info.name} ends early")
    return content
