"""Hashes that files are known by."""

import hashlib
import re
from pathlib import Path

_CONTENT_NAMED = re.compile(r"-([0-9a-f]{16})\.\w+$")


def hash_in_name(path: str) -> str | None:
    """The 16 digits of its hash in a file's name: such a file never changes; None for any other."""
    match = _CONTENT_NAMED.search(path)
    return match[1] if match else None


def content_hash(content: bytes = b"") -> "hashlib.blake2b":
    """BLAKE2b (RFC 7693) of 256 bits, by which published files are known; `b2sum -l 256` gives the same.

    Processors without instructions for SHA-256 spend two thirds of a writer's time on that, and need little more than
    half as long for this one.
    """
    return hashlib.blake2b(content, digest_size=32)


def blake2b_of(path: Path) -> str:
    """The content hash (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, content_hash).hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
