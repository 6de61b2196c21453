"""Archives read in place: a tar is scanned once for offsets, a `.tar.gz` is streamed once from end to end."""

import gzip
import lzma
import os
import re
import struct
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, Self
from zipfile import BadZipFile, ZipFile

from cairnhub.core.errors import CairnError
from cairnhub.core.files import stays_below

MAX_MEMBER_BYTES = 2**30
"""No photograph and no table of annotations is larger; what says it is would fill the memory."""
MAX_MEMBERS = 10_000_000
"""More than any source has by far."""
MAX_HEADER_BYTES = 2**20
"""Of a long name or of extended attributes: `tarfile` reads them at once."""
DAMAGED = (
    tarfile.TarError, BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, ValueError, LookupError,
    OverflowError, RuntimeError, AssertionError,
)  # fmt: skip
"""What the standard library raises for archives that are not what they claim."""
_BUFFER_BYTES = 1 << 16
_EXTENSIONS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE,
               tarfile.SOLARIS_XHDTYPE)  # fmt: skip
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
OUTSIDE = "refused: its name leaves the archive"
UNPRINTABLE = "refused: its name has control characters"
TOO_LARGE = "refused: absurdly large"
REPEATED = "refused: its name occurs twice in the archive"


def is_streamed(archive: str) -> bool:
    """Whether an archive cannot be entered half-way."""
    return archive.endswith((".tar.gz", ".tgz"))


def refused_name(name: str) -> str | None:
    """Why a member of this name is not read; None for a name that stays inside its archive."""
    if _CONTROL.search(name):
        return UNPRINTABLE
    return None if stays_below(name) else OUTSIDE


def refusal(info: tarfile.TarInfo) -> str | None:
    """Why a member is not read; None for a good one. Nothing is ever written by a member's name."""
    if reason := refused_name(info.name):
        return reason
    if info.issparse() or not info.isreg():
        return f"refused: {_KINDS.get(info.type, 'a member of unknown type')}"
    if info.size > MAX_MEMBER_BYTES:
        return TOO_LARGE
    return None


class _Header(tarfile.TarInfo):
    """A damaged header is an error; `tarfile` would take it for the end of the archive, or obey it."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        """See `tarfile.TarInfo`."""
        try:
            info = super().fromtarfile(tarfile_)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"damaged header: {error}") from error
        if info.size < 0:  # of extended attributes; reading would go round in circles
            raise tarfile.ReadError(f"{info.name} has a negative size")
        return info

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """See `tarfile.TarInfo`."""
        info = super().frombuf(buf, encoding, errors)
        if info.size < 0 or (info.type in _EXTENSIONS and info.size > MAX_HEADER_BYTES):
            raise tarfile.ReadError(f"a header of {info.size:,} bytes")
        return info


@dataclass(frozen=True)
class Tar:
    """A tar of the store: `name` is its path below `store`."""

    store: Path
    name: str

    def __str__(self) -> str:
        return self.name

    def reads(self) -> tuple[Path, ...]:
        """The tar."""
        return (self.store / self.name,)


class Entry(NamedTuple):
    """Where a member of a tar lies.

    Attributes:
        archive: name of the tar in the store.
        member: its name inside.
        offset: bytes from the start of the tar.
        size_bytes: its size.
        refused: why it must not be read; empty for a good one.
    """

    archive: str
    member: str
    offset: int
    size_bytes: int
    refused: str


def scan_tar(tar: Tar) -> list[Entry]:
    """List the members of an uncompressed tar in its order, folders left out.

    Raises:
        CairnError: missing, damaged or truncated tar.
    """
    path = tar.store / tar.name
    entries: list[Entry] = []
    seen: set[str] = set()
    try:
        file_bytes = path.stat().st_size
        with tarfile.open(path, "r:", tarinfo=_Header, encoding="utf-8", errors="replace") as members:
            for info in _members(members, path):
                refused = refusal(info) or (REPEATED if info.name in seen else "")
                seen.add(info.name)
                if not refused and info.offset_data + info.size > file_bytes:
                    raise tarfile.ReadError(f"{info.name} ends beyond it")
                entries.append(Entry(tar.name, info.name, info.offset_data, info.size, refused))
    except FileNotFoundError as error:
        raise CairnError(f"{path} is missing: run the fetch stage again") from error
    except CairnError:
        raise
    except DAMAGED as error:
        raise CairnError(f"{path}: damaged tar ({error}): delete it and run the fetch stage again") from error
    return entries


def _members(tar: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    """Every member but folders; a tar does not keep them in memory."""
    for number, info in enumerate(tar, start=1):
        if number > MAX_MEMBERS:
            raise CairnError(f"{path}: more than {MAX_MEMBERS:,} members: not an archive of images")
        tar.members = []  # type: ignore[attr-defined]
        if not info.isdir():
            yield info


class MemberReader:
    """Reads members of tars and zips, and files of their own, where the index says they lie."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._tars: dict[str, int] = {}
        self._zips: dict[str, ZipFile] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._tars.values():
            os.close(descriptor)
        for archive in self._zips.values():
            archive.close()

    def read(self, archive: str, member: str, offset: int, size_bytes: int) -> bytes:
        """The bytes of a member; `archive` is "" for a file of its own.

        Raises:
            CairnError: it is not there, or not in the size that the index says.
        """
        try:
            if offset < 0 or not 0 <= size_bytes <= MAX_MEMBER_BYTES:
                content = b""
            elif archive == "":
                content = (self._store / member).read_bytes()
            elif archive.endswith(".zip"):
                content = self._read_zip(archive, member)
            else:
                if archive not in self._tars:
                    self._tars[archive] = os.open(self._store / archive, os.O_RDONLY)
                content = os.pread(self._tars[archive], size_bytes, offset)
        except FileNotFoundError as error:
            raise CairnError(
                f"{self._store / (archive or member)} is missing: run the fetch stage again"
            ) from error
        if len(content) != size_bytes:
            raise CairnError(
                f"{self._store / archive}: {member} has {len(content):,} bytes, not the {size_bytes:,} of the index: "
                "run the stages fetch and index again"
            )
        return content

    def _read_zip(self, archive: str, member: str) -> bytes:
        from cairnhub.pipelines.sources.zips import open_zip, read_zip_member

        if archive not in self._zips:
            self._zips[archive] = open_zip(self._store / archive)
        return read_zip_member(self._zips[archive], member)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a streamed archive: its bytes, or why it is refused."""

    name: str
    content: bytes
    refused: str | None = None


def stream_tar_gz(path: Path) -> Iterator[Member]:
    """Yield the members of a `.tar.gz`, folders left out, reading it once from end to end.

    Raises:
        CairnError: missing, damaged or truncated archive, with the last member that came whole.
    """
    last = "none"
    try:
        with (
            gzip.open(path) as content,
            tarfile.open(
                fileobj=content,
                mode="r|",
                bufsize=_BUFFER_BYTES,
                tarinfo=_Header,
                encoding="utf-8",
                errors="replace",
            ) as tar,
        ):
            for info in _members(tar, path):
                refused = refusal(info)
                yield Member(info.name, b"" if refused else _content(tar, info), refused)
                last = info.name
            _drain(content)
    except FileNotFoundError as error:
        raise CairnError(f"{path} is missing: run the fetch stage again") from error
    except CairnError:
        raise
    except DAMAGED as error:
        raise CairnError(
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
