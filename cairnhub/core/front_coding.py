"""Front coding of names in order: of each, how much it shares with the one before, and the rest.

Witten, Moffat, Bell: Managing Gigabytes, 1999, section 4.1.
"""

from collections.abc import Sequence

MOST_SHARED = 255
"""Characters, so that a byte tells how many."""
_LAST_SINGLE = "\uffff"
"""Behind it, what is a character here is two for a script, which would cut elsewhere."""


def shared_lengths(names: Sequence[str]) -> list[int]:
    """How many characters each name shares with the one before, at most `MOST_SHARED`; 0 for the first."""
    return [_shared(one, other) for one, other in zip(("", *names), names, strict=False)]


def _shared(one: str, other: str) -> int:
    length = 0
    for ours, theirs in zip(one[:MOST_SHARED], other, strict=False):
        if ours != theirs or ours > _LAST_SINGLE:
            break
        length += 1
    return length
