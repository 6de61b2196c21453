"""index: one row per image, read from annotations and archives in place."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.core.errors import CairnError
from cairnhub.core.files import replace_folder
from cairnhub.core.parse import FORBID
from cairnhub.datasets_hub.card import Source
from cairnhub.pipelines.index_parts import ROWS_PER_GROUP
from cairnhub.pipelines.landmarks import CHAINS, PUBLISHED_LABELS
from cairnhub.pipelines.sources.csv_tables import is_in
from cairnhub.pipelines.sources.fetching import require_fetched
from cairnhub.pipelines.sources.listing import Listing
from cairnhub.pipelines.sources.readers import reader, subset_of
from cairnhub.pipelines.sources.registered_counts import check_counts, expected_counts
from cairnhub.pipelines.sources.source_reader import SourceReader
from cairnhub.pipelines.sources.subset import kept_protocols, reduce
from cairnhub.pipelines.stages import Context

NAMES = "names.parquet"
GROUND_TRUTH = "ground_truth.parquet"


@dataclass(frozen=True)
class IndexCounts:
    """`counts.json`: what became of the listed images.

    Attributes:
        splits: per split `listed`, `indexed`, `quarantined`, `excluded`.
        excluded: split -> reason -> count.
        fetched: hash of the manifest: a streamed archive may change while the rows stay; then what is published is
            stale.
    """

    __pydantic_config__ = FORBID

    splits: dict[str, dict[str, int]]
    excluded: dict[str, dict[str, int]]
    fetched: str


def run(context: Context) -> None:
    """Write `images.parquet`, `quarantine.parquet`, `counts.json`, `card.json`, and what else a source tells."""
    require_fetched(context)
    source = reader(context.params, context.dataset, context.scale, context.executor)
    card = source.card()
    whole = source.list_images(context.paths.store)
    _check_ids(whole)
    print(f"{context.dataset}: {_compare(context, source, whole)}")
    subset = subset_of(context.params, context.dataset, context.scale)
    listing = reduce(whole, subset, source.levels[0], card.protocols)
    protocols = kept_protocols(card.protocols, listing.images)
    fetched = hashlib.sha256(context.paths.manifest.read_bytes()).hexdigest()
    files = Source(
        name=f"manifest of {context.paths.owner}",
        version=source.version or None,
        url=card.homepage,
        sha256=fetched,
    )
    card = card.model_copy(update={"name": context.dataset, "protocols": protocols, "sources": (files,)})
    with replace_folder(context.paths.index) as folder:
        _write_images(listing.images, folder / "images.parquet")
        pq.write_table(_quarantine(listing), folder / "quarantine.parquet")
        if listing.published_labels is not None:
            listing.published_labels.to_parquet(folder / PUBLISHED_LABELS, index=False)
        if listing.chains:
            chains = json.dumps(listing.chains, ensure_ascii=False, indent=1, sort_keys=True)
            (folder / CHAINS).write_text(chains + "\n", encoding="utf-8")
        if listing.names is not None:
            names = _names(listing.names, listing.images[source.levels[0]])
            names.to_parquet(folder / NAMES, index=False)
        if listing.ground_truth is not None:
            shown = listing.images.set_index("image_id")[source.levels[0]]
            truth = _ground_truth(listing.ground_truth, shown)
            truth.to_parquet(folder / GROUND_TRUTH, index=False)
        counts = IndexCounts(listing.counts(), listing.excluded, fetched)
        (folder / "card.json").write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (folder / "counts.json").write_text(
            json.dumps(asdict(counts), indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
    for split, count in listing.counts().items():
        print(
            f"{context.dataset} {split}: {', '.join(f'{number:,} {what}' for what, number in count.items())}"
        )
    for reason, number in listing.quarantine["reason"].value_counts().items():
        print(f"{context.dataset}: {number:,} in quarantine.parquet: {reason}")
    for reason, number in listing.refused_members["reason"].value_counts().items():
        print(f"{context.dataset}: {number:,} members of archives {reason}")


def _write_images(images: pd.DataFrame, path: Path) -> None:
    """Write the rows split by split, a row group at a time: a sorted copy of all would double the memory."""
    order = np.argsort(images["split"].factorize(sort=True)[0], kind="stable")
    schema = pa.Schema.from_pandas(images, preserve_index=False)
    with pq.ParquetWriter(path, schema) as file:
        for start in range(0, len(order), ROWS_PER_GROUP):
            rows = images.iloc[order[start : start + ROWS_PER_GROUP]]
            file.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False))


def _quarantine(listing: Listing) -> pa.Table:
    """Listed images first, then refused members, which have neither id nor split."""
    listed = listing.quarantine.reindex(columns=["image_id", "split", "path", "reason"])
    refused = listing.refused_members.rename(columns={"member": "path"})
    text = pa.string()
    schema = pa.schema([("image_id", text), ("split", text), ("path", text), ("reason", text)])
    return pa.Table.from_pandas(pd.concat([listed, refused]), schema, preserve_index=False)


def _compare(context: Context, source: SourceReader, whole: Listing) -> str:
    """Hold a whole dataset against its registered counts.

    Raises:
        CairnError: they differ.
    """
    if not subset_of(context.params, context.dataset, context.scale).is_whole:
        return "a subset: not held against the registered counts"
    expected = expected_counts(source.edition, context.scale)
    check_counts(context.dataset, expected, whole.summary(source.levels))
    return "counts as registered" if expected else "no counts are registered for it"


def _names(names: pd.DataFrame, labels: "pd.Series[str]") -> pd.DataFrame:
    """The report of readable names for the labels of this index, by label; says in a line what changed."""
    shown = names[names["label"].isin(set(labels))].sort_values(["label", "original"], ignore_index=True)
    changes = shown["changes"].str.split(", ").explode().replace("", "unchanged")
    summary = ", ".join(f"{count:,} {change}" for change, count in changes.value_counts(sort=False).items())
    print(f"{len(shown):,} names made readable ({NAMES}): {summary}")
    return shown


def _ground_truth(truth: pd.DataFrame, shown: "pd.Series[str]") -> pd.DataFrame:
    """The answers of the benchmark of which query and image are both in this index (`shown`: id -> label).

    Says how many answers a label would miss: evaluation goes by labels.
    """
    present = truth[is_in(truth["query_id"], shown.index) & is_in(truth["image_id"], shown.index)]
    n_other = int((present["query_id"].map(shown) != present["image_id"].map(shown)).sum())
    print(
        f"{present['query_id'].nunique():,} queries have {len(present):,} answers ({GROUND_TRUTH}), "
        f"{n_other:,} of them with another label than the query"
    )
    return present.sort_values(["query_id", "image_id"], ignore_index=True)


def _check_ids(listing: Listing) -> None:
    """Refuse an index without images, or whose identifiers could be mistaken for one another."""
    if listing.images.empty:
        raise CairnError(
            "none of the listed images is in the archives; run the fetch stage again, or mend the lists"
        )
    repeated = listing.images["image_id"].duplicated()
    if repeated.any():
        example = listing.images.loc[repeated, "image_id"].iloc[0]
        raise CairnError(f"image {example!r} is listed {int(repeated.sum()) + 1} times; ids must be unique")
