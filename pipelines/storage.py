"""Files of a cluster without a shared disk: they travel through a bucket or folder that all its machines reach.

A file has the same path on every machine. It is known by its path, size and time of change, so that what is there
already does not travel. Nothing else is kept about it, and the storage may be emptied between two stages.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

from fsspec.core import url_to_fs

from datasets_hub.remote import explained
from hierarchies.errors import CairnError
from hierarchies.files import atomic_write
from pipelines.executor import Result, Task


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
    """A file in one state."""

    path: Path
    size_bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> "SharedFile":
        """The file as it is on this machine."""
        status = path.stat()
        return cls(path, status.st_size, status.st_mtime_ns)

    @property
    def folder(self) -> str:
        """Where its states lie in the storage."""
        return hashlib.sha256(str(self.path.absolute()).encode()).hexdigest()[:32]

    @property
    def state(self) -> str:
        """Name of this state."""
        return f"{self.size_bytes}-{self.mtime_ns}"

    def is_here(self) -> bool:
        """Whether this machine has it in this state."""
        try:
            return SharedFile.of(self.path) == self
        except FileNotFoundError:
            return False


@dataclass(frozen=True)
class Storage:
    """A folder or bucket between machines; `uri` is what fsspec opens, with the credentials of each machine."""

    uri: str

    def put(self, path: Path) -> SharedFile:
        """Store a file of this machine, unless it is there; its earlier states go.

        Raises:
            CairnError: the storage cannot be written to.
        """
        file = SharedFile.of(path)
        with explained(self.uri):
            filesystem, root = url_to_fs(self.uri)
            folder = f"{root}/{file.folder}"
            filesystem.invalidate_cache()
            try:
                states = {entry["name"]: entry["size"] for entry in filesystem.ls(folder, detail=True)}
            except FileNotFoundError:
                states = {}
                if "file" in filesystem.protocol:  # buckets have no folders
                    filesystem.makedirs(folder, exist_ok=True)
            sizes = {PurePosixPath(name).name: size for name, size in states.items()}
            if sizes.get(file.state) != file.size_bytes:  # a folder also shows what was cut short
                self._send(filesystem.put_file, path, f"{folder}/{file.state}")
                for name in states:
                    if PurePosixPath(name).name != file.state:
                        filesystem.rm_file(name)
        return file

    def get(self, file: SharedFile) -> None:
        """Make this machine have the file, at its path and whole.

        Raises:
            CairnError: the storage has it no more, or no space is left here.
        """
        if file.is_here():
            return
        try:
            with explained(self.uri), atomic_write(file.path) as temporary:
                filesystem, root = url_to_fs(self.uri)
                filesystem.get_file(f"{root}/{file.folder}/{file.state}", str(temporary))
                if temporary.stat().st_size != file.size_bytes:
                    raise CairnError(f"{self.uri}: {file.path} arrived in part; run again")
                os.utime(temporary, ns=(file.mtime_ns, file.mtime_ns))
        except FileNotFoundError:
            raise CairnError(
                f"{self.uri}: {file.path} is gone from there; empty it only between stages, and run again"
            ) from None

    def _send(self, put_file: Callable[[str, str], None], path: Path, where: str) -> None:
        try:
            put_file(str(path), where)
        except FileNotFoundError as error:
            raise CairnError(f"executor.storage {self.uri}: {error}; does the bucket exist?") from None


def put_all(task: object, storage: Storage) -> list[SharedFile]:
    """Store what a task reads; a missing file is the task's to report."""
    paths = task.reads() if isinstance(task, ReadsFiles) else ()
    return [storage.put(path) for path in paths if path.is_file()]


def run_with_files(
    function: Callable[[Task], Result], task: Task, files: Sequence[SharedFile], storage: Storage
) -> tuple[Result, list[SharedFile]]:
    """Run a task on a machine that is not the driver's: fetch what it reads, hand over what it writes.

    What it read stays for the next task; what it wrote does not, nor what a killed worker left.
    """
    own = task.writes if isinstance(task, WritesFiles) else lambda: ()
    for path in set(own()) - {file.path for file in files}:
        path.unlink()
    for file in files:
        storage.get(file)
    result = function(task)
    written = [storage.put(path) for path in own()]
    for file in written:
        file.path.unlink()
    return result, written
