"""Hashes that files are known by."""

import hashlib
import re
from pathlib import Path

_CONTENT_NAMED = re.compile(r"-([0-9a-f]{16})\.\w+$")


def hash_in_name(path: str) -> str | None:
    """The 16 digits of its hash in a file's name: such a file never changes; None for any other."""
    match = _CONTENT_NAMED.search(path)
    return match[1] if match else None


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
