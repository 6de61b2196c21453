"""Names that stay where they are put, writes that are seen whole or not at all, reads that see one state."""

import ctypes
import errno
import glob
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from cairnhub.core.errors import BadInput, Unreachable

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

T = TypeVar("T")
# Of a container's image layer a folder cannot be renamed, nor can a mount point.
_UNMOVABLE = (errno.EXDEV, errno.EBUSY)
_NO_WAY = (*_UNMOVABLE, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it over `path` when the block ends well.

    Args:
        path: the file to replace, whose mode and group stay. Its folder is made if missing.

    Yields:
        The path to write to, an empty file. It is removed if the block raises, and `path` keeps what it held.
        What a killed process left there is removed by the next write of the same file.
    """
    with _temporary(path, _new_file) as temporary:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        if path.is_file():
            _keep_group(path, temporary)
            shutil.copymode(path, temporary)
        temporary.replace(path)


def check_new_file(path: Path) -> None:
    """Refuse what no file can be written to, before there is something to write.

    Raises:
        CairnError: it is a folder, or lies below a file, or may not be written.
    """
    if path.is_dir():
        raise BadInput(f"{path} is a folder: name a file in it")
    check_new_folder(path.parent)
    if path.exists() and not os.access(path, os.W_OK):
        raise Unreachable(f"{path} may not be written: change its owner or mode, or name another file")


def check_new_folder(path: Path) -> None:
    """Refuse what can be no folder to write to.

    Raises:
        CairnError: it is a file or lies below one, or may not be written.
    """
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not there.is_dir():
        raise BadInput(f"{there} is a file: name a folder, or a place outside it")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise Unreachable(
            f"{there} takes no new files ({error.strerror}): change its owner or mode, or name another place"
        ) from None


def write_text_atomic(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with unix line ends; readers see the old file or the new one."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`; put it in the place of `path` when the block ends well.

    Args:
        path: the folder to replace. What it held is gone only once the new one is complete; a link is replaced, what
            it leads to stays.

    Yields:
        The folder to fill. It is removed if the block raises, and `path` keeps what it held. What a killed
        process left there is removed by the next replacement of the same folder.
    """
    with _temporary(path, Path.mkdir) as temporary:
        yield temporary
        switch_folder(temporary, path)


def switch_folder(new: Path, path: Path) -> None:
    """Put the folder `new`, of the same disk, in the place of `path` in one step; what `path` held is removed."""
    if os.path.lexists(path):
        _exchange(new, path)
    else:
        _move(new, path)
    _remove(new)


def can_move(name: str, here: Path, there: Path) -> bool:
    """Whether folders that are made in `here` can be renamed into `there`: one disk, and we may write to both.

    Args:
        name: begins the name of the folder that tries it.
        here: a folder.
        there: a folder that is there.
    """
    remove_leftovers(there, f".{glob.escape(name)}.*.tmp")
    try:
        with _temporary(here / name, Path.mkdir) as probe:
            probe.rename(there / probe.name).rename(probe)
    except OSError as error:
        if error.errno not in _NO_WAY:
            raise
        return False
    return True


def read_steadily(folder: Path, read: Callable[[], T]) -> T:
    """Read several files of a folder that others may replace meanwhile: all of them old, or all new.

    Args:
        folder: what `switch_folder` replaces.
        read: reads; is called again where the folder was replaced while it did.
    """
    while True:
        before = _state(folder)
        try:
            result = read()
        except Exception:
            if _state(folder) == before:
                raise
            continue
        if _state(folder) == before:
            return result


@contextmanager
def lock_folder(folder: Path) -> Iterator[bool]:
    """Lock a folder; gives whether nobody else holds it, or has removed it. The lock ends with block or process."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        yield not _is_taken(handle) and _is_at(handle, folder)
    finally:
        os.close(handle)


@contextmanager
def locked_file(path: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Make a file if it is missing, and keep other processes that lock it out until the block ends.

    Args:
        path: may be renamed or replaced by whoever has the lock.
        wait: called again and again while another process has it; it sleeps, or raises to give up.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            while _is_taken(handle):
                wait()
            if _is_at(handle, path):  # not renamed or removed by who had it before
                yield
                return
        finally:
            os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def remove_leftovers(folder: Path, pattern: str = "**/.*.tmp") -> None:
    """Remove temporary files and folders that killed processes left; those of living ones stay."""
    for path in list(folder.glob(pattern)):
        with suppress(OSError):  # of somebody else
            if not is_held(path):
                _remove(path)


def is_held(path: Path) -> bool:
    """Whether a temporary file or folder is of a living process, or gone by now."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        return not _lock(handle)
    finally:
        os.close(handle)


@contextmanager
def _temporary(path: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """A new path beside `path`, locked as long as this process lives and the block runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent, f".{glob.escape(path.name)}.*.tmp")
    temporary, handle = _locked_path(path, make)
    try:
        yield temporary
    finally:
        os.close(handle)
        _remove(temporary)


def _locked_path(path: Path, make: Callable[[Path], None]) -> tuple[Path, int]:
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        make(temporary)
        with suppress(FileNotFoundError):  # taken for a leftover before it was locked
            handle = os.open(temporary, os.O_RDONLY)
            _lock(handle)
            if temporary.exists():
                return temporary, handle
            os.close(handle)


def _keep_group(path: Path, temporary: Path) -> None:
    group = path.stat().st_gid
    if temporary.stat().st_gid != group:
        with suppress(PermissionError):  # a group that we are not of
            os.chown(temporary, -1, group)


def _new_file(path: Path) -> None:
    path.touch(exist_ok=False)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():  # what a link leads to is somebody else's
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _lock(handle: int) -> bool:
    """Whether nobody else holds it, as far as the system has locks; they end with the process."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (OSError, AttributeError):
        return False
    return True


def _is_taken(handle: int) -> bool:
    """Whether somebody else holds it; else it is ours, as far as the system has locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, AttributeError):
        return False
    return False


def _exchange(new: Path, path: Path) -> None:
    """Let two folders change places: one step on Linux; elsewhere `path` is missing for an instant."""
    try:
        _swap(new, path)
    except OSError as error:
        if error.errno not in _UNMOVABLE:
            raise
        _refill(new, path)


def _move(new: Path, path: Path) -> None:
    """Rename a folder, or a copy of it where it cannot be renamed itself."""
    try:
        new.rename(path)
    except OSError as error:
        if error.errno not in _UNMOVABLE:
            raise
        copy = _retired(new, path)
        shutil.copytree(new, copy, symlinks=True)
        copy.rename(path)


def _refill(new: Path, path: Path) -> None:
    """Move what `new` holds into `path`, whose old content goes first; a reader in between sees a part of it."""
    for old in path.iterdir():
        _remove(old)
    for child in new.iterdir():
        shutil.move(child, path / child.name)


def _swap(new: Path, path: Path) -> None:
    if sys.platform == "linux":
        rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if rename and not rename(_AT_FDCWD, bytes(new), _AT_FDCWD, bytes(path), _RENAME_EXCHANGE):
            return
        code = ctypes.get_errno()
        if rename and code not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
            raise OSError(code, os.strerror(code), str(path))
    retired = _retired(new, path)
    path.rename(retired)
    new.rename(path)
    retired.rename(new)


def _retired(new: Path, path: Path) -> Path:
    """A name beside `new`, where nobody reads: what a killed process leaves there goes as a temporary one of `path`."""
    return new.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def _state(folder: Path) -> tuple[int, int] | None:
    """Changes with every replacement; None for a folder that is not there."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns  # nobody sets the time of change: a copied folder has its own
