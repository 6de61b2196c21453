"""The bytes of one download: what they hash to, and where they gather until they are complete."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.files import locked_file
from cairnhub.pipelines.sources.ledger import FetchedFile
from cairnhub.pipelines.sources.registry import RegistryRow, split_hash

ENDINGS = (".part", ".part.validator", ".damaged", ".link")
"""Of the files beside a download: its bytes so far, the source's word for their version, bytes that were not right, a
local file that is to be verified and never written to."""
LONGEST_NAME_BYTES = 255 - max(map(len, ENDINGS))
"""Of a download's name that takes an ending: file systems take 255."""


def beside(target: Path, ending: str) -> Path:
    """The file of this ending beside a download; a name that leaves no room for it is cut and gets its hash."""
    name = target.name
    if len(os.fsencode(name)) > LONGEST_NAME_BYTES:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
        name = f"{os.fsencode(name)[: LONGEST_NAME_BYTES - 17].decode(errors='ignore')}-{digest}"
    return target.with_name(f"{name}{ending}")


@dataclass(frozen=True)
class Content:
    """Size and hashes of some bytes; `digest` is in the algorithm that the registry uses."""

    size_bytes: int
    sha256: str
    digest: str

    def matches(self, row: RegistryRow) -> bool:
        """Whether these are the bytes that the registry promises, as far as it does."""
        return row.size_bytes in (None, self.size_bytes) and (
            row.hash is None or self.digest == ":".join(split_hash(row.hash))
        )

    def file(self, name: str, digest: str | None) -> FetchedFile:
        """The same as a verified file."""
        return FetchedFile(name, self.size_bytes, self.sha256, digest)


class Hasher:
    """sha256 and, where the registry uses another algorithm, that one, in a single pass."""

    def __init__(self, digest: str | None) -> None:
        self._algorithm = split_hash(digest)[0] if digest else "sha256"
        self._sha256 = hashlib.sha256()
        self._other = self._sha256 if self._algorithm == "sha256" else hashlib.new(self._algorithm)
        self.size_bytes = 0

    def update(self, chunk: bytes) -> None:
        """Go on with the next bytes."""
        self.size_bytes += len(chunk)
        self._sha256.update(chunk)
        if self._other is not self._sha256:
            self._other.update(chunk)

    def content(self) -> Content:
        """What all bytes so far amount to."""
        digest = f"{self._algorithm}:{self._other.hexdigest()}"
        return Content(self.size_bytes, self._sha256.hexdigest(), digest)


class PartialFile:
    """The bytes of a file so far, and what tells whether the source still has the same file; one process has it."""

    def __init__(self, target: Path) -> None:
        self.path, self.validator_path, self.damaged_path = (beside(target, ending) for ending in ENDINGS[:3])
        self._is_elsewhere = False  # what lies at the path by now is another process's

    @contextmanager
    def held(self, is_hashed: bool, wait: Callable[[], None]) -> Iterator[None]:
        """Keep other processes away from the part until the block ends.

        Args:
            is_hashed: whether a hash can tell a splice of two versions; else a part without a validator is dropped.
            wait: called again and again while another process has it.
        """
        with locked_file(self.path, wait):
            if not is_hashed and not self.validator_path.is_file():
                self.clear()
            try:
                yield
            finally:
                if not self._is_elsewhere and not self.size_bytes:
                    self.path.unlink(missing_ok=True)

    @property
    def size_bytes(self) -> int:
        """Size of what is there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def validator(self) -> str | None:
        """What the source said of its version when the first byte came."""
        return self.validator_path.read_text(encoding="utf-8") if self.validator_path.is_file() else None

    def begin(self, validator: str | None) -> None:
        """Start over with a file of this version."""
        self.clear()
        self.damaged_path.unlink(missing_ok=True)  # a large file is not kept twice
        if validator:
            self.validator_path.write_text(validator, encoding="utf-8")

    def finish(self, target: Path) -> None:
        """Put the complete file in place, in one step."""
        with self.path.open("rb") as written:
            os.fsync(written.fileno())
        # First: a kill after the renaming would leave it there for ever.
        self.validator_path.unlink(missing_ok=True)
        self._is_elsewhere = True
        self.path.replace(target)

    def keep_damaged(self) -> Path:
        """Keep bytes that do not match where somebody can look at them."""
        self.validator_path.unlink(missing_ok=True)
        self._is_elsewhere = True
        return self.path.replace(self.damaged_path)

    def clear(self) -> None:
        """Forget everything; the file stays, for its lock."""
        if self._is_elsewhere:
            return
        if self.path.is_file():
            os.truncate(self.path, 0)
        self.validator_path.unlink(missing_ok=True)
