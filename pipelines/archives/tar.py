"""Tars: scanned once for offsets, then read by seek."""

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from cairnhub.core.errors import BrokenData, CairnError, NotFound
from cairnhub.pipelines.archives.damage import damaged
from cairnhub.pipelines.archives.entry import (
    DAMAGED,
    MAX_MEMBER_BYTES,
    MAX_MEMBERS,
    TOO_LARGE,
    Entry,
    refusal_of_name,
    with_replaced,
)
from cairnhub.pipelines.archives.plain_tar import PlainMember, plain_members

MAX_HEADER_BYTES = 2**20
"""Of a long name or of extended attributes: `tarfile` reads them at once."""
MAX_ZERO_BLOCKS = 2**21
"""Of 512 bytes, behind a member: padding has a few, and one that unpacks without end has more."""
_OF_TAR_C = "./"
"""What `tar -c .` puts before names."""
_EXTENSIONS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE,
               tarfile.SOLARIS_XHDTYPE)  # fmt: skip
_NO_FILES = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


@dataclass(frozen=True)
class Tar:
    """A tar of the store: `name` is its path below `store`."""

    is_streamed: ClassVar[bool] = False
    store: Path
    name: str

    def __str__(self) -> str:
        return self.name

    def path_of(self, member: str) -> Path:
        """The tar, whatever the member."""
        return self.store / self.name

    def reads(self) -> tuple[Path, ...]:
        """The tar."""
        return (self.store / self.name,)

    def entries(self) -> list[Entry]:
        """The members in the tar's order, without folders.

        Raises:
            CairnError: missing, damaged or truncated tar.
        """
        path = self.store / self.name
        entries: list[Entry] = []
        try:
            if (plain := plain_members(path)) and len(plain) <= MAX_MEMBERS:
                return with_replaced(self._entry(member) for member in plain)
            file_bytes = path.stat().st_size
            with tarfile.open(path, "r:", **HOW_READ) as tar:
                for info in infos(tar, path):
                    refusal = refusal_of(info)
                    if not refusal and info.offset_data + info.size > file_bytes:
                        raise tarfile.ReadError(f"{info.name} ends beyond it")
                    entries.append(Entry(self.name, info.name, info.offset_data, info.size, refusal))
        except FileNotFoundError as error:
            raise NotFound(f"{path} is missing: run the fetch stage again") from error
        except CairnError:
            raise
        except DAMAGED as error:
            raise damaged(path, "tar", str(error)) from error
        return with_replaced(entries)

    def _entry(self, member: PlainMember) -> Entry:
        name = member.name.removeprefix(_OF_TAR_C)
        refusal = refusal_of_name(name) or (TOO_LARGE if member.size_bytes > MAX_MEMBER_BYTES else None)
        return Entry(self.name, name, member.offset, member.size_bytes, refusal)

    def open(self) -> "OpenTar":
        """The tar, to read members by seek."""
        return OpenTar(self.store / self.name)

    def read_file(self, member: str) -> bytes:
        """One member by name, such as a list of the images; it takes a scan of the tar.

        Raises:
            CairnError: missing, damaged or truncated tar, or no such member.
        """
        found = [entry for entry in self.entries() if entry.member == member and entry.refusal is None]
        if not found:
            raise BrokenData(
                f"{self.store / self.name}: holds no {member}; is it the right archive? Fetch it again"
            )
        opened = self.open()
        try:
            return opened.read(found[0])
        finally:
            opened.close()


class OpenTar:
    """A tar that is being read."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)

    def read(self, entry: Entry) -> bytes:
        """The bytes at the entry's offset, fewer where the tar ends before."""
        return os.pread(self._descriptor, entry.size_bytes or 0, entry.offset or 0)

    def will_read(self, entry: Entry) -> None:
        """Let the disk begin to fetch a member that is read soon: members in any order come as fast as in the tar's."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(
                self._descriptor, entry.offset or 0, entry.size_bytes or 0, os.POSIX_FADV_WILLNEED
            )

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


class Header(tarfile.TarInfo):
    """A damaged header is an error; `tarfile` would take it for the end of the archive, skip it, or obey it."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        """See `tarfile.TarInfo`."""
        try:
            info = super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            tarfile_.n_zeros = getattr(tarfile_, "n_zeros", 0) + 1  # type: ignore[attr-defined]
            if tarfile_.n_zeros > MAX_ZERO_BLOCKS:  # type: ignore[attr-defined]
                raise tarfile.ReadError("no end behind the last member") from None
            raise
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"damaged header: {error}") from error
        if info.size < 0:  # of extended attributes; reading would go round in circles
            raise tarfile.ReadError(f"{info.name} has a negative size")
        tarfile_.n_zeros = 0  # type: ignore[attr-defined]
        return info

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """See `tarfile.TarInfo`."""
        info = super().frombuf(buf, encoding, errors)
        if info.size < 0 or (info.type in _EXTENSIONS and info.size > MAX_HEADER_BYTES):
            raise tarfile.ReadError(f"a header of {info.size:,} bytes")
        return info


HOW_READ: dict[str, Any] = {"tarinfo": Header, "encoding": "utf-8", "errors": "replace", "ignore_zeros": True}
"""Options of `tarfile.open`: of tars that were joined (`cat a.tar b.tar`), the end of the first is not that of all."""


def refusal_of(info: tarfile.TarInfo) -> str | None:
    """Why a member is refused; None for a good one. Nothing is ever written by a member's name."""
    if reason := refusal_of_name(info.name):
        return reason
    if info.issparse() or not info.isreg():
        return f"refused: {_NO_FILES.get(info.type, 'a member of unknown type')}"
    if info.size > MAX_MEMBER_BYTES:
        return TOO_LARGE
    return None


def infos(tar: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    """Every member but folders; a tar does not keep them in memory.

    Raises:
        CairnError: more than `MAX_MEMBERS`.
    """
    for number, info in enumerate(tar, start=1):
        if number > MAX_MEMBERS:
            raise BrokenData(f"{path}: more than {MAX_MEMBERS:,} members: not an archive of images")
        tar.members = []  # type: ignore[attr-defined]
        if not info.isdir():
            info.name = info.name.removeprefix(_OF_TAR_C)
            yield info
