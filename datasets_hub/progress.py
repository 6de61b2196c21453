"""A progress bar that needs no word from the workers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

_EVERY_S = 0.5


@contextmanager
def follow_folder(folder: Path, total_bytes: int, title: str, *, shown: bool) -> Iterator[None]:
    """Show how many bytes stand in a folder, whoever writes them, until the block ends.

    Args:
        folder: without folders in it.
        total_bytes: about how many there will be.
        title: what is going on.
        shown: False for no bar.
    """
    if not shown:
        yield
        return
    ended = threading.Event()

    def watch(bar: "tqdm[None]") -> None:
        while not ended.wait(_EVERY_S):
            bar.update(min(_size_bytes(folder), total_bytes) - bar.n)

    with tqdm(total=total_bytes, desc=title, unit="B", unit_scale=True, disable=None) as bar:
        watcher = threading.Thread(target=watch, args=(bar,), daemon=True)
        watcher.start()
        try:
            yield
            bar.update(total_bytes - bar.n)
        finally:
            ended.set()
            watcher.join()


def _size_bytes(folder: Path) -> int:
    total = 0
    for path in folder.iterdir():
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # renamed meanwhile
            continue
    return total
