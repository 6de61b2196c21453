"""What archives hold: where each member lies, and which members are refused."""

import lzma
import re
import struct
import tarfile
import zlib
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
TOO_LARGE = "refused: absurdly large"
REPEATED = "refused: its name occurs twice in the archive"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Entry(NamedTuple):
    """Where a member lies: the columns of the same names in the index, where None is null.

    Attributes:
        archive: path of the archive below the store; None for a file of its own.
        member: its name inside; of a file of its own, its path below the store.
        offset: bytes from the start of a tar to its content, of a zip to its header; None where nothing is sought.
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
    """A member of a streamed archive: its bytes, or why it is refused."""

    name: str
    content: bytes
    refusal: str | None = None


def refusal_of_name(name: str) -> str | None:
    """Why a member of this name is refused; None for a name that stays inside its archive."""
    if _CONTROL.search(name):
        return UNPRINTABLE
    return None if stays_below(name) else OUTSIDE
