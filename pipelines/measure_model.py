"""A trained model and its baselines over all images of a published dataset, as pages show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.portable import run_portable
from cairnhub.core.text import did_you_mean, quoted
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.open_split import PublishedSplits
from cairnhub.pipelines.image_vectors import ImageEmbedder, View
from cairnhub.pipelines.protocol_points import ProtocolPoints, views
from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.evaluation import ProtocolMetrics
from cairnhub.training.given_labels import LabelCodes
from cairnhub.training.metrics.keys import H_AP
from cairnhub.training.model_results import ModelResults, SystemResults, best_items, node_results
from cairnhub.training.models import read_description
from cairnhub.training.node_metrics import confusion_table
from cairnhub.training.projection import project
from cairnhub.training.protocol_evaluation import evaluate_protocol
from cairnhub.training.protocol_kinds.labels import own_images
from cairnhub.training.protocol_kinds.points import Points

N_FOUND, MOST_IMAGES, MOST_SEARCHED = 24, 1_000_000, 50_000


@dataclass(frozen=True)
class ModelOnDataset:
    """What is measured.

    Attributes:
        folder: of the model.
        name: of the model, as it was asked for.
        dataset: a name in the hub, a folder or a URI.
        scale: of the dataset, for names.
        protocol: its name; empty for the first that goes by labels.
    """

    folder: Path
    name: str
    dataset: str
    scale: str | None
    protocol: str = ""


def measure_model(asked: ModelOnDataset) -> ModelResults:
    """Measure a model on a protocol that goes by the labels of single images; the same bits as the stage `evaluate`.

    Raises:
        CairnError: no such dataset or protocol; or one that does not go by the labels of single images.
    """
    if read_description(asked.folder).portable:
        return run_portable(_measure, asked)
    return _measure(asked)


def chosen_protocol(
    protocols: Mapping[str, EvaluationProtocol], dataset: str, name: str
) -> EvaluationProtocol:
    """The protocol of that name; by default the first that goes by labels.

    Raises:
        NotFound: there is none.
        BadInput: it does not go by the labels of single images.
    """
    usual = next((each for each, protocol in protocols.items() if protocol.kind == "labels"), "")
    if (name or usual) not in protocols:
        known = quoted(protocols) or "none"
        raise NotFound(f"{dataset} has no protocol {name!r}{did_you_mean(name, protocols)}; it has {known}")
    chosen = protocols[name or usual]
    if chosen.kind != "labels":
        raise BadInput(
            f"{dataset}: protocol {chosen.name!r} ranks no single images by labels ({chosen.remark}), so it has no "
            "page: see results/evaluate"
        )
    return chosen


def _measure(asked: ModelOnDataset) -> ModelResults:
    published = describe(asked.dataset, scale=asked.scale)
    splits, card = PublishedSplits(published), published.card
    protocol = chosen_protocol({each.name: each for each in card.protocols}, card.name, asked.protocol)
    embedder, levels = ImageEmbedder(asked.folder, splits), splits.tree.levels
    points = ProtocolPoints(embedder, [protocol])
    used = list(dict.fromkeys((protocol.query, protocol.gallery)))
    sizes = {name: split.n_images for name, split in published.stats.splits.items()}
    others = [name for name in sizes if name not in used] if sum(sizes.values()) <= MOST_IMAGES else []
    measured: dict[str, ProtocolMetrics] = {}
    systems: dict[str, SystemResults] = {}
    for system in points.systems:
        embedded = points.of(system)
        sides = [embedded[view] for view in dict.fromkeys(views(protocol))]
        measured[system] = evaluate_protocol(protocol, sides[0], sides[1] if len(sides) > 1 else None, levels)
        rest = [embedder.embedded(View(split)) for split in others] if system == "trained" else []
        if system == "trained":
            labels = np.concatenate([each.labels for each in (*sides, *rest)])
            places = project(np.concatenate([each.embeddings.numpy() for each in (*sides, *rest)]))
        searched = rest if len(labels) <= MOST_SEARCHED else []
        systems[system] = _results(protocol, measured[system], sides, searched, len(labels))
    n_queries = sizes[protocol.query]
    first = systems["trained"].items[:n_queries, 0]
    found = np.where(first[:, None] < 0, -1, labels[first])
    coded = LabelCodes(levels, (labels,), splits.tree.names)
    trained, queries = measured["trained"], labels[:n_queries]
    names = [*used, *others]
    return ModelResults(
        dataset=card.name,
        model=asked.name,
        protocol=protocol.name,
        levels=trained.levels,
        image_ids=tuple(
            image_id
            for name in names
            for image_id in splits.columns(name, ["image_id"])["image_id"].to_pylist()
        ),
        splits=tuple(names),
        split=np.repeat(np.arange(len(names)), [sizes[name] for name in names]),
        rows=np.concatenate([np.arange(sizes[name]) for name in names]),
        labels=labels,
        is_query=np.arange(len(labels)) < n_queries,
        systems=systems,
        places=places,
        nodes=node_results(
            f"{asked.name}, {protocol.name}",
            trained,
            queries,
            splits.tree.names,
            levels,
            confusion_table(trained, queries, found, coded),
        ),
    )


def _results(
    protocol: EvaluationProtocol,
    measured: ProtocolMetrics,
    sides: Sequence[Points],
    rest: Sequence[EmbeddedSplit],
    n_images: int,
) -> SystemResults:
    """What a system finds for queries, gallery and `rest`, in this order; nothing for images after these."""
    query, gallery = sides[0], sides[-1]
    first_of_gallery = len(query.labels) if len(sides) > 1 else 0
    kept = gallery.rows_with(protocol.only, protocol.name)
    place = np.full(len(gallery.labels), -1)
    place[kept] = np.arange(len(kept))
    own = [place]
    if len(sides) > 1:
        columns = list(range(query.labels.shape[1]))
        mine = own_images(query, gallery.at(kept), columns) if protocol.drop_query else None
        own = [np.full(len(query.labels), -1) if mine is None else mine, place]
    own += [np.full(len(each.labels), -1) for each in rest]
    images = torch.cat([each.embeddings for each in (*sides, *rest)])
    items, scores = best_items(images, gallery.embeddings[kept], N_FOUND, np.concatenate(own))
    found = np.full((n_images, items.shape[1]), -1)
    found[: len(items)] = np.where(items < 0, -1, first_of_gallery + kept[items])
    cosines = np.zeros(found.shape, np.float32)
    cosines[: len(items)] = np.where(items < 0, 0, scores)
    per_image = np.full(n_images, np.nan)
    per_image[: len(query.labels)] = measured.per_query[H_AP]
    return SystemResults(measured.values[H_AP], per_image, found, cosines)
