"""Names of labels that a source's columns give: told apart where they stand under two parents, or refused."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BadInput, CairnError
from cairnhub.hierarchies.label_tree.qualification import Qualified, qualify
from cairnhub.pipelines.settings.sources import Qualify

SHOWN = 5
"""So many names stand in a message; the others are counted."""


def tell_apart(
    frame: pd.DataFrame, levels: Sequence[str], rule: Qualify, path: Path, *, has_lines: bool = False
) -> tuple[pd.DataFrame, tuple[Qualified, ...]]:
    """Qualify the labels of a table by their parents, or refuse a name that stands under two.

    Args:
        frame: its columns `levels`, fine -> coarse, hold labels.
        levels: names of these columns.
        rule: what is done.
        path: where the labels stand, for messages.
        has_lines: whether the index of the frame is the line in that file.

    Returns:
        See `qualify`.

    Raises:
        CairnError: a name stands under two parents and `rule` says `refuse`, or cannot be told apart.
    """
    try:
        told_apart, report = qualify(frame, levels)
    except CairnError as error:
        raise error.within(str(path)) from error
    if rule == "parent":
        return told_apart, tuple(report)
    homonyms = [group for group in by_name(report).values() if len(group) > 1]
    if homonyms:
        shown = "; ".join(
            f"{group[0].level} {group[0].name!r} under "
            + ", ".join(
                f"{each.parent!r}" + (f" (line {each.row})" if has_lines else "") for each in group[:SHOWN]
            )
            + and_more(len(group))
            for group in homonyms[:SHOWN]
        )
        raise BadInput(
            f"{path}: {len(homonyms)} label(s) with two parents: {shown}{and_more(len(homonyms))}; keep one parent "
            "each, or have them told apart by their parents: `qualify: parent`"
        )
    return frame, ()


def by_name(report: Iterable[Qualified]) -> dict[tuple[str, str], list[Qualified]]:
    """What was told apart, by level and name."""
    groups: dict[tuple[str, str], list[Qualified]] = {}
    for each in report:
        groups.setdefault((each.level, each.name), []).append(each)
    return groups


def and_more(count: int, shown: int = SHOWN) -> str:
    """How many a message leaves out, at the end of those that it names."""
    return f" and {count - shown:,} more" if count > shown else ""
