"""Files of a cluster without a shared disk: they travel through a bucket or folder that all its machines reach.

A file has the same path on every machine. It is known by its path, size and time of change, so that what is there
already does not travel. Nothing else is kept about it, and the storage may be emptied between two stages. What lies at
those paths on other machines than the driver's is a copy: a task that runs there may replace or remove it.
"""

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from typing import Protocol, runtime_checkable

from fsspec.core import url_to_fs

from cairnhub.core.errors import BrokenData, NoSpace, NotFound, Unreachable
from cairnhub.core.files import atomic_write, locked_file
from cairnhub.datasets_hub.storage_errors import explained
from cairnhub.pipelines.executors.local import Result, Task

ABSENT = -1
_POLL_S = 0.1


@runtime_checkable
class ReadsFiles(Protocol):
    """A task that names the files it needs."""

    def reads(self) -> Iterable[Path]:
        """What it opens; those files of its own that a killed run left are among them."""


@runtime_checkable
class WritesFiles(Protocol):
    """A task with files of its own, which no other task touches."""

    def writes(self) -> Iterable[Path]:
        """Those that are there now."""


@dataclass(frozen=True)
class SharedFile:
    """A file in one state; `size_bytes` is `ABSENT` where the driver has none at this path."""

    path: Path
    size_bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> "SharedFile":
        """The file as it is on this machine."""
        try:
            status = path.stat()
        except FileNotFoundError:
            return cls(path, ABSENT, 0)
        return cls(path, status.st_size, status.st_mtime_ns)

    @property
    def name(self) -> str:
        """Of this state in the storage."""
        place = hashlib.sha256(str(self.path.absolute()).encode()).hexdigest()[:32]
        return f"{place}/{self.size_bytes}-{self.mtime_ns}"

    def is_here(self) -> bool:
        """Whether this machine has it in this state."""
        return SharedFile.of(self.path) == self


@dataclass(frozen=True)
class Storage:
    """A folder or bucket between machines; `uri` is what fsspec opens, with the credentials of each machine."""

    uri: str

    def put(self, path: Path) -> SharedFile:
        """Store a file of this machine in its present state, unless it is there.

        Raises:
            CairnError: the storage cannot be written to.
        """
        file = SharedFile.of(path)
        if file.size_bytes == ABSENT:
            return file
        with explained(self.uri):
            filesystem, where = url_to_fs(f"{self.uri}/{file.name}")
            if filesystem.exists(where):
                return file
            if "file" in filesystem.protocol:
                with atomic_write(Path(where)) as temporary:
                    shutil.copyfile(path, temporary)
                return file
            try:
                filesystem.put_file(str(path), where)
            except FileNotFoundError as error:
                raise Unreachable(f"executor.storage {self.uri}: {error}; does the bucket exist?") from None
        return file

    def get(self, file: SharedFile) -> None:
        """Make this machine have the file, at its path and whole, or not, where the driver has none.

        Raises:
            CairnError: the storage does not have it, or no space is left here.
        """
        if file.size_bytes == ABSENT:
            file.path.unlink(missing_ok=True)
            return
        lock = Path(tempfile.gettempdir()) / f"cairn-{file.name.partition('/')[0]}.lock"
        with locked_file(
            lock, lambda: time.sleep(_POLL_S)
        ):  # of many tasks that need an archive, one brings it
            if not file.is_here():
                self._bring(file)
            lock.unlink()

    def _bring(self, file: SharedFile) -> None:
        try:
            with atomic_write(file.path) as temporary:
                self._download(file, temporary)
                if temporary.stat().st_size != file.size_bytes:
                    raise BrokenData(f"{self.uri}: {file.path} arrived in part; run again")
                os.utime(temporary, ns=(file.mtime_ns, file.mtime_ns))
        except PermissionError as error:
            raise Unreachable(
                f"{gethostname()}: {error}; let the user of the Ray worker write there"
            ) from None

    def _download(self, file: SharedFile, to: Path) -> None:
        try:
            with explained(self.uri):
                filesystem, where = url_to_fs(f"{self.uri}/{file.name}")
                # In parallel, s3fs holds 500 MB per file and gives up at the first lost connection.
                options = {"max_concurrency": 1} if "s3" in filesystem.protocol else {}
                try:
                    filesystem.get_file(where, str(to), **options)
                except OSError as error:
                    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                        raise
                    raise NoSpace(
                        f"{gethostname()}: the disk of {file.path} is full; free some space"
                    ) from None
        except FileNotFoundError:
            raise NotFound(
                f"{self.uri}: {file.path} is not there for {gethostname()}. Every machine must reach the same storage, "
                "and it may be emptied only between stages; then run again"
            ) from None


@dataclass(frozen=True)
class Changes:
    """What a task did to its own files: those to fetch from the storage, and those that are gone."""

    written: tuple[SharedFile, ...] = ()
    removed: tuple[Path, ...] = ()

    def repeat(self, storage: Storage) -> None:
        """Do the same on this machine."""
        for file in self.written:
            storage.get(file)
        for path in self.removed:
            path.unlink(missing_ok=True)


def put_all(task: object, storage: Storage) -> list[SharedFile]:
    """Store what a task reads."""
    return [storage.put(path) for path in task.reads()] if isinstance(task, ReadsFiles) else []


def run_with_files(
    function: Callable[[Task], Result], task: Task, files: Sequence[SharedFile], storage: Storage
) -> tuple[Result, Changes]:
    """Run a task on a machine that is not the driver's: fetch what it reads, hand over what it writes.

    What it read stays for the next task; what it wrote does not, nor what a killed worker left.
    """
    for path in _own(task).keys() - {file.path for file in files}:
        path.unlink()
    for file in files:
        storage.get(file)
    before = _own(task)
    result = function(task)
    after = _own(task)
    written = [storage.put(path) for path, state in after.items() if before.get(path) != state]
    for file in written:
        file.path.unlink()
    return result, Changes(tuple(written), tuple(path for path in before if path not in after))


def _own(task: object) -> dict[Path, SharedFile]:
    paths = task.writes() if isinstance(task, WritesFiles) else ()
    return {path: SharedFile.of(path) for path in paths}
