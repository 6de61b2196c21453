"""Small deeds on files that writer and publisher share."""

import hashlib
from pathlib import Path


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed run left below a folder."""
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)
