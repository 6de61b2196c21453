"""What `cairn retrieve` and `cairn search` do."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file

from datasets_hub import describe, load_dataset, load_tree
from hierarchies import CairnError
from hierarchies.files import atomic_write
from pipelines.paths import Paths, project_root
from training.data import ImageDataset
from training.evaluate import Embedded, embed_split, evaluate, model_encoder
from training.inference import encode
from training.models import DESCRIPTION, WEIGHTS, load_model
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


class Embedder:
    """A model over the splits of a published dataset; inside a checkout embeddings are kept in `data/embeddings`.

    Attributes:
        network: the model, in evaluation mode.
        published: card and numbers of the dataset.
        tree: its label tree.

    Raises:
        CairnError: no such model or dataset.
    """

    def __init__(self, model: str, dataset: str, scale: str) -> None:
        folder = model_folder(model, scale)
        self.network, _ = load_model(folder)
        self.dataset, self.scale = dataset, scale
        self.published, self.tree = describe(dataset, scale), load_tree(dataset, scale)
        contents = [(folder / name).read_bytes() for name in (WEIGHTS, DESCRIPTION)]
        contents.append(self.published.stats.fingerprint.encode())
        self.key = hashlib.sha256(b"".join(contents)).hexdigest()[:20]

    def split(self, name: str) -> Side:
        """Images of a split with their embeddings."""
        loaded = load_dataset(self.dataset, split=name, scale=self.scale)
        images = ImageDataset(loaded, self.tree, self.network.network.decoded_side_px)
        kept = self._kept(name)
        if kept and kept.is_file():
            return Side(images, Embedded(load_file(kept)["embeddings"], images.labels))
        embedded = embed_split(images, model_encoder(self.network), BATCH_SIZE, n_workers=0)
        if kept:
            with atomic_write(kept) as temporary:
                save_file({"embeddings": embedded.embeddings}, temporary)
        return Side(images, embedded)

    def _kept(self, split: str) -> Path | None:
        try:
            return project_root() / "data/embeddings" / f"{self.key}-{split}.safetensors"
        except CairnError:  # not in a checkout
            return None


def retrieval_page(model: str, dataset: str, scale: str, protocol: str, n_queries: int, k: int) -> str:
    """The page of one protocol, by default the first.

    Raises:
        CairnError: no such model, dataset or protocol.
    """
    embedder = Embedder(model, dataset, scale)
    protocols = {found.name: found for found in embedder.published.card.protocols}
    if not protocols or (protocol and protocol not in protocols):
        known = ", ".join(protocols) or "none"
        raise CairnError(f"{dataset} has no protocol {protocol!r}; it has {known}")
    chosen = protocols[protocol or next(iter(protocols))]
    query = embedder.split(chosen.query)
    gallery = None if chosen.gallery == chosen.query else embedder.split(chosen.gallery)
    searched = gallery.embedded if gallery else None
    measured = evaluate(query.embedded, searched, embedder.tree.levels, chosen.levels)
    title = f"{dataset}, {chosen.name}: retrieved by {model}"
    return render_page(title, embedder.tree, measured, query, gallery, n_queries, k)


def search(model: str, picture: Path, dataset: str, scale: str, k: int) -> list[Neighbour]:
    """The images of all splits of a dataset that are nearest to a picture.

    Raises:
        CairnError: no such model or dataset, or the file holds no image.
    """
    embedder = Embedder(model, dataset, scale)
    wanted = encode([picture], embedder.network)
    neighbours = []
    for name in embedder.published.stats.splits:
        side = embedder.split(name)
        ids = load_dataset(dataset, split=name, scale=scale).select_columns(["image_id"])
        scores, items = nearest(wanted, side.embedded.embeddings, k)
        for score, item in zip(scores[0].tolist(), items[0].tolist(), strict=True):
            labels = enumerate(side.embedded.labels[item])
            path = tuple(embedder.tree.names[rank][index] for rank, index in labels if index >= 0)
            neighbours.append(Neighbour(score, str(ids[item]["image_id"]), path))
    return sorted(neighbours, key=lambda found: -found.score)[:k]
