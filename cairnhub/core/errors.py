"""The one error that is the user's to mend."""

import errno
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# What a terminal would obey or could not show: escapes, other control characters, direction overrides, half surrogates.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Text that a terminal shows and does not obey: what it could not show is escaped."""
    return UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


class CairnError(ValueError):
    """Bad input, with the cure in the message.

    The message says what is wrong, where it stands (file, line, key) and what to do next. Command lines print it
    without a traceback and exit with status 1; anything else that escapes is a fault of Cairn. What the message
    quotes of a file is shown, never obeyed: control characters are escaped.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


_OF_THE_DISK = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "your share of the disk is used up: free some space",
    errno.EROFS: "the disk takes no writes: mount it writable, or work elsewhere",
    errno.EACCES: "no permission: change its owner or mode, or work elsewhere",
    errno.EPERM: "not permitted: change its owner or mode, or work elsewhere",
}


@contextmanager
def disk_explained() -> Iterator[None]:
    """Turn what a disk refuses into `CairnError`; any other error passes."""
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        where = error.filename2 or error.filename or "a file cannot be written"
        raise CairnError(
            f"{where}: {_OF_THE_DISK[error.errno]}; then run the command again: what was finished is kept"
        ) from error


def run_command_line(app: Callable[[], object]) -> None:
    """Run a command line; a user's mistake, or what a disk refuses, is one message, not a traceback."""
    try:
        with disk_explained():
            app()
    except CairnError as error:
        sys.exit(f"error: {error}")
