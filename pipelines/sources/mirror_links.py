"""A file of a local mirror in the store without a second copy of its bytes: shared blocks, or a hard link.

Shared blocks (a reflink: XFS, btrfs) are a copy that nobody can change from outside. A hard link is the mirror's own
file under another name: who writes into one writes into both. It is made of images and archives, which are written
once, and not of tables, which people edit in place. The ledger notices a change: what changed is never read as if it
had not.
"""

import os
import sys
import time
from pathlib import Path
from typing import Literal

from cairnhub.pipelines.sources.image_endings import IMAGE_ENDINGS

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

Sharing = Literal["reflink", "hard link", "copy"]
SETTLED_S = 2.0
"""So long ago must a file have been written last: before that somebody may still be at it."""
_WRITTEN_ONCE = (*IMAGE_ENDINGS, ".tar", ".tar.gz", ".tgz", ".zip")
_FICLONE = 0x40049409  # linux/fs.h


def share(source: Path, target: Path) -> Sharing:
    """Make `target` a file with the bytes of `source`, if the disk can without a copy of them.

    Args:
        source: a file of a mirror; a link is followed.
        target: a path where nothing is, in a folder that is there.

    Returns:
        How it was made; `copy` where it was not, and must be copied.
    """
    if fcntl is not None and sys.platform == "linux" and _clone(source, target):
        return "reflink"
    return "hard link" if _hard_link(source, target) else "copy"


def may_share(source: Path, folder: Path) -> bool:
    """Whether a file needs no room of its own in a folder: of a kind that is linked, and on the same disk."""
    try:
        return _is_written_once(source) and source.stat().st_dev == folder.stat().st_dev
    except OSError:
        return False


def _is_written_once(path: Path) -> bool:
    return path.name.lower().endswith(_WRITTEN_ONCE)


def _clone(source: Path, target: Path) -> bool:
    try:
        with source.open("rb") as old, target.open("xb") as new:
            fcntl.ioctl(new, _FICLONE, old.fileno())
    except OSError:  # another disk, or one that cannot
        target.unlink(missing_ok=True)
        return False
    return True


def _hard_link(source: Path, target: Path) -> bool:
    try:
        real = Path(os.path.realpath(source))
        status = real.stat()
        if not _is_written_once(source) or abs(time.time() - status.st_mtime) < SETTLED_S:
            return False
        os.link(real, target)
    except OSError:  # another disk, a file of somebody else, too many links, or a disk that cannot
        return False
    return True
