"""The store's ledger: which files were verified, so that a second run need not read 600 GB again."""

import re
import threading
from dataclasses import dataclass
from pathlib import Path

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


class Ledger:
    """One line per verified file, appended as files arrive; the last line of a name counts.

    A file counts as verified while its size and its time of change are those of the line.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._lines: dict[str, tuple[FetchedFile, int]] = {}
        path = folder / LEDGER
        text = path.read_bytes().decode("utf-8", errors="replace") if path.is_file() else ""
        lines = text.split("\n")[:-1]
        for line in lines:
            cells = line.split("\t")
            if len(cells) == 5 and all(map(_NUMBER.fullmatch, cells[1:3])):  # a kill may tear a line
                name, size, changed_ns, sha256, digest = cells
                self._lines[name] = FetchedFile(name, int(size), sha256, digest or None), int(changed_ns)

    def find(self, name: str, size_bytes: int | None, digest: str | None) -> FetchedFile | None:
        """The verified file `name`, if it is there, unchanged, and of this size and hash (None: any)."""
        file, changed_ns = self._lines.get(name, (None, 0))
        path = self._folder / name
        if file is None or not path.is_file() or size_bytes not in (None, file.size_bytes):
            return None
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) != (file.size_bytes, changed_ns):
            return None
        return file if digest in (None, file.hash, f"sha256:{file.sha256}") else None

    def add(self, file: FetchedFile) -> None:
        """Record a file that was just verified."""
        changed_ns = (self._folder / file.name).stat().st_mtime_ns
        line = f"{file.name}\t{file.size_bytes}\t{changed_ns}\t{file.sha256}\t{file.hash or ''}\n"
        with self._lock:
            self._lines[file.name] = file, changed_ns
            with (self._folder / LEDGER).open("a", encoding="utf-8") as ledger:
                ledger.write(line)
