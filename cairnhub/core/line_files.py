"""Files of lines that people and their tools add to for ever: decisions, evidence."""

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from cairnhub.core.errors import BadInput, Unreachable
from cairnhub.core.files import write_text_atomic

_LOCK_TIMEOUT_S = 10.0  # a line is written in milliseconds


def followed(path: Path) -> Path:
    """The file itself, where a link to it is named; it may be missing.

    Raises:
        BadInput: links that lead in a circle.
    """
    end = Path(os.path.realpath(path))
    if end.is_symlink():
        raise BadInput(f"{path}: a link that leads back to itself; remove it, or let it lead to the file")
    return end


def append_line(path: Path, line: str, check: Callable[[Path], None] = lambda path: None) -> None:
    """Add one line, as `append_lines` does.

    Args:
        path: the file; made if missing.
        line: without its end.
        check: called with the path under the lock; what it raises stops the writing.

    Raises:
        Unreachable: another process holds the lock.
    """

    def checked(file: Path) -> tuple[str, ...]:
        check(file)
        return (line,)

    append_lines(path, checked)


def append_lines(path: Path, choose: Callable[[Path], Sequence[str]]) -> None:
    """Add lines, all or none; those that are there stay as they are, byte by byte.

    Choosing and writing happen under a lock, so that two processes lose none of each other's lines; the file is
    replaced whole, so that a process killed at any moment leaves the old file or the new one. A link is followed, the
    file keeps its mode, and whoever may write into its folder may take the lock.

    Args:
        path: the file; made if missing.
        choose: called with the path under the lock; gives the lines, without their ends. What it raises stops the
            writing, and so does giving none.

    Raises:
        BadInput: the file is a link that leads in a circle.
        Unreachable: another process holds the lock, or it belongs to another login and is not open to this one.
    """
    path = followed(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for_all_who_write = stat.S_IMODE(path.parent.stat().st_mode) & 0o666
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_TIMEOUT_S, mode=for_all_who_write)
    try:
        with lock:
            _share(Path(lock.lock_file), for_all_who_write)
            lines = choose(path)
            if not lines:
                return
            text = path.read_bytes().decode("utf-8") if path.exists() else ""
            end = "" if not text or text.endswith("\n") else "\n"
            write_text_atomic(path, f"{text}{end}" + "".join(f"{line}\n" for line in lines))
    except Timeout:
        raise Unreachable(f"{path}: another process holds its lock; try again") from None
    except PermissionError as error:
        if error.filename != lock.lock_file:
            raise
        raise Unreachable(
            f"{lock.lock_file}: belongs to another login and is not open to this one: its owner may remove it while "
            "nobody reviews, and let both write into its folder (a group, `chmod g+ws`)"
        ) from None


def _share(lock: Path, mode: int) -> None:
    """Give a lock this mode and the group of its folder, whatever made it; that of another login stays as it is."""
    status, group = lock.stat(), lock.parent.stat().st_gid
    with suppress(PermissionError):
        if stat.S_IMODE(status.st_mode) != mode:
            lock.chmod(mode)
        if status.st_gid != group:
            os.chown(lock, -1, group)
