"""What `cairn retrieve` and `cairn search` do."""

from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.text import did_you_mean
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import SCALES
from cairnhub.datasets_hub.open_split import PublishedSplits
from cairnhub.pipelines.image_vectors import ImageEmbedder, View
from cairnhub.pipelines.paths import Paths, project_root
from cairnhub.pipelines.protocol_points import views
from cairnhub.training.inference import encode
from cairnhub.training.nearest import Side, nearest
from cairnhub.training.protocol_evaluation import evaluate_protocol
from cairnhub.training.published_points import points_of
from cairnhub.training.retrieval_page import render_page


@dataclass(frozen=True)
class Neighbour:
    """An image near a picture: its score, id and labels, fine to coarse."""

    score: float
    image_id: str
    path: tuple[str, ...]


def find_model(model: str, scale: str | None) -> tuple[Path, str | None]:
    """Its folder and scale; a dataset's name stands for the model that the train stage made for it.

    Args:
        model: a folder, or a dataset's name.
        scale: `sample` or `full`; by default the full model where there is one, else the sample's.

    Raises:
        NotFound: there is none; names the models that there are.
    """
    if Path(model).is_dir():
        return Path(model), scale
    root = project_root()
    for each in (scale,) if scale else SCALES:
        folder = Paths(root, each, model).model
        if folder.is_dir():
            return folder, each
    folders = sorted(path for path in (root / "models").glob("[!.]*/[!.]*") if path.is_dir())
    near = did_you_mean(model, {folder.name for folder in folders})
    known = ", ".join(f"{folder.name} ({folder.parent.name})" for folder in folders)
    of_scale = f" of scale {scale!r}" if scale else ""
    raise NotFound(
        f"no model {model!r}{of_scale}{near}; there are: {known or 'none'}. "
        "What train_on in params.yaml lists is trained by `dvc repro`"
    )


def retrieval_page(model: str, dataset: str, scale: str | None, protocol: str, n_queries: int, k: int) -> str:
    """The page of one protocol, by default the first.

    Raises:
        CairnError: no such model, dataset or protocol; or one that does not go by the labels of single images.
    """
    folder, scale = find_model(model, scale)
    published = describe(dataset, scale=scale)
    embedder, tree = ImageEmbedder(folder, PublishedSplits(published)), published.tree()
    protocols = {each.name: each for each in published.card.protocols}
    if not protocols or (protocol and protocol not in protocols):
        known = ", ".join(protocols) or "none"
        raise NotFound(f"{dataset} has no protocol {protocol!r}; it has {known}")
    chosen = protocols[protocol or next(iter(protocols))]
    if chosen.kind != "labels":
        raise BadInput(
            f"{dataset}: protocol {chosen.name!r} ranks no single images by labels ({chosen.remark}), so it has no "
            "page: see results/evaluate"
        )
    asked, searched = (
        points_of(embedder.embedded(view), embedder.splits, view.split, chosen.text_columns)
        for view in views(chosen)
    )
    images, gallery_images = (embedder.images(view) for view in views(chosen))
    is_own_gallery = chosen.gallery == chosen.query
    measured = evaluate_protocol(chosen, asked, None if is_own_gallery else searched, tree.levels)
    query, gallery = Side(images, asked), None if is_own_gallery else Side(gallery_images, searched)
    title = f"{dataset}, {chosen.name}: retrieved by {model}"
    return render_page(title, tree, measured, query, gallery, n_queries, k)


def search(model: str, picture: Path, dataset: str, scale: str | None, k: int) -> list[Neighbour]:
    """The images of all splits of a dataset that are nearest to a picture.

    Raises:
        CairnError: no such model, dataset or picture, or the file holds no image.
    """
    if not picture.is_file():
        raise NotFound(f"{picture}: there is no such picture")
    folder, scale = find_model(model, scale)
    splits = PublishedSplits(describe(dataset, scale=scale))
    embedder, tree = ImageEmbedder(folder, splits), splits.tree
    wanted = encode([picture], embedder.network)
    neighbours = []
    for name in splits.published.stats.splits:
        embedded = embedder.embedded(View(name))
        ids = splits.columns(name, ["image_id"])["image_id"]
        scores, items = nearest(wanted, embedded.embeddings, k)
        for score, item in zip(scores[0].tolist(), items[0].tolist(), strict=True):
            labels = enumerate(embedded.labels[item])
            path = tuple(tree.names[rank][index] for rank, index in labels if index >= 0)
            neighbours.append(Neighbour(score, ids[item].as_py(), path))
    return sorted(neighbours, key=lambda neighbour: -neighbour.score)[:k]
