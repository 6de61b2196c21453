"""Names of files that somebody else chose."""

import re
from pathlib import PurePosixPath

_ODD = re.compile(r"[\x00-\x1f\x7f\\]")


def stays_below(name: str) -> bool:
    """Whether a name is a relative path with forward slashes that leads nowhere but below the folder it is put in."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and not _ODD.search(name)
