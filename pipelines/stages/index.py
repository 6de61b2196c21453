"""index: one row per image, read from annotations and archives in place."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from hierarchies import CairnError
from hierarchies.files import replace_folder
from pipelines.landmarks import PUBLISHED_LABELS
from pipelines.sources import Listing, reader
from pipelines.sources.fetched import require_fetched
from pipelines.stages import Context


def run(context: Context) -> None:
    """Write `images.parquet`, `quarantine.parquet`, `counts.json` and `card.json` of one dataset."""
    require_fetched(context)
    source = reader(context.params, context.dataset)
    listing = source.list_images(context.paths.store)
    _check(listing)
    with replace_folder(context.paths.index) as folder:
        pq.write_table(pa.Table.from_pandas(listing.images, preserve_index=False), folder / "images.parquet")
        quarantine = pa.Table.from_pandas(listing.quarantine, preserve_index=False)
        pq.write_table(quarantine, folder / "quarantine.parquet")
        if listing.published_labels is not None:
            listing.published_labels.to_parquet(folder / PUBLISHED_LABELS, index=False)
        counts = {"splits": listing.counts(), "excluded": listing.excluded}
        (folder / "card.json").write_text(source.card().model_dump_json(indent=1) + "\n", encoding="utf-8")
        (folder / "counts.json").write_text(
            json.dumps(counts, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
    for split, count in listing.counts().items():
        print(
            f"{context.dataset} {split}: {', '.join(f'{number:,} {what}' for what, number in count.items())}"
        )


def _check(listing: Listing) -> None:
    """Refuse an index whose identifiers could be mistaken for one another."""
    repeated = listing.images["image_id"].duplicated()
    if repeated.any():
        example = listing.images.loc[repeated, "image_id"].iloc[0]
        raise CairnError(f"image {example!r} is listed {int(repeated.sum()) + 1} times; ids must be unique")
