"""Names of files and folders for ids and labels, which may hold anything."""

import hashlib
import re

_ODD = re.compile(r"[^\w.-]+")
_LONGEST = 100  # characters; file systems take 255 bytes


class FileNames:
    """Gives each text a name of its own: no slash, no space, short, different also where case does not count.

    Args:
        dots: whether names may have dots; a reader of tars takes the first for the end of the name.
    """

    def __init__(self, dots: bool = True) -> None:
        self._dots = dots
        self._taken: set[str] = set()

    def name(self, text: str) -> str:
        """A new name, like the text as far as a name can be; one that is taken gets digits of a hash."""
        name = _ODD.sub("_", text).lstrip(".") or "_"
        if not self._dots:
            name = name.replace(".", "_")
        short = name.encode()[: 2 * _LONGEST].decode(errors="ignore")[:_LONGEST].rstrip(".")
        if short != name or short.casefold() in self._taken:
            digits = hashlib.sha256(f"{len(self._taken)} {text}".encode()).hexdigest()[:12]
            short = f"{short}-{digits}"
        self._taken.add(short.casefold())
        return short
