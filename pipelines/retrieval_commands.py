"""Models by name, and what `cairn search` does."""

from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.errors import NotFound
from cairnhub.core.text import did_you_mean
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import SCALES
from cairnhub.datasets_hub.open_split import PublishedSplits
from cairnhub.pipelines.image_vectors import ImageEmbedder, View
from cairnhub.pipelines.paths import Paths, project_root
from cairnhub.training.inference import encode
from cairnhub.training.nearest import nearest


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


def search(model: str, picture: Path, dataset: str, scale: str | None, k: int) -> list[Neighbour]:
    """The images of all splits of a dataset that are nearest to a picture.

    Raises:
        CairnError: no such model, dataset or picture, or the file holds no image.
    """
    if not picture.is_file():
        raise NotFound(f"{picture}: there is no such picture; give the path of one")
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
