"""Hashes of files and folders, kept by size and time of change: a file that was read before is not read again."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cairnhub.core.errors import CairnError
from cairnhub.core.files import write_text_atomic
from cairnhub.core.hashing import sha256_of
from cairnhub.core.parse import read_json

IGNORED = (".pyc",)
ABSENT = ""


class ContentHashes:
    """Hashes of what lies below a folder."""

    def __init__(self, root: Path, known: dict[str, tuple[int, int, str]]) -> None:
        self.root = root
        self._known = known

    @classmethod
    @contextmanager
    def kept_at(cls, root: Path, path: Path) -> Iterator["ContentHashes"]:
        """Those that a file keeps; it is written when the block ends; a damaged one is begun anew."""
        try:
            known = read_json(path, dict[str, tuple[int, int, str]])
        except CairnError:
            known = {}
        hashes = cls(root, known)
        try:
            yield hashes
        finally:
            write_text_atomic(path, json.dumps(hashes._known))

    def of(self, name: str) -> str:
        """SHA-256 (hex) of a file, or of the names and hashes of all files in a folder; empty where there is nothing.

        Args:
            name: path seen from the root.
        """
        path = self.root / name
        if not path.is_dir():
            return self._of_file(path) if path.is_file() else ABSENT
        inside = sorted(file for file in path.rglob("*") if file.is_file() and file.suffix not in IGNORED)
        lines = [f"{self._of_file(file)}  {file.relative_to(path).as_posix()}\n" for file in inside]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def _of_file(self, path: Path) -> str:
        status, name = path.stat(), str(path)
        size, time_ns, kept = self._known.get(name, (-1, -1, ""))
        if (size, time_ns) != (status.st_size, status.st_mtime_ns):
            kept = sha256_of(path)
            self._known[name] = (status.st_size, status.st_mtime_ns, kept)
        return kept
