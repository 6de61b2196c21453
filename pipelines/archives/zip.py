"""Zips: listed by their central directory, members read by name."""

import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cairnhub.core.errors import BrokenData, NotFound
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


@dataclass(frozen=True)
class Zip:
    """A zip of the store: `name` is its path below `store`."""

    is_streamed: ClassVar[bool] = False
    store: Path
    name: str

    def __str__(self) -> str:
        return self.name

    def path_of(self, member: str) -> Path:
        """The zip, whatever the member."""
        return self.store / self.name

    def reads(self) -> tuple[Path, ...]:
        """The zip."""
        return (self.store / self.name,)

    def entries(self) -> list[Entry]:
        """The members in the zip's order, without folders.

        Raises:
            CairnError: missing or damaged zip.
        """
        path = self.store / self.name
        opened = self.open()
        infos = [info for info in opened.infos if not info.filename.endswith("/")]
        opened.close()
        if len(infos) > MAX_MEMBERS:
            raise BrokenData(f"{path}: more than {MAX_MEMBERS:,} members: not an archive of images")
        return with_replaced(
            Entry(self.name, info.filename, info.header_offset, info.file_size, _refusal_of(info))
            for info in infos
        )

    def open(self) -> "OpenZip":
        """The zip, to read members by name.

        Raises:
            CairnError: missing or damaged zip.
        """
        return OpenZip(self.store / self.name)

    def read_file(self, member: str) -> bytes:
        """One member by name, such as a list of the images.

        Raises:
            CairnError: missing or damaged zip, no such member, or one that cannot be read.
        """
        opened = self.open()
        try:
            return opened.read_file(member)
        finally:
            opened.close()


class OpenZip:
    """A zip that is being read; of members with the same name the last counts, as `Zip.entries` lists it.

    Raises:
        CairnError: missing or damaged zip.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except FileNotFoundError as error:
            raise NotFound(f"{path} is missing: run the fetch stage again") from error
        except DAMAGED as error:
            raise damaged(path, "zip", str(error)) from error
        self.infos = self._zip.filelist

    def read(self, entry: Entry) -> bytes:
        """The unpacked bytes of a member; see `read_file`."""
        return self.read_file(entry.member)

    def read_file(self, member: str) -> bytes:
        """The unpacked bytes of one member; its checksum is verified.

        Raises:
            CairnError: no such member, or it is damaged, encrypted or absurdly large.
        """
        path = self._zip.filename
        if member not in self._zip.NameToInfo:
            raise BrokenData(f"{path}: holds no {member}; is it the right archive? Fetch it again")
        try:
            if self._zip.NameToInfo[member].file_size > MAX_MEMBER_BYTES:
                raise zipfile.BadZipFile(f"larger than {MAX_MEMBER_BYTES:,} bytes")
            return self._zip.read(member)
        except DAMAGED as error:
            raise BrokenData(f"{path}: {member} cannot be read ({error}): fetch it again") from error

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()


def _refusal_of(info: zipfile.ZipInfo) -> str | None:
    """Why a member is refused; None for a good one."""
    if reason := refusal_of_name(info.filename):
        return reason
    if stat.S_ISLNK(info.external_attr >> 16):
        return "refused: a symbolic link"
    return TOO_LARGE if info.file_size > MAX_MEMBER_BYTES else None
