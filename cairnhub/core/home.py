"""The home of whoever runs this. A container's user may have none, or one that takes no writes.

The package imports this when it is imported itself: what is seldom needed is imported where it is.
"""

import os
from contextlib import suppress
from pathlib import Path

_OWNER_ONLY = 0o700


def ensure_home() -> None:
    """Give a user without a home one for temporary files: libraries would fail, or make a folder called `~`."""
    if has_home():
        return
    import tempfile

    with suppress(
        OSError, AttributeError
    ):  # nowhere to write, or no such system: who needs a home will say so
        os.environ["HOME"] = str(_temporary_home(Path(tempfile.gettempdir()) / f"cairn-home-{os.getuid()}"))


def has_home() -> bool:
    """Whether the environment or the system's list of users says where this user's home is."""
    return os.path.expanduser("~") != "~"  # noqa: PTH111 - `Path.expanduser` raises


def _temporary_home(usual: Path) -> Path:
    """The same at every call, unless somebody else may write to it: then a new one."""
    with suppress(FileExistsError):
        usual.mkdir(mode=_OWNER_ONLY)
    found = usual.lstat()
    is_ours = usual.is_dir() and not usual.is_symlink() and found.st_uid == os.getuid()
    if is_ours and not found.st_mode & 0o077:
        return usual
    import tempfile

    return Path(tempfile.mkdtemp(prefix=f"{usual.name}-"))


def expanded(path: str | Path) -> Path:
    """A path in which `~` and `~somebody` stand for homes.

    Raises:
        BadInput: there is no such home.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        from cairnhub.core.errors import BadInput

        name = Path(path).parts[0]
        raise BadInput(
            f"{path}: nobody here has the home {name}: write the path in full, or ./{path}"
        ) from error
