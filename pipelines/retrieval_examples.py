"""A few queries with what a trained model finds for them, kept small for the project's report."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from cairnhub.core.files import write_text_atomic
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.training.data import ImageDataset
from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.evaluation import ProtocolMetrics
from cairnhub.training.nearest import Side, shown_queries

N_QUERIES, N_SHOWN, IMAGE_SIDE_PX = 1, 5, 88  # queries of each kind, results of each, side of a picture


def write_examples(
    path: Path,
    protocols: Sequence[EvaluationProtocol],
    tree: LabelTree,
    measured: Mapping[str, ProtocolMetrics],
    points: Mapping[str, EmbeddedSplit],
    images: Callable[[str], ImageDataset],
    *,
    may_show: bool,
) -> None:
    """Write a few queries of each protocol as JSON.

    Args:
        path: the file to write.
        protocols: whose queries are shown.
        tree: its label tree.
        measured: the trained model's metrics, by protocol.
        points: its embeddings, by split.
        images: gives the images of a split.
        may_show: whether the licence lets pictures be shown; the labels always are.
    """
    shown = []
    for protocol in protocols:
        query, gallery = (Side(images(name), points[name]) for name in (protocol.query, protocol.gallery))
        searched = None if protocol.gallery == protocol.query else gallery
        side_px = IMAGE_SIDE_PX if may_show else 0
        shown = shown_queries(tree, measured[protocol.name], query, searched, N_QUERIES, N_SHOWN, side_px)
    text = json.dumps([asdict(query_shown) for query_shown in shown], indent=1, ensure_ascii=False)
    write_text_atomic(path, text + "\n")
