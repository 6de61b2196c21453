"""Single images that a person takes out of a dataset for good: a takedown, a wrong picture."""

import logging
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BadInput, CairnError
from cairnhub.core.text import quoted
from cairnhub.pipelines.lookup import is_in
from cairnhub.pipelines.sources.csv_tables import read_csv
from cairnhub.pipelines.sources.listing import Listing, exclude

log = logging.getLogger(__name__)

SHOWN = 10
"""Of ids that match nothing."""


def read_exclusions(path: Path) -> "pd.Series[str]":
    """Why images are taken out, by their ids; the first line of an id counts.

    Args:
        path: a CSV (a `.tsv`: separated by tabs) with the columns `image_id` and `reason`.

    Raises:
        CairnError: it is missing or no such table, or a line has no id or no reason.
    """
    try:
        rows = read_csv(path, ["image_id", "reason"])
    except CairnError as error:
        raise error.within("exclude_ids in params.yaml") from error
    rows = rows[["image_id", "reason"]].apply(lambda cells: cells.str.strip())
    for column in rows:
        if (rows[column] == "").any():
            line = rows.index[rows[column] == ""][0]
            raise BadInput(
                f"{path}:{line}: {column} is empty; every line names an image and says why it is taken out"
            )
    reasons: pd.Series[str] = rows.drop_duplicates("image_id").set_index("image_id")["reason"]
    return reasons


def take_out(listing: Listing, reasons: "pd.Series[str]", path: Path) -> Listing:
    """Exclude images by their ids, those in quarantine too; says in a line how many, and which ids match none.

    Args:
        listing: of a whole source.
        reasons: by id, as `read_exclusions` gives them.
        path: where they are from.

    Raises:
        CairnError: no image is left.
    """
    excluded = {split: dict(counts) for split, counts in listing.excluded.items()}
    left = []
    for rows in (listing.images, listing.quarantine):
        by_rule = is_in(rows["image_id"], reasons.index)
        left.append(exclude(rows, by_rule, rows["image_id"].map(reasons), excluded).reset_index(drop=True))
    listed = pd.concat([listing.images["image_id"], listing.quarantine["image_id"]])
    is_there = is_in(pd.Series(reasons.index), listed).to_numpy()
    if left[0].empty:
        raise BadInput(f"{path}: takes out every image of the dataset; leave some")
    log.info(f"{int(is_there.sum()):,} images are taken out by {path.name}")
    if not is_there.all():
        gone = reasons.index[~is_there]
        log.warning(
            f"{len(gone):,} ids of {path.name} match no image, gone already or misspelt: {quoted(gone, SHOWN)}"
        )
    return replace(listing, images=left[0], quarantine=left[1], excluded=excluded)
