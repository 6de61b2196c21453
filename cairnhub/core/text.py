"""Label text: when two labels count as the same, and how names stand in messages."""

import difflib
import re
import unicodedata
from collections.abc import Iterable

# Control characters, overrides of the writing direction, half surrogates, and what bad decoding leaves.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffd-\uffff]")
# Shown as nothing: joiners, direction marks, soft hyphens, byte order marks.
_INVISIBLE = re.compile(r"[\u00ad\u061c\u180e\u200b-\u200f\u2060-\u2064\ufeff]")


def without_controls(text: str) -> str:
    """The text without what `check_names` refuses as unprintable."""
    return CONTROL.sub("", text)


def label_key(text: str) -> str:
    """The normalised text that decisions are keyed by: NFKC, case folded, single spaces, nothing invisible.

    Two labels with the same key are one label written in two ways.
    """
    if text.isascii():  # nothing to normalise, and most labels are
        return " ".join(text.casefold().split())
    folded = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def on_any_disk(name: str) -> str:
    """The name as a disk sees it that ignores case and Unicode form."""
    return unicodedata.normalize("NFC", name).casefold()


def twins_on_a_disk(names: Iterable[str]) -> tuple[str, str] | None:
    """Two names that a disk which ignores case and Unicode form takes for one; None where there are none."""
    first: dict[str, str] = {}
    for name in names:
        if (other := first.setdefault(on_any_disk(name), name)) != name:
            return other, name
    return None


def fold(text: str) -> str:
    """Text for searching: like `label_key`, and accents dropped."""
    if text.isascii():  # most labels are; ten times as fast
        return " ".join(text.casefold().split())
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` for the end of a message; empty where nothing known is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def quoted(names: Iterable[str], limit: int = 5) -> str:
    """Names for an error message: quoted, shortened, the first few of many."""
    listed = list(names)
    shown = [repr(name if len(name) <= 60 else f"{name[:57]}...") for name in listed[:limit]]
    more = f" and {len(listed) - limit:,} more" if len(listed) > limit else ""
    return ", ".join(shown) + more
