"""Images that share a label are right; a gallery may hold the queries' own images."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.training.evaluation import IntArray, ProtocolMetrics, evaluate, precision_recall_curves
from cairnhub.training.metrics.keys import ByMetric
from cairnhub.training.protocol_kinds.points import Points


@dataclass(frozen=True)
class Sides:
    """What of two splits takes part.

    Attributes:
        query: queries.
        gallery: what they search; None: the other queries.
        rows: which of the split's images the queries are.
        self_index: index in the gallery of each query's own image, -1 where it is not there; None if none is dropped.
    """

    query: Points
    gallery: Points | None
    rows: IntArray
    self_index: IntArray | None


def sides(
    protocol: EvaluationProtocol, query: Points, gallery: Points | None, tree_levels: tuple[str, ...]
) -> Sides:
    """Queries and gallery as the protocol chooses them.

    Raises:
        BadInput: it leaves no query or nothing to search, or asks for a column that there is not.
    """
    rows = query.rows_with(protocol.only, protocol.name)
    asked = query.at(rows) if protocol.only else query
    searched = gallery
    if gallery is not None and protocol.only:
        searched = gallery.at(gallery.rows_with(protocol.only, protocol.name))
    for side, points in (("query", asked), ("gallery", searched)):
        if points is not None and not len(points.labels):
            raise BadInput(f"protocol {protocol.name!r}: no image of its {side} has {protocol.only}")
    if searched is None or not protocol.drop_query:
        return Sides(asked, searched, rows, None)
    levels = [tree_levels.index(level) for level in protocol.levels or tree_levels]
    return Sides(asked, searched, rows, own_images(asked, searched, levels))


def own_images(query: Points, gallery: Points, columns: list[int]) -> IntArray:
    """Index in the gallery of each query's own image, (Q,): the one with its id, or else with its bytes and labels.

    Args:
        query: the queries.
        gallery: what they search.
        columns: of the labels that must be the same.

    Returns:
        -1 where there is none; the first where there are several.
    """
    by_id = {image_id: row for row, image_id in reversed(list(enumerate(gallery.image_ids)))}
    found = np.array([by_id.get(image_id, -1) for image_id in query.image_ids], dtype=np.int64)
    if not len(found):
        found = np.full(len(query.labels), -1)
    missing = np.flatnonzero(found < 0)
    if query.content is None or gallery.content is None or not len(missing):
        return found
    by_content: dict[tuple[bytes, ...], int] = {}
    for row in range(len(gallery.labels)):
        by_content.setdefault(_likeness(gallery, row, columns), row)
    found[missing] = [by_content.get(_likeness(query, int(row), columns), -1) for row in missing]
    return found


def _likeness(points: Points, row: int, columns: list[int]) -> tuple[bytes, ...]:
    assert points.content is not None
    return hashlib.sha256(points.content(row)).digest(), points.labels[row, columns].tobytes()


def measure_labels(
    protocol: EvaluationProtocol, query: Points, gallery: Points | None, tree_levels: tuple[str, ...]
) -> ProtocolMetrics:
    """Exact metrics; per query, NaN for images of the split that are no queries."""
    chosen = sides(protocol, query, gallery, tree_levels)
    measured = evaluate(
        chosen.query,
        chosen.gallery,
        tree_levels,
        protocol.levels,
        ks=protocol.ks,
        self_index=chosen.self_index,
    )
    per_query = {
        key: spread(values, chosen.rows, len(query.labels)) for key, values in measured.per_query.items()
    }
    return replace(measured, per_query=ByMetric(per_query), notes=_notes(protocol, chosen))


def label_curves(
    protocol: EvaluationProtocol, query: Points, gallery: Points | None, tree_levels: tuple[str, ...]
) -> dict[str, npt.NDArray[np.float64]]:
    """Precision over recall, by level."""
    chosen = sides(protocol, query, gallery, tree_levels)
    return precision_recall_curves(
        chosen.query, chosen.gallery, tree_levels, protocol.levels, chosen.self_index
    )


def spread(values: npt.NDArray[np.float64], rows: IntArray, n_images: int) -> npt.NDArray[np.float64]:
    """Values of some rows as those of all images, (N,); NaN for the others."""
    whole = np.full(n_images, np.nan)
    whole[rows] = values
    return whole


def _notes(protocol: EvaluationProtocol, chosen: Sides) -> tuple[str, ...]:
    if chosen.self_index is None:
        return ()
    n_own, n_queries = int((chosen.self_index >= 0).sum()), len(chosen.self_index)
    return (
        f"{protocol.name}: of {n_queries:,} queries, {n_own:,} lie in the gallery themselves and are taken out of "
        "their own lists",
    )
