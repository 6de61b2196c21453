"""Files of lines that people and their tools add to for ever: decisions, evidence."""

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from cairnhub.core.errors import Unreachable
from cairnhub.core.files import write_text_atomic

_LOCK_TIMEOUT_S = 10.0  # a line is written in milliseconds


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
        Unreachable: another process holds the lock.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    for_all_who_write = stat.S_IMODE(path.parent.stat().st_mode) & 0o666
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_TIMEOUT_S, mode=for_all_who_write)
    try:
        with lock:
            lines = choose(path)
            if not lines:
                return
            text = path.read_bytes().decode("utf-8") if path.exists() else ""
            end = "" if not text or text.endswith("\n") else "\n"
            write_text_atomic(path, f"{text}{end}" + "".join(f"{line}\n" for line in lines))
    except Timeout:
        raise Unreachable(f"{path}: another process holds its lock; try again") from None
