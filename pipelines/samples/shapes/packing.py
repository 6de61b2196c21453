"""Archives and tables whose bytes depend on their contents alone: no clock, no owner, no order of listing."""

import csv
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write a plain tar of (name, content) in the order of names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_tar_bytes(members))


def write_tar_gz(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write a gzipped tar of (name, content) in the order of names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(_tar_bytes(members), compresslevel=6, mtime=0))


def write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write a deflated zip of (name, content) in the order of names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in sorted(members):
            entry = zipfile.ZipInfo(name)  # dated 1980
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str | int]]) -> None:
    """Write a CSV in UTF-8 with unix line ends, quoted only where needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def hex_id(*parts: object, length: int = 16) -> str:
    """A fixed identifier of `length` hex digits made from the parts."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:length]


def _tar_bytes(members: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(members):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
