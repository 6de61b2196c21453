"""Which member of which archive is which listed image."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from cairnhub.pipelines.archives import REPEATED, Tar, scan_tar
from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.sources.listing import as_frame, split_off


def scan_tars(store: Path, names: Sequence[str], executor: Executor) -> pd.DataFrame:
    """The members of several tars, one after the other; columns as in `Entry`.

    Raises:
        CairnError: missing, damaged or truncated tar.
    """
    tars = [Tar(store, name) for name in names]
    found = executor.map(scan_tar, tars, title="scanning tars")
    return pd.concat([as_frame([]), *map(as_frame, found)], ignore_index=True)


class Located(NamedTuple):
    """Listed images and where they lie, as `locate` finds them; `Listing` says what the tables hold."""

    images: pd.DataFrame
    quarantine: pd.DataFrame
    refused: pd.DataFrame


def locate(images: pd.DataFrame, members: pd.DataFrame, keys: list[str], absent: str) -> Located:
    """Join listed images with the members of archives.

    Args:
        images: one row per listed image, with the columns `keys`.
        members: as `scan_tars` or `scan_zip` lists them, with the columns `keys`; of several good ones the first
            counts.
        keys: columns that say which member is which image's.
        absent: the reason for an image without a member, unless its member is refused for a reason of its own.
    """
    good = members["refused"] == ""
    repeated = good & members.loc[good, keys].duplicated().reindex(members.index, fill_value=False)
    reasons = members["refused"].mask(repeated, REPEATED)
    bad = members[keys].assign(member=members["member"], reason=reasons)[reasons != ""]
    images = images.merge(members[reasons == ""].drop(columns="refused"), on=keys, how="left")
    explained = images[keys].merge(bad.drop_duplicates(keys), on=keys, how="left")
    found = images["archive"].notna()
    located, quarantine = split_off(images, ~found, explained["reason"].fillna(absent)[~found])
    located = located.astype({"offset": "int64", "size_bytes": "int64"})
    unasked = bad[~bad["member"].isin(explained.loc[~found, "member"])]
    return Located(located, quarantine, unasked[["member", "reason"]].reset_index(drop=True))
