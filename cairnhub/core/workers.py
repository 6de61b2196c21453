"""What processes that work for another have in common."""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """In a worker: end when the process that waits for it is killed, for its next run does the work again."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
