"""What the labels of a level may look like, and how equal names are told apart."""

from collections.abc import Sequence
from typing import Literal

from cairnhub.core.errors import BadInput
from cairnhub.core.text import CONTROL, label_key, quoted

MAX_NAME_LENGTH = 1_000
Twins = Literal["refuse", "keep"]
"""What is done with labels that differ only in case, spaces or Unicode form: `a` and `A`, `CO` and `Co`."""


def check_names(names: Sequence[str], level: str, twins: Twins = "refuse") -> None:
    """Raise `CairnError` for labels that are empty, too long, unprintable, or alike but for case."""
    keys = [label_key(name) for name in names]
    empty = keys.count("")
    if empty:
        raise BadInput(f"level {level!r} has an empty label; give each row a label or leave the row out")
    too_long = [name for name in names if len(name) > MAX_NAME_LENGTH]
    if too_long:
        raise BadInput(
            f"level {level!r}: label {quoted(too_long)} has {len(too_long[0]):,} characters, "
            f"more than {MAX_NAME_LENGTH:,}; is a whole text in the label column?"
        )
    unprintable = [name for name in names if CONTROL.search(name)]
    if unprintable:
        raise BadInput(
            f"level {level!r}: line breaks, control characters or wrongly decoded ones in {quoted(unprintable)}; "
            "remove them"
        )
    seen: dict[str, str] = {}
    pairs = [
        (seen[key], name)
        for key, name in zip(keys, names, strict=True)
        if seen.setdefault(key, name) != name and twins == "refuse"
    ]
    if pairs:
        more = f" (and {len(pairs) - 1:,} more such pairs)" if len(pairs) > 1 else ""
        raise BadInput(
            f"level {level!r}: {pairs[0][0]!r} and {pairs[0][1]!r} differ only in case, spaces or Unicode form{more}; "
            "spell them alike if they are one label; if not, tell them apart, or set `twins` to `keep`, and both are"
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
        raise BadInput("ids repeat; give each landmark its own id")
    keys = [label_key(name) for name in names]
    count: dict[str, int] = {}
    for key in keys:
        count[key] = count.get(key, 0) + 1
    unique = [f"{n} ({i})" if count[k] > 1 else n for n, k, i in zip(names, keys, ids, strict=True)]
    if len({label_key(name) for name in unique}) != len(unique):
        raise BadInput("a name already ends in another's id; rename one of them")
    return unique
