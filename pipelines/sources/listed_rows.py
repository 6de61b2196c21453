"""Rows of a table: which are listed twice, which lack a label, how the files spell the names that they give."""

from collections.abc import Sequence
from itertools import pairwise

import pandas as pd

from cairnhub.pipelines.lookup import is_in
from cairnhub.pipelines.sources.label_names import SHOWN, and_more

LISTED_TWICE = "its path is listed twice"


def as_stored(names: "pd.Series[str]", stored: "pd.Series[str]") -> "pd.Series[str]":
    """Names as the files spell them where only the Unicode form differs: a Mac decomposes, a spreadsheet does not."""
    known = pd.Index(stored.unique())
    is_other = ~names.str.isascii() & ~is_in(names, known)
    if not is_other.any():
        return names
    composed = pd.Series(known, index=known.str.normalize("NFC"), dtype="str")
    composed = composed[~composed.index.duplicated(keep=False)]
    found = names[is_other].str.normalize("NFC").map(composed).dropna()
    return names.where(~names.index.isin(found.index), found)


def listed_twice(rows: pd.DataFrame, said: Sequence[str]) -> "pd.Series[str]":
    """Why rows are left out whose file is listed before, or again with something else said of it.

    Args:
        rows: columns `member` and `said`; the index is the line in the table.
        said: what rows say of a file: its labels, its split.

    Returns:
        The reason by row, for rows that are left out: of equal rows all but the first; where they differ all of them,
        since none is more true than the others.
    """
    again = rows[rows["member"].duplicated(keep=False)]
    reasons = pd.Series(LISTED_TWICE, again.index[again["member"].duplicated()], dtype="str")
    versions = again.drop_duplicates(["member", *said])
    versions = versions[versions["member"].duplicated(keep=False)]
    said_of = {member: _what_differs(group[[*said]]) for member, group in versions.groupby("member")}
    differing = again["member"].map(said_of).dropna()
    return pd.concat([reasons[~reasons.index.isin(differing.index)], differing])


def _what_differs(versions: pd.DataFrame) -> str:
    """`its rows contradict each other; fine 'a' (line 2), fine 'b' (line 3)`."""
    differing = versions.loc[:, versions.nunique() > 1].head(SHOWN)
    shown = [
        ", ".join(f"{column} {value[:60]!r}" for column, value in row.items()) + f" (line {line})"
        for line, row in differing.to_dict("index").items()
    ]
    return f"its rows contradict each other; {'; '.join(shown)}{and_more(len(versions))}"


def lacks_a_label(rows: pd.DataFrame, levels: Sequence[str], *, needs_all: bool) -> "pd.Series[bool]":
    """Rows with an empty label that must be there.

    That is one on the finest level, or on a level where other rows say what stands above the same label: without it
    the label would have two places. With `needs_all`, one on any level.
    """
    lacks = rows[list(levels)] == ""
    if needs_all:
        return lacks.any(axis="columns")
    bad = lacks[levels[0]].copy()
    for fine, coarse in pairwise(levels):
        if lacks[coarse].any():
            is_placed = ~lacks[fine] & ~lacks[coarse]
            bad |= lacks[coarse] & is_in(rows[fine], rows.loc[is_placed, fine])
    return bad


def most_common(rows: pd.DataFrame, of: str, what: str) -> "pd.Series[str]":
    """Which `what` most rows of each `of` have; of two as common, the first in order."""
    counts = rows.groupby([of, what]).size().sort_values(ascending=False, kind="stable").reset_index()
    return counts.drop_duplicates(of).set_index(of)[what]
