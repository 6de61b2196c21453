"""What processes that work for another have in common."""

import multiprocessing
import os
import threading
from multiprocessing.synchronize import Event


def end_with_parent() -> None:
    """In a worker: end when the process that waits for it is killed, for its next run does the work again."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def begin(began: Event) -> None:
    """In a worker, once the script that asked for it was imported there."""
    end_with_parent()
    began.set()


def why_dead(what: str, has_begun: bool, for_want_of_memory: str) -> str:
    """Why a process died, most likely: none begins where the script that asked for it cannot be imported again.

    Args:
        what: the process, at the beginning of a sentence.
        has_begun: whether `begin` was called there.
        for_want_of_memory: that reason, and what to do then.
    """
    if has_begun:
        return f"{what} died, most likely {for_want_of_memory}"
    return (
        f"{what} died before it began: most likely because the script that asked for it has no "
        f"`if __name__ == '__main__':` around what it does (each such process imports it), or {for_want_of_memory}"
    )


def is_importing_main() -> bool:
    """Whether this process was started for another one, and still imports its script."""
    return bool(getattr(multiprocessing.current_process(), "_inheriting", False))
