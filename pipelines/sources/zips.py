"""Zip archives read in place: listed by their central directory, members read by name."""

import stat
import zipfile
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.archives import (
    DAMAGED,
    MAX_MEMBER_BYTES,
    MAX_MEMBERS,
    REPEATED,
    TOO_LARGE,
    Entry,
    refused_name,
)
from cairnhub.pipelines.sources.listing import as_frame


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip for reading; of members with the same name the first is found, as `scan_zip` lists it.

    Raises:
        CairnError: missing or damaged archive.
    """
    try:
        archive = zipfile.ZipFile(path)
        archive.NameToInfo = {info.filename: info for info in reversed(archive.filelist)}
        return archive
    except FileNotFoundError as error:
        raise CairnError(f"{path} is missing: run the fetch stage again") from error
    except DAMAGED as error:
        raise CairnError(f"{path}: damaged zip ({error}): delete it and run the fetch stage again") from error


def scan_zip(path: Path) -> pd.DataFrame:
    """List the files of a zip.

    Returns:
        Columns `archive`, `member`, `offset` (where the member's header starts, in bytes; members are read by
        name), `size_bytes` (unpacked) and `refused` (why a member must not be read, empty for a good one), in the
        zip's order.

    Raises:
        CairnError: missing or damaged archive.
    """
    with open_zip(path) as archive:
        members = [info for info in archive.infolist() if not info.filename.endswith("/")]
    if len(members) > MAX_MEMBERS:
        raise CairnError(f"{path}: more than {MAX_MEMBERS:,} members: not an archive of images")
    entries: list[Entry] = []
    seen: set[str] = set()
    for info in members:
        refused = _refusal(info) or (REPEATED if info.filename in seen else "")
        seen.add(info.filename)
        entries.append(Entry(path.name, info.filename, info.header_offset, info.file_size, refused))
    return as_frame(entries)


def _refusal(info: zipfile.ZipInfo) -> str | None:
    """Why a member is not read; None for a good one."""
    if reason := refused_name(info.filename):
        return reason
    if stat.S_ISLNK(info.external_attr >> 16):
        return "refused: a symbolic link"
    return TOO_LARGE if info.file_size > MAX_MEMBER_BYTES else None


def read_zip_member(archive: zipfile.ZipFile, member: str) -> bytes:
    """The unpacked bytes of one member; its checksum is verified.

    Raises:
        CairnError: no such member, or it is damaged, encrypted or absurdly large.
    """
    if member not in archive.NameToInfo:
        raise CairnError(f"{archive.filename}: holds no {member}; is it the right archive? Fetch it again")
    try:
        if archive.NameToInfo[member].file_size > MAX_MEMBER_BYTES:
            raise zipfile.BadZipFile(f"larger than {MAX_MEMBER_BYTES:,} bytes")
        return archive.read(member)
    except DAMAGED as error:
        raise CairnError(f"{archive.filename}: {member} cannot be read ({error}): fetch it again") from error
