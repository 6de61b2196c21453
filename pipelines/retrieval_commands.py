"""What `cairn retrieve` and `cairn search` do."""

from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.errors import NotFound
from cairnhub.datasets_hub.mmap_images import read_columns
from cairnhub.pipelines.image_vectors import Embedder, find_model
from cairnhub.training.evaluation import evaluate
from cairnhub.training.inference import encode
from cairnhub.training.retrieval_page import Side, nearest, render_page


@dataclass(frozen=True)
class Neighbour:
    """An image near a picture: its score, id and labels, fine to coarse."""

    score: float
    image_id: str
    path: tuple[str, ...]


def _side(embedder: Embedder, split: str) -> Side:
    return Side(embedder.images(split), embedder.embedded(split))


def retrieval_page(model: str, dataset: str, scale: str | None, protocol: str, n_queries: int, k: int) -> str:
    """The page of one protocol, by default the first.

    Raises:
        CairnError: no such model, dataset or protocol.
    """
    folder, scale = find_model(model, scale)
    embedder = Embedder(folder, dataset, scale)
    protocols = {each.name: each for each in embedder.published.card.protocols}
    if not protocols or (protocol and protocol not in protocols):
        known = ", ".join(protocols) or "none"
        raise NotFound(f"{dataset} has no protocol {protocol!r}; it has {known}")
    chosen = protocols[protocol or next(iter(protocols))]
    query = _side(embedder, chosen.query)
    gallery = None if chosen.gallery == chosen.query else _side(embedder, chosen.gallery)
    searched = gallery.embedded if gallery else None
    measured = evaluate(query.embedded, searched, embedder.tree.levels, chosen.levels)
    title = f"{dataset}, {chosen.name}: retrieved by {model}"
    return render_page(title, embedder.tree, measured, query, gallery, n_queries, k)


def search(model: str, picture: Path, dataset: str, scale: str | None, k: int) -> list[Neighbour]:
    """The images of all splits of a dataset that are nearest to a picture.

    Raises:
        CairnError: no such model, dataset or picture, or the file holds no image.
    """
    if not picture.is_file():
        raise NotFound(f"{picture}: there is no such picture")
    folder, scale = find_model(model, scale)
    embedder = Embedder(folder, dataset, scale)
    wanted = encode([picture], embedder.network)
    neighbours = []
    for name in embedder.published.stats.splits:
        embedded = embedder.embedded(name)
        ids = read_columns(dataset, name, ["image_id"], scale=scale)["image_id"]
        scores, items = nearest(wanted, embedded.embeddings, k)
        for score, item in zip(scores[0].tolist(), items[0].tolist(), strict=True):
            labels = enumerate(embedded.labels[item])
            path = tuple(embedder.tree.names[rank][index] for rank, index in labels if index >= 0)
            neighbours.append(Neighbour(score, ids[item].as_py(), path))
    return sorted(neighbours, key=lambda neighbour: -neighbour.score)[:k]
