"""Names that stay where they are put, and writes that are seen whole or not at all."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

_ODD = re.compile(r"[\x00-\x1f\x7f\\]")


def stays_below(name: str) -> bool:
    """Whether a name is a relative path with forward slashes that leads nowhere but below the folder it is put in."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and not _ODD.search(name)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it over `path` when the block ends well.

    Args:
        path: the file to replace. Its folder is made if missing.

    Yields:
        The path to write to. It is removed if the block raises, and `path` keeps what it held.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
        The folder to fill. It is removed if the block raises, and `path` keeps what it held.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    retired = path.with_name(f".{path.name}.{os.getpid()}.old")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            path.rename(retired)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if retired.is_symlink():  # what it leads to is somebody else's
            retired.unlink()
        shutil.rmtree(retired, ignore_errors=True)
