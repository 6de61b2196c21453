"""Hashes that files are known by."""

import hashlib
import re
from pathlib import Path

_CONTENT_NAMED = re.compile(r"-([0-9a-f]{16})\.\w+$")


def hash_in_name(path: str) -> str | None:
    """The 16 digits of its hash in a file's name: such a file never changes; None for any other."""
    match = _CONTENT_NAMED.search(path)
    return match[1] if match else None


def has_hash(path: Path, expected: str) -> bool:
    """Whether a file has a hash.

    Args:
        path: the file.
        expected: SHA-256 (hex), or `blake2b:` and 256 bits of it (hex).
    """
    name, _, digest = expected.rpartition(":")
    if name != "blake2b":
        return sha256_of(path) == expected
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest() == digest


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
