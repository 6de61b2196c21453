"""What a level may be called: it is the name of a column, wherever the dataset is read."""

import re
from collections.abc import Iterable

from cairnhub.core.errors import BadInput
from cairnhub.core.text import quoted, twins_on_a_disk

TAKEN = frozenset({"image", "path", "image_id", "source_url", "author", "license", "title", "root"})
"""The other columns of a published dataset, and the root of every tree."""
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def check_level_names(levels: Iterable[str]) -> None:
    """Raise `BadInput` for a level that cannot be the name of a column."""
    names = list(levels)
    for level in names:
        if level in TAKEN or not _NAME.fullmatch(level):
            raise BadInput(
                f"level {level[:100]!r} cannot be a column: use letters of ASCII, digits and _, and none of "
                f"{', '.join(sorted(TAKEN))}; rename the column in the table too"
            )
    if twins := twins_on_a_disk(names):
        raise BadInput(
            f"levels {quoted(twins)} differ by case only: SQL takes them for one, and some disks do; rename one"
        )
