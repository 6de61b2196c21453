"""Which member of which archive is which listed image."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from cairnhub.pipelines.archives.entry import REPEATED
from cairnhub.pipelines.archives.folder import Folder
from cairnhub.pipelines.archives.kinds import Archive, entries_of
from cairnhub.pipelines.executors.local import HERE, Executor
from cairnhub.pipelines.sources.listing import as_frame, quarantine


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


def match_members(images: pd.DataFrame, members: pd.DataFrame, keys: list[str], absent: str) -> MemberMatches:
    """Join listed images with the members of archives.

    Args:
        images: one row per listed image, with the columns `keys`.
        members: as `list_members` gives them, with the columns `keys`; of several good ones the first counts.
        keys: columns that say which member is which image's.
        absent: the reason for an image without a member, unless its member is refused for a reason of its own.
    """
    is_good = members["refusal"].isna()
    is_repeated = is_good & members.loc[is_good, keys].duplicated().reindex(members.index, fill_value=False)
    refusals = members["refusal"].mask(is_repeated, REPEATED)
    refused = members[keys].assign(member=members["member"], reason=refusals)[refusals.notna()]
    good = members[refusals.isna()].drop(columns="refusal")
    images = images.merge(good, on=keys, how="left")
    reasons = images[keys].merge(refused.drop_duplicates(keys), on=keys, how="left")
    is_matched = images["size_bytes"].notna()  # every member that is listed has a size
    matched, unmatched = quarantine(images, ~is_matched, reasons["reason"].fillna(absent)[~is_matched])
    unasked = refused[~refused["member"].isin(reasons.loc[~is_matched, "member"])]
    return MemberMatches(matched, unmatched, unasked[["member", "reason"]].reset_index(drop=True))
