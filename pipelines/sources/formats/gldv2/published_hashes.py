"""Hashes that the authors publish beside their files, as `md5sum/<split>/md5.images_NNN.txt` of GLDv2."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cairnhub.core.errors import BrokenData
from cairnhub.pipelines.sources.registry import RegistryRow

_MD5_FILE = re.compile(r"md5sum/(?P<split>\w+)/md5\.(?P<stem>images_\d{3})\.txt")
_LINE = re.compile(r"(?P<digits>[0-9a-fA-F]{32})\s+\*?(?P<name>\S+)")


def hash_files(rows: Sequence[RegistryRow]) -> list[RegistryRow]:
    """The rows whose file holds the hash of another row that has none yet."""
    unhashed = {row.name for row in rows if row.hash is None}
    return [row for row in rows if _target(row.name) in unhashed]


def with_published_hashes(rows: Sequence[RegistryRow], store: Path) -> list[RegistryRow]:
    """Fill in the hashes that the fetched hash files give.

    Args:
        rows: a registry; what it says of a hash stands.
        store: folder that holds the hash files.

    Raises:
        CairnError: a hash file is not one line of MD5 and file name, or names another file.
    """
    published = {_target(row.name): _read(store / row.name, _target(row.name)) for row in hash_files(rows)}
    return [replace(row, hash=row.hash or published.get(row.name)) for row in rows]


def _target(name: str) -> str:
    """The file that a hash file speaks of; empty for other files."""
    match = _MD5_FILE.fullmatch(name)
    return f"{match['split']}/{match['stem']}.tar" if match else ""


def _read(path: Path, target: str) -> str:
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    match = _LINE.fullmatch(text)
    if not match or match["name"].rpartition("/")[2] != target.rpartition("/")[2]:
        raise BrokenData(
            f"{path}: expected the MD5 of {target}, found {text[:80]!r}; delete it and fetch again"
        )
    return f"md5:{match['digits'].lower()}"
