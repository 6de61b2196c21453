"""Messages of long work, by `logging`: one style, above progress bars, on the error output.

Modules say `log = logging.getLogger(__name__)`. A command line calls `configure`; a project that imports Cairn decides
for itself what it shows.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cairnhub.core.errors import printable, without_secrets

LEVEL = "CAIRN_LOG_LEVEL"
"""Environment variable by which processes that a command starts show what it shows."""
NO_BARS = "TQDM_DISABLE"
"""Environment variable by which tqdm draws no bar, in processes that a command starts too."""
LEVELS = {-1: logging.WARNING, 0: logging.INFO, 1: logging.DEBUG}


def configure(verbosity: int = 0) -> None:
    """Show messages of this process and of those that it starts; bars of progress only where a terminal shows them.

    Args:
        verbosity: -1 warnings only, 0 what was done, 1 everything.
    """
    os.environ[LEVEL] = logging.getLevelName(LEVELS[max(-1, min(verbosity, 1))])
    if not sys.stderr.isatty():
        os.environ.setdefault(NO_BARS, "1")
    configure_as_parent()


def configure_as_parent() -> None:
    """In a process that a command started: show what that command shows."""
    logger = logging.getLogger("cairnhub")
    if LEVEL in os.environ and not logger.handlers:
        logger.addHandler(_Handler())
    logger.setLevel(os.environ.get(LEVEL, logging.WARNING))


@contextmanager
def only_errors(of: str = "") -> Iterator[None]:
    """Silence what another package tells short of errors: it may quote a stranger's file, which a terminal obeys.

    Args:
        of: a package that is imported already; by default whoever uses the root logger.
    """
    logger = logging.getLogger(of)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Handler(logging.Handler):
    """Writes a line above the progress bars that run, which would else be torn."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a message; what a file or label says in it is shown, never obeyed."""
        from tqdm import tqdm

        text = without_secrets(printable(record.getMessage()))
        if record.levelno != logging.INFO:
            text = f"{record.levelname.lower()}: {text}"
        tqdm.write(text, file=sys.stderr)
