"""Which member of which archive is which listed image."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cairnhub.pipelines.archives.entry import refusal_of_name
from cairnhub.pipelines.archives.folder import Folder
from cairnhub.pipelines.archives.kinds import Archive, entries_of
from cairnhub.pipelines.executors.local import HERE, Executor
from cairnhub.pipelines.lookup import is_in, is_repeated, rows_among
from cairnhub.pipelines.sources.listing import as_frame, quarantine

REPEATED = "refused: an earlier archive has a member of its name"


def list_members(archives: Sequence[Archive], executor: Executor = HERE) -> pd.DataFrame:
    """The members of archives, one archive after the other, folders last; columns as in `Entry`.

    Raises:
        CairnError: a missing, damaged or truncated archive.
    """
    packed = [archive for archive in archives if not isinstance(archive, Folder)]
    folders = [archive for archive in archives if isinstance(archive, Folder)]
    entries = executor.map(entries_of, packed, title="scanning archives") if packed else ()
    frames = [as_frame([]), *map(as_frame, entries), *(as_frame(folder.entries()) for folder in folders)]
    return pd.concat(frames, ignore_index=True)


class MemberMatches(NamedTuple):
    """Listed images with their places, and what has no match; `Listing` says what the tables hold."""

    images: pd.DataFrame
    quarantine: pd.DataFrame
    refused_members: pd.DataFrame
    unnamed: "pd.Series[str]"


def match_members(
    images: pd.DataFrame,
    members: pd.DataFrame,
    keys: list[str],
    absent: str,
    named: "pd.Series[str] | None" = None,
) -> MemberMatches:
    """Join listed images with the members of archives.

    Args:
        images: one row per listed image, with the columns `keys`.
        members: as `list_members` gives them, with the columns `keys`; of several good ones in different archives the
            first counts.
        keys: columns that say which member is which image's.
        absent: the reason for an image without a member, unless its name or its member is refused for another.
        named: the first key of every member that some list names, images that are not in `images` and the lists
            themselves too; None: that of `images`.
    """
    refusals = members["refusal"]
    if (is_again := _is_again(members, keys)).any():
        refusals = refusals.mask(is_again, REPEATED)
    is_refused = refusals.notna()
    refused = members.loc[is_refused, keys].assign(
        member=members["member"][is_refused], reason=refusals[is_refused]
    )
    good = members.drop(columns="refusal")
    if is_refused.any():  # else a copy of millions for nothing
        good = good[~is_refused]
    known = images[keys[0]] if named is None else named
    unnamed = good.loc[~is_in(good[keys[0]], known), "member"].reset_index(drop=True)
    images = _joined(images, good, keys)
    is_matched = images["size_bytes"].notna()  # every member that is listed has a size
    lost = images.loc[~is_matched, keys]
    reasons = lost.merge(refused.drop_duplicates(keys), on=keys, how="left").set_axis(lost.index)
    why = reasons["reason"].fillna(lost[keys[0]].map(refusal_of_name))
    matched, unmatched = quarantine(images, ~is_matched, why.fillna(absent))
    unasked = refused[~refused["member"].isin(reasons["member"])]
    return MemberMatches(matched, unmatched, unasked[["member", "reason"]].reset_index(drop=True), unnamed)


def _is_again(members: pd.DataFrame, keys: list[str]) -> "pd.Series[bool]":
    """Which good members have the keys of an earlier good one."""
    is_good = members["refusal"].isna()
    names = members[keys[0]] if is_good.all() else members.loc[is_good, keys[0]]
    if not is_repeated(
        names
    ).any():  # nor are all keys together; to compare those takes the memory of Python's texts
        return pd.Series(False, members.index)
    return members.loc[is_good, keys].duplicated().reindex(members.index, fill_value=False)


def _joined(images: pd.DataFrame, members: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The images with the other columns of their members (unique by `keys`), null without one.

    Column by column: a merge would hold all of both tables twice.
    """
    rows = _rows_of(images, members, keys)
    images = images.reset_index(drop=True)
    for column in members.columns.difference(keys, sort=False):
        images[column] = pd.api.extensions.take(members[column].array, rows, allow_fill=True)
    return images


def _rows_of(images: pd.DataFrame, members: pd.DataFrame, keys: list[str]) -> npt.NDArray[np.int64]:
    """The row of each image's member, -1 without one, (N,)."""
    first, *others = keys
    if is_repeated(members[first]).any():
        numbered = members[keys].assign(at=np.arange(len(members)))
        found = images[keys].merge(numbered, on=keys, how="left")["at"]
        return np.asarray(found.fillna(-1), np.int64)
    rows = rows_among(images[first], members[first])
    for key in others:  # the one member of that name is the image's if it agrees in the rest
        of_member = pd.Series(pd.api.extensions.take(members[key].array, rows, allow_fill=True))
        rows[(of_member != images[key].reset_index(drop=True)).to_numpy(bool, na_value=True)] = -1
    return rows
