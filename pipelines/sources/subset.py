"""Part of a listing: the same images on every run, and more of them when the part is declared larger."""

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.pipelines.settings.sources import Subset
from cairnhub.pipelines.sources.listing import ATTRIBUTION, PLACE, Listing, exclude


def reduce(
    listing: Listing, subset: Subset, leaf_level: str, protocols: Sequence[EvaluationProtocol]
) -> Listing:
    """Exclude what `subset` does not ask for, counted by split and reason.

    A split that is not asked for, or of which a part has no image, vanishes altogether. A query that
    finds nothing in the reduced gallery is excluded as well.

    Raises:
        CairnError: no such split, column or label, or nothing remains of a split; names what there is.
    """
    if subset.is_whole and not listing.is_part:
        return listing
    excluded = {split: dict(reasons) for split, reasons in listing.excluded.items()}
    known = sorted(listing.images["split"].unique())
    unknown = sorted(set(subset.splits) - set(known))
    if unknown:
        raise BadInput(f"params.yaml: subset.splits: no split {unknown[0]!r}; splits are {', '.join(known)}")
    chosen = list(subset.splits) or known
    images = listing.images[listing.images["split"].isin(chosen)]
    for wanted, filters in ((True, subset.include), (False, subset.exclude)):
        for column, labels in filters.items():
            _check_labels(listing.images, column, labels)
            has_one = images[column].isin(labels)
            reason = f"its {column} is {'not included' if wanted else 'excluded'}"
            images = exclude(images, has_one != wanted, reason, excluded)
    if subset.max_images_per_label is not None:
        beyond = _rank(images, leaf_level) >= subset.max_images_per_label
        images = exclude(
            images, beyond, f"more than {subset.max_images_per_label} of its {leaf_level}", excluded
        )
    for protocol in protocols:
        images = _answerable(images, protocol, leaf_level, excluded)
    empty = [split for split in chosen if not (images["split"] == split).any()]
    if empty:
        raise BadInput(
            f"params.yaml: the subset leaves no image in split {', '.join(empty)}: {excluded}; widen it, or name the "
            "other splits under subset.splits"
        )
    return replace(
        listing,
        images=images.reset_index(drop=True),
        quarantine=listing.quarantine[listing.quarantine["split"].isin(chosen)],
        excluded={split: reasons for split, reasons in excluded.items() if split in chosen},
    )


def kept_protocols(
    protocols: Sequence[EvaluationProtocol], images: pd.DataFrame
) -> tuple[EvaluationProtocol, ...]:
    """The protocols whose splits are both there."""
    splits = set(images["split"])
    return tuple(protocol for protocol in protocols if {protocol.query, protocol.gallery} <= splits)


def _check_labels(images: pd.DataFrame, column: str, wanted: Sequence[str]) -> None:
    """Refuse a column that is none of labels, and labels that no image has."""
    columns = [name for name in images.columns if name not in (*PLACE, *ATTRIBUTION)]
    if column not in columns:
        raise BadInput(f"params.yaml: subset: no labels {column!r} here; there are {', '.join(columns)}")
    known = set(images[column])
    for label in wanted:
        if label not in known:
            near = difflib.get_close_matches(label, sorted(known), n=3)
            hint = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
            raise BadInput(f"params.yaml: subset: no image has {column} {label!r}{hint}")


def _rank(images: pd.DataFrame, leaf_level: str) -> "pd.Series[int]":
    """Place of each image among those of its split and label, in the order of the hashes of their ids."""
    digests = [hashlib.sha256(image_id.encode()).hexdigest() for image_id in images["image_id"]]
    ordered = images.assign(digest=digests).sort_values("digest")
    return ordered.groupby(["split", leaf_level]).cumcount().reindex(images.index)


def _answerable(
    images: pd.DataFrame,
    protocol: EvaluationProtocol,
    leaf_level: str,
    excluded: dict[str, dict[str, int]],
) -> pd.DataFrame:
    """Exclude queries with nothing to find on the finest level that counts."""
    if not (images["split"] == protocol.gallery).any():
        return images
    alone = is_unanswerable(images, protocol, leaf_level)
    return exclude(images, alone, "nothing to find in the subset", excluded)


def is_unanswerable(images: pd.DataFrame, protocol: EvaluationProtocol, leaf_level: str) -> "pd.Series[bool]":
    """Queries with nothing to find on the finest level that counts; none where lists say what is right."""
    if protocol.kind == "graded":
        return pd.Series(False, images.index)
    level = protocol.levels[0] if protocol.levels else leaf_level
    gallery = images.loc[images["split"] == protocol.gallery, level]
    n_answers = images[level].map(gallery.value_counts()).fillna(0)
    needed = 2 if protocol.query == protocol.gallery else 1
    return (images["split"] == protocol.query) & (n_answers < needed)
