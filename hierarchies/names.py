"""What a label may look like, and when two labels count as the same."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence

from hierarchies.errors import CairnError

MAX_NAME_LENGTH = 1_000
# Control characters, overrides of the writing direction, half surrogates, and what bad decoding leaves.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffd-\uffff]")
# Shown as nothing: joiners, direction marks, soft hyphens, byte order marks.
_INVISIBLE = re.compile(r"[\u00ad\u061c\u180e\u200b-\u200f\u2060-\u2064\ufeff]")


def without_controls(text: str) -> str:
    """The text without what `check_names` refuses as unprintable."""
    return _CONTROL.sub("", text)


def label_key(text: str) -> str:
    """The normalised text that decisions are keyed by: NFKC, case folded, single spaces, nothing invisible.

    Two labels with the same key are one label written in two ways.
    """
    if text.isascii():  # nothing to normalise, and most labels are
        return " ".join(text.casefold().split())
    folded = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


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


def check_names(names: Sequence[str], level: str) -> None:
    """Raise `CairnError` for labels that are empty, too long, unprintable, or alike but for case."""
    keys = [label_key(name) for name in names]
    empty = keys.count("")
    if empty:
        raise CairnError(f"level {level!r} has an empty label; give each row a label or leave the row out")
    too_long = [name for name in names if len(name) > MAX_NAME_LENGTH]
    if too_long:
        raise CairnError(
            f"level {level!r}: label {quoted(too_long)} has {len(too_long[0]):,} characters, "
            f"more than {MAX_NAME_LENGTH:,}; is a whole text in the label column?"
        )
    unprintable = [name for name in names if _CONTROL.search(name)]
    if unprintable:
        raise CairnError(
            f"level {level!r}: line breaks, control characters or wrongly decoded ones in {quoted(unprintable)}; "
            "remove them"
        )
    seen: dict[str, str] = {}
    for key, name in zip(keys, names, strict=True):
        twin = seen.setdefault(key, name)
        if twin != name:
            raise CairnError(
                f"level {level!r}: {twin!r} and {name!r} differ only in case, spaces or Unicode form; "
                "spell them alike if they are one label, tell them apart if not"
            )


def disambiguate(names: Sequence[str], ids: Sequence[str]) -> list[str]:
    """Make names unique: those that share a `label_key` get their id appended, as in `Hill House (4711)`.

    Args:
        names: one name per thing, repeated names allowed.
        ids: one unique id per thing.

    Returns:
        Names in the same order, unique by `label_key`. The result does not depend on the order of the rows.

    Raises:
        CairnError: two things share an id, or no unique name can be made.
    """
    if len(set(ids)) != len(ids):
        raise CairnError("ids repeat; give each landmark its own id")
    keys = [label_key(name) for name in names]
    count: dict[str, int] = {}
    for key in keys:
        count[key] = count.get(key, 0) + 1
    unique = [f"{n} ({i})" if count[k] > 1 else n for n, k, i in zip(names, keys, ids, strict=True)]
    if len({label_key(name) for name in unique}) != len(unique):
        raise CairnError("a name already ends in another's id; rename one of them")
    return unique
