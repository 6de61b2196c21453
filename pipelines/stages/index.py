"""index: one row per image, read from annotations and archives in place."""

import hashlib
import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.core.files import replace_folder
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.card import Card, EvaluationProtocol, Source
from cairnhub.hierarchies.label_tree.qualification import Qualified
from cairnhub.pipelines.artifacts.index import IndexCounts, IndexFolder
from cairnhub.pipelines.artifacts.protocols import ProtocolsFolder
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.lookup import is_repeated, rows_among
from cairnhub.pipelines.sources.exclusions import read_exclusions, take_out
from cairnhub.pipelines.sources.fetching import require_fetched
from cairnhub.pipelines.sources.label_names import SHOWN, and_more, by_name
from cairnhub.pipelines.sources.listing import PLACE, Listing
from cairnhub.pipelines.sources.manifest import read_manifest
from cairnhub.pipelines.sources.packed_lists import NOT_IN_COPY
from cairnhub.pipelines.sources.readers import reader, subset_of
from cairnhub.pipelines.sources.registered_counts import check_counts, expected_counts
from cairnhub.pipelines.sources.source_reader import SourceReader
from cairnhub.pipelines.sources.subset import is_unanswerable, kept_protocols, reduce
from cairnhub.pipelines.split_names import check_columns, hindrances

log = logging.getLogger(__name__)

N_UNNAMED = 10
"""Files that no list names: so many are shown."""


def run(context: Context) -> None:
    """Write `images.parquet`, `quarantine.parquet`, `counts.json`, `card.json`, and what else a source tells."""
    require_fetched(context)
    source = reader(context.params, context.dataset, context.scale, context.executor)
    source.fetched = frozenset(read_manifest(context.paths.manifest, context.paths.loose_images))
    card = source.card()
    whole = source.list_images(context.paths.store)
    _check_ids(whole)
    log.info(f"{context.dataset}: {_compare(context, source, whole)}")
    for copy in whole.copies:
        log.info(f"{context.dataset}: built from {copy}")
    if exclusions := context.params.source(context.dataset).exclude_ids:
        path = context.paths.root / exclusions
        whole = take_out(whole, read_exclusions(path), path)
    subset = subset_of(context.params, context.dataset, context.scale)
    declared = source.protocols(set(whole.images["split"]))
    listing = reduce(whole, subset, source.levels[0], declared)
    if whole.is_part:
        _say_what_is_missing(context.dataset, whole)
    protocols = kept_protocols(declared, listing.images)
    _say_what_is_measured(context, protocols, listing.images, source.levels[0])
    fetched = hashlib.sha256(context.paths.manifest.read_bytes()).hexdigest()
    files = Source(
        name=f"manifest of {context.paths.owner}",
        version=source.version or None,
        url=card.homepage,
        sha256=fetched,
    )
    facts: dict[str, object] = {
        "name": context.dataset,
        "protocols": protocols,
        "sources": (files,),
        "columns": listing.kept,
        "excluded": listing.n_excluded() or None,
    }
    if tree := context.params.source(context.dataset).tree:
        facts |= {"levels": tree.published_levels(source.levels), "annotation_origin": "automatic"}
    if listing.not_kept:
        lost = f"Columns of its table that are not published: {quoted(listing.not_kept, 20)}."
        log.warning(f"{context.dataset}: {lost} `keep: [...]` or `keep: all` under its source publishes them")
        facts["description"] = f"{card.description} {lost}"
    facts |= _of_copies(card.model_copy(update=facts), whole)
    card = card.model_copy(update=facts)
    check_columns(protocols, card.texts, context.dataset)
    with replace_folder(context.paths.index) as folder:
        index = IndexFolder(folder)
        index.save_images(listing.images)
        index.save_quarantine(_quarantine(listing))
        index.save_labels(listing.published_labels, listing.chains)
        if listing.names is not None:
            _names(listing.names, listing.images[source.levels[0]]).to_parquet(index.names, index=False)
        index.save_counts(
            IndexCounts(
                listing.counts(),
                listing.excluded,
                fetched,
                tuple(source.levels),
                n_unnamed=len(listing.unnamed),
                unnamed=tuple(listing.unnamed[:N_UNNAMED]),
                qualified=_qualified(context.dataset, source.levels, listing.qualified),
                twins=source.twins,
            )
        )
        listing.unnamed.to_frame("path").to_parquet(index.unnamed, index=False)
        index.card.write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    with replace_folder(context.paths.protocols) as folder:
        truth = listing.ground_truth
        if truth is not None:
            truth = _ground_truth(truth, listing.images[["image_id", source.levels[0]]])
        ProtocolsFolder(folder).save(tuple(protocols), truth, may_show_images=card.redistributable)
    for split, count in listing.counts().items():
        log.info(
            f"{context.dataset} {split}: {', '.join(f'{number:,} {what}' for what, number in count.items())}"
        )
    causes = listing.quarantine["reason"].str.replace(";.*", "", regex=True)
    for cause, number in causes.value_counts().items():
        example = listing.quarantine.loc[causes == cause, "reason"].iloc[0][len(str(cause)) :]
        log.info(
            f"{context.dataset}: {number:,} in quarantine.parquet: {cause}{example and f' (such as{example[1:]})'}"
        )
    for reason, number in listing.refused_members["reason"].value_counts().items():
        log.info(f"{context.dataset}: {number:,} members of archives {reason}")
    if len(listing.unnamed):
        names = quoted(listing.unnamed, N_UNNAMED)
        log.info(
            f"{context.dataset}: {len(listing.unnamed):,} files that no list names (unnamed.parquet): {names}"
        )


def _of_copies(card: Card, whole: Listing) -> dict[str, object]:
    """What a card says of a dataset that is not built from the files that its authors publish."""
    title, description = card.title, card.description
    if whole.copies:
        description += f" Built from {', '.join(whole.copies)}."
    if whole.is_part:
        n_absent, n_listed = _n_absent(whole)
        title += " (a part)"
        description += (
            f" A part: {n_absent:,} of the {n_listed:,} images listed are not in the copy it is built from."
        )
    return {"title": title, "description": description}


def _n_absent(whole: Listing) -> tuple[int, int]:
    """How many listed images a copy lacks, and how many are listed."""
    listed = sum(count["listed"] for count in whole.counts().values())
    return whole.n_excluded().get(NOT_IN_COPY, 0), listed


def _say_what_is_missing(dataset: str, whole: Listing) -> None:
    """Warn that a copy is a part of the dataset; name the splits that are not in there at all."""
    n_absent, n_listed = _n_absent(whole)
    lost = sorted(set(whole.excluded) - set(whole.images["split"]))
    gone = f"; of split {', '.join(lost)} it has none, which is left out" if lost else ""
    log.warning(f"{dataset}: a part: {n_absent:,} of {n_listed:,} listed images are not in this copy{gone}")


def _say_what_is_measured(
    context: Context, protocols: Sequence[EvaluationProtocol], images: pd.DataFrame, leaf_level: str
) -> None:
    """Warn of what would be found out after hours of training; say how many queries have nothing to find."""
    for line in hindrances(
        context.dataset,
        set(images["split"]),
        protocols,
        is_trained=context.dataset in context.params.train_on,
        is_evaluated=context.params.is_evaluated(context.dataset),
    ):
        log.warning(line)
    for protocol in protocols:
        level = protocol.levels[0] if protocol.levels else leaf_level
        n_queries = int((images["split"] == protocol.query).sum())
        n_alone = int(is_unanswerable(images, protocol, leaf_level).sum())
        words = (
            f"{context.dataset}: protocol {protocol.name}, {protocol.query} in {protocol.gallery}: {n_alone:,} of "
            f"{n_queries:,} queries have no other image of their {level} to find"
        )
        log.log(logging.WARNING if n_alone == n_queries else logging.INFO, words)


def _quarantine(listing: Listing) -> pd.DataFrame:
    """Listed images first, then refused members, which have neither id nor split."""
    listed = listing.quarantine.reindex(columns=["image_id", "split", "path", "reason"])
    return pd.concat([listed, listing.refused_members.rename(columns={"member": "path"})])


def _compare(context: Context, source: SourceReader, whole: Listing) -> str:
    """Hold a whole dataset against its registered counts.

    Raises:
        CairnError: they differ.
    """
    if not subset_of(context.params, context.dataset, context.scale).is_whole:
        return "a subset: not held against the registered counts"
    if whole.is_part:
        return "a part of it: not held against the registered counts"
    expected = expected_counts(source.edition, context.scale)
    check_counts(context.dataset, expected, whole.summary(source.levels))
    return "counts as registered" if expected else "no counts are registered for it"


def _names(names: pd.DataFrame, labels: "pd.Series[str]") -> pd.DataFrame:
    """The report of readable names for the labels of this index, by label; says in a line what changed."""
    shown = names[names["label"].isin(set(labels))].sort_values(["label", "original"], ignore_index=True)
    changes = shown["changes"].str.split(", ").explode().replace("", "unchanged")
    summary = ", ".join(f"{count:,} {change}" for change, count in changes.value_counts(sort=False).items())
    log.info(f"{len(shown):,} names made readable (names.parquet): {summary}")
    return shown


def _qualified(
    dataset: str, levels: Sequence[str], report: Sequence[Qualified]
) -> dict[str, dict[str, list[str]]]:
    """Level -> name -> the labels that it became; says so in a line per level.

    On the finest level it is a warning: the classes to be found are others, and a slip of the pen above may be why.
    """
    became: dict[str, dict[str, list[str]]] = {}
    for (level, name), group in by_name(report).items():
        became.setdefault(level, {})[name] = [each.label for each in group]
    for level, names in became.items():
        shown = "; ".join(f"{name!r} is {quoted(labels, SHOWN)}" for name, labels in [*names.items()][:SHOWN])
        log.log(
            logging.WARNING if level == levels[0] else logging.INFO,
            f"{dataset} {level}: {len(names):,} name(s) told apart by what stands above (counts.json): {shown}"
            f"{and_more(len(names))}",
        )
    return became


def _ground_truth(truth: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """The answers of the benchmark of which query and image are both in this index (`images`: id and label).

    Says how many answers a label would miss: evaluation goes by labels.
    """
    sides = [rows_among(truth[side], images["image_id"]) for side in ("query_id", "image_id")]
    is_present = (sides[0] >= 0) & (sides[1] >= 0)
    present = truth[is_present]
    shown = images.iloc[:, 1].array
    is_other = np.asarray(shown[sides[0][is_present]] != shown[sides[1][is_present]], bool)
    if "relevance" in present:
        is_answer = (present["relevance"] != "junk").to_numpy()
        answers, is_other = present[is_answer], is_other[is_answer]
    else:
        answers = present
    n_other = int(is_other.sum())
    log.info(
        f"{answers['query_id'].nunique():,} queries have {len(answers):,} answers (ground_truth.parquet), "
        f"{n_other:,} of them with another label than the query"
    )
    return present.sort_values(["query_id", "image_id"], ignore_index=True)


def _check_ids(listing: Listing) -> None:
    """Refuse an index without images, or whose identifiers could be mistaken for one another."""
    if listing.images.empty:
        raise BrokenData(
            "none of the listed images is in the archives; run the fetch stage again, or mend the lists"
        )
    repeated = is_repeated(listing.images["image_id"])
    if repeated.any():
        example = listing.images.loc[repeated, "image_id"].iloc[0]
        rows = listing.images[listing.images["image_id"] == example]
        labels = rows[rows.columns[len(PLACE)]]  # of the finest level
        more = int(repeated.sum()) - len(rows) + 1
        raise BrokenData(
            f"image {example!r} is listed {len(rows)} times, as {quoted(labels.unique())}"
            + (f", and {more:,} more rows repeat others" if more else "")
            + "; ids must be unique: keep one row of each"
        )
