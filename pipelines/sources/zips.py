"""Zip archives read in place: listed by their central directory, members read by name."""

import zipfile
from pathlib import Path

import pandas as pd

from hierarchies import CairnError


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip for reading.

    Raises:
        CairnError: missing or damaged archive.
    """
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise CairnError(f"{path} is missing: run the fetch stage again") from error
    except (zipfile.BadZipFile, OSError) as error:
        raise CairnError(f"{path}: damaged zip ({error}): delete it and run the fetch stage again") from error


def scan_zip(path: Path) -> pd.DataFrame:
    """List the files of a zip.

    Returns:
        Columns `archive`, `member`, `offset` (where the member's header starts, in bytes; members are read by
        name), `size_bytes` (unpacked), in the zip's order.

    Raises:
        CairnError: missing or damaged archive.
    """
    with open_zip(path) as archive:
        rows = [
            (path.name, info.filename, info.header_offset, info.file_size)
            for info in archive.infolist()
            if not info.is_dir()
        ]
    return pd.DataFrame(rows, columns=["archive", "member", "offset", "size_bytes"])


def read_zip_member(archive: zipfile.ZipFile, member: str) -> bytes:
    """The unpacked bytes of one member; its checksum is verified.

    Raises:
        CairnError: no such member, or it is damaged or encrypted.
    """
    try:
        return archive.read(member)
    except KeyError as error:
        raise CairnError(f"{archive.filename}: holds no {member}") from error
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise CairnError(f"{archive.filename}: {member} cannot be read ({error}): fetch it again") from error
