"""The store's ledger: which files were verified, so that a second run need not read 600 GB again."""

import re
import threading
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Self

LEDGER = ".verified.tsv"
_NUMBER = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True)
class FetchedFile:
    """A file that is there and was verified.

    Attributes:
        name: its name in the registry.
        size_bytes: its size.
        sha256: what its bytes hash to, in hex.
        hash: the registered `<algorithm>:<hex digits>` that it was held against, None if none is registered.
    """

    name: str
    size_bytes: int
    sha256: str
    hash: str | None

    @property
    def content_hash(self) -> str:
        """Its SHA-256 as registries write hashes."""
        return f"sha256:{self.sha256}"


@dataclass(frozen=True)
class _Stamp:
    """What the disk says of a file: whoever writes it, or puts another in its place, changes one of these."""

    size_bytes: int
    changed_ns: int
    status_changed_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Self:
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class Ledger:
    """One line per verified file, appended as files arrive; the last line of a name counts.

    A file counts as verified while its size, its times of change and its inode are those of the line. Several projects
    may append: what one of them puts in the place of a file is another file for the others.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._lines: dict[str, tuple[FetchedFile, _Stamp]] = {}
        path = folder / LEDGER
        text = path.read_bytes().decode("utf-8", errors="replace") if path.is_file() else ""
        lines = text.split("\n")[:-1]
        for line in lines:
            name, *numbers, sha256, digest = cells if len(cells := line.split("\t")) == 7 else [""] * 7
            if all(map(_NUMBER.fullmatch, numbers)):  # a kill may tear a line
                stamp = _Stamp(*map(int, numbers))
                self._lines[name] = FetchedFile(name, stamp.size_bytes, sha256, digest or None), stamp

    def find(self, name: str, size_bytes: int | None, digest: str | None) -> FetchedFile | None:
        """The verified file `name`, if it is there, unchanged, and of this size and hash (None: any)."""
        path = self._folder / name
        if name not in self._lines or not path.is_file():
            return None
        file, stamp = self._lines[name]
        if size_bytes not in (None, file.size_bytes) or stamp != _Stamp.of(path):
            return None
        is_known = digest in (None, file.hash, file.content_hash)
        return replace(file, hash=digest) if is_known else None

    def add(self, file: FetchedFile) -> None:
        """Record a file that was just verified."""
        stamp = _Stamp.of(self._folder / file.name)
        cells = [file.name, *map(str, astuple(stamp)), file.sha256, file.hash or ""]
        with self._lock:
            self._lines[file.name] = file, stamp
            with (self._folder / LEDGER).open("a", encoding="utf-8") as ledger:
                ledger.write("\t".join(cells) + "\n")
