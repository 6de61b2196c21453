"""What archives hold: where each member lies, and which members are refused."""

import lzma
import re
import struct
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from zipfile import BadZipFile

from cairnhub.core.safe_names import stays_below

MAX_MEMBER_BYTES = 2**30
"""No photograph and no table of annotations is larger; what says it is would fill the memory."""
MAX_MEMBERS = 10_000_000
"""More than any source has by far."""
DAMAGED = (
    tarfile.TarError, BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, ValueError, LookupError,
    OverflowError, RuntimeError, AssertionError,
)  # fmt: skip
"""What the standard library raises for archives that are not what they claim."""
OUTSIDE = "refused: its name leaves the archive"
UNPRINTABLE = "refused: its name has control characters"
BACKSLASH = "refused: its name has a backslash"
NOT_UTF8 = "refused: its name is not UTF-8"
TOO_LARGE = "refused: absurdly large"
REPLACED = "replaced by a later member of its name"
"""As `tar` has it: an archive that was appended to holds the older ones still."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Entry(NamedTuple):
    """Where a member lies: the columns of the same names in the index, where None is null.

    Attributes:
        archive: path of the archive below the store; None for a file of its own.
        member: its name inside; of a file of its own, its path below the store.
        offset: bytes from the start of a tar (of a gzipped one, unpacked) to its content, of a zip to its header; None
            for a file of its own, and where the archive is listed by its annotations alone.
        size_bytes: its size, unpacked; None where the archive is listed by its annotations alone.
        refusal: why it must not be read; None for a good one.
    """

    archive: str | None
    member: str
    offset: int | None
    size_bytes: int | None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a streamed archive: its bytes, or why it is refused; `offset` as in `Entry`."""

    name: str
    content: bytes
    offset: int
    refusal: str | None = None


def refusal_of_name(name: str) -> str | None:
    """Why a member of this name is refused; None for a name that stays inside its archive."""
    if _CONTROL.search(name):
        return UNPRINTABLE
    if _SURROGATE.search(name):
        return NOT_UTF8
    if stays_below(name.replace("\\", "/")):
        return BACKSLASH if "\\" in name else None
    return OUTSIDE


def shown(name: str) -> str:
    """A name as text: bytes of it that are not UTF-8 are escaped."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def with_replaced(entries: Iterable[Entry]) -> list[Entry]:
    """The members of an archive in its order; of good ones with the same name the last counts, the others say so."""
    listed = list(entries)
    last = {entry.member: place for place, entry in enumerate(listed) if entry.refusal is None}
    return [
        entry if entry.refusal or last[entry.member] == place else entry._replace(refusal=REPLACED)
        for place, entry in enumerate(listed)
    ]
