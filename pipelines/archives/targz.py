"""Gzipped tars: nobody can enter one half-way, so they are read once, from end to end."""

import gzip
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar, NoReturn

from cairnhub.core.errors import BadInput, CairnError, NotFound
from cairnhub.pipelines.archives.damage import damaged
from cairnhub.pipelines.archives.entry import DAMAGED, Entry, Member, with_replaced
from cairnhub.pipelines.archives.tar import HOW_READ, infos, refusal_of

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
        return with_replaced(
            Entry(self.name, member.name, member.offset, len(member.content), member.refusal)
            for member in self.members()
        )

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
                tarfile.open(fileobj=content, mode="r|", bufsize=_BUFFER_BYTES, **HOW_READ) as tar,
            ):
                for info in infos(tar, path):  # to the end of the file, where the checksum stands
                    refusal = refusal_of(info)
                    yield Member(
                        info.name, b"" if refusal else _content(tar, info), info.offset_data, refusal
                    )
                    last = info.name
        except FileNotFoundError as error:
            raise NotFound(f"{path} is missing: run the fetch stage again") from error
        except CairnError:
            raise
        except DAMAGED as error:
            raise damaged(path, "gzipped tar", f"{error}; last whole member: {last}") from error


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    member: IO[bytes] | None = tar.extractfile(info)
    content = member.read() if member is not None else b""
    if len(content) != info.size:
        raise tarfile.ReadError(f"{info.name} ends early")
    return content
