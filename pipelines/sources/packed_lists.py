"""A source in one pack: lists with fields between blanks, and the images that they name."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.pipelines.archives.targz import TarGz
from cairnhub.pipelines.executors.local import HERE, Executor
from cairnhub.pipelines.sources.listing import PLACE, Listing, exclude, in_streamed
from cairnhub.pipelines.sources.match_members import list_members, match_members
from cairnhub.pipelines.sources.packs import Packed

NOT_IN_COPY = "not in this copy"


def read_records(packed: Packed, name: str) -> tuple[list[list[str]], Path]:
    """The fields of each line that is not blank, and where they stand, for messages.

    Raises:
        CairnError: no such list, or no line in it.
    """
    where = packed.where(name)
    lines = packed.read_files([name])[name].decode("utf-8", errors="replace").splitlines()
    records = [line.split() for line in lines if line.strip()]
    if not records:
        raise BrokenData(f"{where}: lists no image; fetch it again")
    return records, where


def list_packed(
    packed: Packed,
    images: pd.DataFrame,
    columns: Sequence[str],
    faulty: pd.DataFrame | None = None,
    named: "pd.Series[str] | None" = None,
    executor: Executor = HERE,
) -> Listing:
    """The images of the lists, with their places in a pack.

    Of the authors' own streamed archive nothing is read: what it holds is seen when it is published, once. Images that
    a copy lacks are excluded: it is a part of the dataset.

    Args:
        packed: the pack.
        images: `image_id`, `split`, `member` (below the root) and the columns.
        columns: labels and what else is kept.
        faulty: `image_id`, `split` and `reason` of those that are quarantined.
        named: what the lists name, below the root, if it is more than `images`.
        executor: by which archives are scanned.
    """
    named = packed.root + pd.concat(
        [images["member"] if named is None else named, pd.Series(packed.pack.lists)]
    )
    images = images.assign(member=packed.root + images["member"])
    copies = (str(packed),) if packed.is_copy and packed.pack.has_original else ()
    if isinstance(packed.archive, TarGz) and not packed.is_copy:
        placed = in_streamed(images, packed.archive.name).sort_values(["split", "member"], ignore_index=True)
        none = images.head(0)[["image_id", "split"]].assign(reason="")
        return Listing(placed[[*PLACE, *columns]], none if faulty is None else faulty)
    members = list_members([packed.archive], executor)
    matches = match_members(images, members, ["member"], f"not in {packed.archive}", named)
    images = matches.images.sort_values(["split", "offset", "member"], ignore_index=True)
    unmatched, excluded = matches.quarantine, dict[str, dict[str, int]]()
    if packed.is_copy:
        absent = unmatched["reason"] == f"not in {packed.archive}"
        unmatched = exclude(unmatched, absent, NOT_IN_COPY, excluded)
    return Listing(
        images[[*PLACE, *columns]],
        unmatched if faulty is None else pd.concat([faulty, unmatched], ignore_index=True),
        excluded,
        refused_members=matches.refused_members,
        unnamed=matches.unnamed,
        copies=copies,
        is_part=bool(excluded),
    )
