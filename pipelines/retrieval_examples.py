"""A few queries with what a trained model finds for them, kept small for the project's report."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from cairnhub.core.files import write_text_atomic
from cairnhub.datasets_hub.card import Card
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.training.data import ImageDataset
from cairnhub.training.evaluation import Embedded, Measured
from cairnhub.training.retrieval_page import Side, found_for

N_QUERIES, N_SHOWN, IMAGE_SIDE_PX = 1, 5, 88  # queries of each kind, results of each, side of a picture


def write_examples(
    path: Path,
    card: Card,
    tree: LabelTree,
    measured: Mapping[str, Measured],
    points: Mapping[str, Embedded],
    images: Callable[[str], ImageDataset],
) -> None:
    """Write queries of the card's first protocol as JSON; without pictures where the licence closes them.

    Args:
        path: the file to write.
        card: protocols and licence of the dataset.
        tree: its label tree.
        measured: the trained model's metrics, by protocol.
        points: its embeddings, by split.
        images: gives the images of a split.
    """
    found = []
    for protocol in card.protocols[:1]:
        query, gallery = (Side(images(name), points[name]) for name in (protocol.query, protocol.gallery))
        searched = None if protocol.gallery == protocol.query else gallery
        side_px = IMAGE_SIDE_PX if card.redistributable else 0
        found = found_for(tree, measured[protocol.name], query, searched, N_QUERIES, N_SHOWN, side_px)
    text = json.dumps([asdict(each) for each in found], indent=1, ensure_ascii=False)
    write_text_atomic(path, text + "\n")
