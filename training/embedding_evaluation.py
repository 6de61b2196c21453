"""Score anybody's embeddings: metrics with intervals, by node, and what is taken for what."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.text import did_you_mean, quoted
from cairnhub.core.version import __version__
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.datasets_hub.open_split import PublishedSplits
from cairnhub.datasets_hub.schema import class_indices
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.evaluation import IntArray, ProtocolMetrics
from cairnhub.training.evaluation_text import evaluation_text
from cairnhub.training.given_labels import LabelCodes, code_labels
from cairnhub.training.losses.inputs import Array, checked_embeddings
from cairnhub.training.metrics.keys import ByMetric, Interval, MetricKey, to_json
from cairnhub.training.node_metrics import (
    CONFUSION_COLUMNS,
    NODE_COLUMNS,
    confusion_table,
    first_items,
    node_table,
)
from cairnhub.training.protocol_evaluation import evaluate_protocol
from cairnhub.training.protocol_kinds.labels import sides
from cairnhub.training.protocol_kinds.points import Points
from cairnhub.training.published_points import points_of

_UNIT = 1e-4  # lengths that float32 rounding explains


@dataclass(frozen=True, repr=False)
class EmbeddingEvaluation:
    """What embeddings are worth; printed, one screen.

    Attributes:
        protocol: what was measured.
        metrics: every metric, with intervals and per query.
        nodes: AP and R@1 (0..1) of the queries of each node: `level`, `node`, `n_queries`, `ap`, `r_at_1`. None are
            given by protocols that rank no single images.
        confusions: which sibling is found in a node's place: `level`, `node`, `found`, `n_queries`, `share`; of
            protocols of kind `labels`.
        n_queries: images that search.
        n_gallery: images that are searched.
        n_dimensions: of the vectors.
    """

    protocol: EvaluationProtocol
    metrics: ProtocolMetrics
    nodes: pd.DataFrame
    confusions: pd.DataFrame
    n_queries: int
    n_gallery: int
    n_dimensions: int

    @property
    def values(self) -> ByMetric[float]:
        """Every metric, 0..1, by its key or in words: `values["h_ap"]`, `values["r_at_1_species"]`."""
        return self.metrics.values

    @property
    def intervals(self) -> ByMetric[Interval]:
        """95 % intervals over queries, of both H-APs and of each level's AP and R@1."""
        return self.metrics.intervals

    @property
    def table(self) -> pd.DataFrame:
        """AP and R@1 of each level with their intervals, H-AP above them: `level`, `metric`, `value`, `low`, `high`."""
        rows = [
            (key.level or "all", str(MetricKey(key.name, k=key.k)), self.values[key], ends.low, ends.high)
            for key, ends in self.intervals.items()
        ]
        return pd.DataFrame(rows, columns=["level", "metric", "value", "low", "high"])

    def to_json(self) -> str:
        """All of it but what is per query; metrics as in `metrics.json`, without those that are not defined."""
        return json.dumps(
            {
                "cairnhub": __version__,
                "protocol": self.protocol.model_dump(mode="json"),
                "n_queries": self.n_queries,
                "n_gallery": self.n_gallery,
                "n_dimensions": self.n_dimensions,
                "metrics": to_json(self.values, _defined(self.intervals)),
                "nodes": _records(self.nodes),
                "confusions": _records(self.confusions),
                "notes": list(self.metrics.notes),
            },
            indent=1,
            ensure_ascii=False,
        )

    def __repr__(self) -> str:
        sizes = (
            f"{self.n_queries:,} queries search {self.n_gallery:,} images, {self.n_dimensions:,} dimensions"
        )
        return evaluation_text(sizes, self.metrics, self.nodes, self.confusions)


def evaluate_embeddings(
    embeddings: Array,
    labels: Array | str | Path | PublishedDataset,
    protocol: str | EvaluationProtocol | None = None,
    *,
    gallery: Array | None = None,
    gallery_labels: Array | None = None,
    levels: Sequence[str] | None = None,
    tree: LabelTree | None = None,
    split: str | None = None,
    scale: str | None = None,
    hub: str | Path | None = None,
) -> EmbeddingEvaluation:
    """Score embeddings of labelled images: exact rankings by cosine, H-AP (HAPPIER, Ramzi et al., 2022), AP, R@k, ...

    Args:
        embeddings: (N, d), of any length but 0: a tensor, an array, nested lists or a data frame.
        labels: (N,) or (N, L), fine -> coarse: names, or class indices. An image that lacks one (-1, an empty cell) is
            in the way of others and is no query. Or a published dataset (name, folder, URI): then rows of
            `embeddings` are the images of its query split, in its order.
        protocol: of a dataset: the name of one of its card's, the first by default; or a protocol of your own. By
            default each image searches the others, or `gallery` where it is given.
        gallery: what is searched, (M, d).
        gallery_labels: (M,) or (M, L).
        levels: names of the label columns; by default those of `tree` or of a data frame, or `level0`, ...
        tree: makes one column of leaves do, and gives indices their names.
        split: of a dataset without a protocol: its images search one another.
        scale: `sample` or `full`, for names of datasets.
        hub: where names are looked up.

    Returns:
        Metrics, intervals, metrics of each node, and confusion between siblings.

    Raises:
        BadInput: a shape, a type, a number of rows, or a NaN; names the argument and the row.
        NotFound: no such dataset, protocol, split, or label; says what there is.

    Example:
        >>> from cairnhub import evaluate_embeddings
        >>> embeddings = [[1.0, 0.0], [0.8, 0.6], [0.9, 0.4], [0.0, 1.0]]
        >>> names = [["magpie", "crow"], ["magpie", "crow"], ["jay", "crow"], ["wren", "wren"]]
        >>> result = evaluate_embeddings(embeddings, names, levels=["species", "family"])
        >>> round(result.values["h_ap"], 4), round(result.values["ap_species"], 4)
        (0.8889, 0.5)
        >>> print(result.confusions.to_string(index=False))
          level   node found  n_queries  share
        species magpie   jay          2    1.0
    """
    vectors = _unit(embeddings, "embeddings")
    searched = None if gallery is None else _unit(gallery, "gallery")
    if searched is not None and searched.shape[1] != vectors.shape[1]:
        raise BadInput(f"gallery has {searched.shape[1]} columns, embeddings {vectors.shape[1]}")
    if isinstance(labels, str | Path | PublishedDataset):
        if gallery_labels is not None or levels is not None or tree is not None:
            raise BadInput("a dataset brings its labels, levels and tree: leave these arguments out")
        published = labels if isinstance(labels, PublishedDataset) else describe(labels, scale=scale, hub=hub)
        return _evaluate_published(published, vectors, searched, chosen_protocol(published, protocol, split))
    if isinstance(protocol, str) or split is not None:
        raise BadInput("a protocol or split has a name in a dataset: give one as `labels`")
    if (searched is None) != (gallery_labels is None):
        raise BadInput("gallery and gallery_labels go together: give both or neither")
    coded = code_labels([labels, *([] if gallery_labels is None else [gallery_labels])], levels, tree)
    both = [vectors, *([] if searched is None else [searched])]
    for name, part, codes in zip(("labels", "gallery_labels"), both, coded.parts, strict=False):
        if len(part) != len(codes):
            raise BadInput(f"{name} has {len(codes):,} rows, but there are {len(part):,} vectors")
    points = [Points(part, codes) for part, codes in zip(both, coded.parts, strict=True)]
    usual = EvaluationProtocol(
        name="retrieval", query="query", gallery="query" if searched is None else "gallery"
    )
    return _evaluate(protocol or usual, points[0], points[1] if len(points) > 1 else None, coded)


def chosen_protocol(
    published: PublishedDataset, protocol: str | EvaluationProtocol | None, split: str | None
) -> EvaluationProtocol:
    """The protocol that is asked for, of a dataset: by default its first, or that of a split searched in itself.

    Raises:
        NotFound: no such protocol or split; says what there is.
        BadInput: the protocol has its queries in another split.
    """
    chosen = _named_protocol(published, protocol, split)
    known = published.stats.splits
    for used in (chosen.query, chosen.gallery):
        if used not in known:
            raise NotFound(
                f"{published.card.name} has no split {used!r}{did_you_mean(used, known)}; there are {quoted(known)}"
            )
    return chosen


def _named_protocol(
    published: PublishedDataset, protocol: str | EvaluationProtocol | None, split: str | None
) -> EvaluationProtocol:
    if isinstance(protocol, EvaluationProtocol):
        return protocol
    if protocol is None and split is not None:
        return EvaluationProtocol(name="retrieval", query=split, gallery=split)
    known = {each.name: each for each in published.card.protocols}
    name = published.card.name
    if protocol is None and not known:
        raise NotFound(f"{name} has no protocol: name a split whose images search one another")
    if protocol is not None and protocol not in known:
        raise NotFound(
            f"{name} has no protocol {protocol!r}{did_you_mean(protocol, known)}; it has {quoted(known) or 'none'}"
        )
    chosen = known[protocol or next(iter(known))]
    if split is not None and split != chosen.query:
        raise BadInput(
            f"protocol {chosen.name!r} of {name} has queries in {chosen.query!r}, not in {split!r}"
        )
    return chosen


def _evaluate_published(
    published: PublishedDataset, query: Tensor, gallery: Tensor | None, protocol: EvaluationProtocol
) -> EmbeddingEvaluation:
    splits = PublishedSplits(published)
    has_gallery = protocol.gallery != protocol.query
    if has_gallery and gallery is None:
        raise BadInput(
            f"protocol {protocol.name!r} searches the split {protocol.gallery!r}: give it as `gallery`"
        )
    if gallery is not None and not has_gallery:
        raise BadInput(
            f"images of {protocol.query!r} search one another by {protocol.name!r}: leave `gallery` out"
        )
    given = {protocol.query: query} if gallery is None else {protocol.query: query, protocol.gallery: gallery}
    points = []
    for split, vectors in given.items():
        n_images = published.stats.splits[split].n_images
        if len(vectors) != n_images:
            raise BadInput(
                f"{published.card.name}: split {split!r} has {n_images:,} images, but there are "
                f"{len(vectors):,} vectors: one per image, in its order"
            )
        labels = class_indices(splits.columns(split, splits.tree.levels), splits.tree.levels)
        points.append(points_of(EmbeddedSplit(vectors, labels), splits, split, protocol.text_columns))
    coded = LabelCodes(splits.tree.levels, tuple(each.labels for each in points), splits.tree.names)
    return _evaluate(protocol, points[0], points[1] if has_gallery else None, coded)


def _evaluate(
    protocol: EvaluationProtocol, query: Points, gallery: Points | None, coded: LabelCodes
) -> EmbeddingEvaluation:
    if protocol.kind == "graded":
        raise BadInput(
            f"protocol {protocol.name!r} goes by the benchmark's own lists of images: `cairn stage evaluate` has them"
        )
    unknown = [level for level in protocol.levels if level not in coded.levels]
    if unknown:
        raise NotFound(
            f"protocol {protocol.name!r}: no level {quoted(unknown)}; there are {quoted(coded.levels)}"
        )
    if gallery is None and protocol.gallery != protocol.query:
        raise BadInput(
            f"protocol {protocol.name!r} searches {protocol.gallery!r}: give `gallery` and its labels"
        )
    columns = [coded.levels.index(level) for level in protocol.levels or coded.levels]
    apart = _apart([side.labels for side in (query, gallery) if side is not None], columns)
    asked = _with_labels(query, apart[0])
    searched = None if gallery is None else _with_labels(gallery, apart[1])
    metrics = evaluate_protocol(protocol, asked, searched, coded.levels)
    nodes = pd.DataFrame(columns=NODE_COLUMNS)
    confusions = pd.DataFrame(columns=CONFUSION_COLUMNS)
    if protocol.kind != "templates":
        nodes = node_table(metrics, query.labels, coded)
    if protocol.kind == "labels":
        found = _found(protocol, asked, searched, query, gallery or query, coded.levels)
        confusions = confusion_table(metrics, query.labels, found, coded)
    n_gallery = len((gallery or query).labels)
    return EmbeddingEvaluation(
        protocol, metrics, nodes, confusions, len(query.labels), n_gallery, query.embeddings.shape[1]
    )


def _found(
    protocol: EvaluationProtocol,
    asked: Points,
    searched: Points | None,
    query: Points,
    gallery: Points,
    levels: tuple[str, ...],
) -> IntArray:
    """Labels of the item at each query's first place, (Q, L); -1 for images that are no queries."""
    chosen = sides(protocol, asked, searched, levels)
    items = first_items(
        chosen.query.embeddings,
        None if chosen.gallery is None else chosen.gallery.embeddings,
        chosen.self_index,
    )
    kept = gallery.rows_with(protocol.only, protocol.name)
    found = np.full(query.labels.shape, -1)
    found[chosen.rows] = gallery.labels[kept[items]]
    return found


def _apart(parts: Sequence[IntArray], columns: Sequence[int]) -> list[IntArray]:
    """Labels in which an image that lacks one of `columns` has labels of its own, so that it matches nothing."""
    joined = np.concatenate(parts)
    lacks = (joined[:, columns] < 0).any(axis=1)
    if lacks.all():
        raise BadInput("labels: no image has a label on every level that is measured")
    joined[lacks] = joined.max() + 1 + np.arange(lacks.sum())[:, None]
    return np.split(joined, [len(parts[0])])[: len(parts)]


def _with_labels(points: Points, labels: IntArray) -> Points:
    return Points(points.embeddings, labels, points.image_ids, points.texts, points.content)


def _unit(embeddings: Array, name: str) -> Tensor:
    """Rows of unit length; those that are stay as they are, bit by bit.

    Raises:
        BadInput: no floating numbers (n, d), or a row with NaN, infinity or of length 0.
    """
    rows = checked_embeddings(embeddings, name).detach()
    lengths = torch.linalg.vector_norm(rows, dim=1)
    if not bool((lengths > 0).all()):
        row = int((lengths <= 0).nonzero()[0])
        raise BadInput(f"{name}, row {row}: all zeros, which has no direction; was this image embedded?")
    is_unit = bool(((lengths - 1).abs() < _UNIT).all())
    return rows if is_unit else functional.normalize(rows, dim=1)


def _defined(intervals: ByMetric[Interval]) -> ByMetric[Interval]:
    return ByMetric({key: ends for key, ends in intervals.items() if not math.isnan(ends.low)})


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.astype(object).to_numpy().tolist()]
