"""A source in one zip: lists with fields between blanks, and the images that they name."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.pipelines.archives.zip import Zip
from cairnhub.pipelines.sources.listing import PLACE, Listing
from cairnhub.pipelines.sources.match_members import list_members, match_members


def read_records(archive: Zip, name: str) -> tuple[list[list[str]], Path]:
    """The fields of each line that is not blank, and where they stand, for messages.

    Raises:
        CairnError: no such list, or no line in it.
    """
    where = archive.path_of(name) / name
    lines = archive.read_file(name).decode("utf-8", errors="replace").splitlines()
    records = [line.split() for line in lines if line.strip()]
    if not records:
        raise BrokenData(f"{where}: lists no image; fetch it again")
    return records, where


def list_zip(
    archive: Zip,
    images: pd.DataFrame,
    levels: Sequence[str],
    named: "pd.Series[str]",
    faulty: pd.DataFrame | None = None,
) -> Listing:
    """The images of the lists, with their places in the zip.

    Args:
        archive: the zip.
        images: `image_id`, `split`, `member` and labels.
        levels: of the labels.
        named: every member that a list names, and the lists.
        faulty: `image_id`, `split` and `reason` of those that are quarantined.
    """
    matches = match_members(images, list_members([archive]), ["member"], f"not in {archive}", named)
    images = matches.images.sort_values(["split", "offset"], ignore_index=True)
    lost = (
        matches.quarantine if faulty is None else pd.concat([faulty, matches.quarantine], ignore_index=True)
    )
    return Listing(
        images[[*PLACE, *levels]], lost, refused_members=matches.refused_members, unnamed=matches.unnamed
    )
