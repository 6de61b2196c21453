"""What `cairn retrieve` and `cairn search` do."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets_hub import describe, load_dataset, load_tree
from hierarchies import CairnError
from pipelines.paths import Paths, project_root
from training.data import ImageDataset
from training.evaluate import Embedded, embed_split, evaluate, model_encoder
from training.inference import encode
from training.models import RetrievalModel, load_model
from training.retrieval_page import Side, nearest, render_page

BATCH_SIZE = 128


@dataclass(frozen=True)
class Neighbour:
    """An image near a picture: its score, id and labels, fine to coarse."""

    score: float
    image_id: str
    path: tuple[str, ...]


def model_folder(model: str, scale: str) -> Path:
    """A folder as it is; a dataset's name stands for the model that the train stage made for it."""
    return Path(model) if Path(model).is_dir() else Paths(project_root(), scale, model).model


def retrieval_page(model: str, dataset: str, scale: str, protocol: str, n_queries: int, k: int) -> str:
    """The page of one protocol, by default the first.

    Raises:
        CairnError: no such model, dataset or protocol.
    """
    network, _ = load_model(model_folder(model, scale))
    tree = load_tree(dataset, scale)
    protocols = {found.name: found for found in describe(dataset, scale).card.protocols}
    if protocol and protocol not in protocols:
        raise CairnError(f"{dataset} has no protocol {protocol!r}; it has {', '.join(protocols)}")
    chosen = protocols[protocol or next(iter(protocols))]
    query = _side(network, dataset, scale, chosen.query)
    gallery = None if chosen.gallery == chosen.query else _side(network, dataset, scale, chosen.gallery)
    searched = gallery.embedded if gallery else None
    measured = evaluate(query.embedded, searched, tree.levels, chosen.levels)
    title = f"{dataset}, {chosen.name}: retrieved by {model}"
    return render_page(title, tree, measured, query, gallery, n_queries, k)


def search(model: str, picture: Path, dataset: str, scale: str, k: int) -> list[Neighbour]:
    """The images of all splits of a dataset that are nearest to a picture.

    Raises:
        CairnError: no such model or dataset, or the file holds no image.
    """
    network, _ = load_model(model_folder(model, scale))
    wanted = encode([picture], network)
    tree = load_tree(dataset, scale)
    neighbours = []
    for split in describe(dataset, scale).stats.splits:
        images = load_dataset(dataset, split=split, scale=scale)
        embedded = _embed(network, ImageDataset(images, tree, network.network.decoded_side_px))
        scores, items = nearest(wanted, embedded.embeddings, k)
        for score, item in zip(scores[0].tolist(), items[0].tolist(), strict=True):
            labels = embedded.labels[item]
            path = tuple(tree.names[rank][index] for rank, index in enumerate(labels) if index >= 0)
            neighbours.append(Neighbour(score, str(images[item]["image_id"]), path))
    order = np.argsort([-found.score for found in neighbours], kind="stable")
    return [neighbours[i] for i in order[:k]]


def _side(network: RetrievalModel, dataset: str, scale: str, split: str) -> Side:
    tree = load_tree(dataset, scale)
    side_px = network.network.decoded_side_px
    images = ImageDataset(load_dataset(dataset, split=split, scale=scale), tree, side_px)
    return Side(images, _embed(network, images))


def _embed(network: RetrievalModel, images: ImageDataset) -> Embedded:
    return embed_split(images, model_encoder(network), BATCH_SIZE, n_workers=0)
