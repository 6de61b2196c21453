"""A trained model over the splits of a published dataset; what it has embedded is kept and used again."""

import hashlib
from functools import partial
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from cairnhub.core.errors import NotFound
from cairnhub.core.files import atomic_write
from cairnhub.core.portable import is_portable
from cairnhub.core.text import did_you_mean
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import SCALES
from cairnhub.datasets_hub.mmap_images import open_split
from cairnhub.pipelines.executors.local import HERE
from cairnhub.pipelines.paths import Paths, project_root
from cairnhub.training.data import ImageDataset
from cairnhub.training.embedding import RunAll, embed_blocks, trained_encoder
from cairnhub.training.evaluation import Embedded
from cairnhub.training.models import load_model, model_files

BATCH_SIZE = 256
HERE_WITH_BAR: RunAll = partial(HERE.map, title="embed")


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
    known = sorted(
        f"{path.parent.name}/{path.name}" for path in (root / "models").glob("[!.]*/[!.]*") if path.is_dir()
    )
    near = did_you_mean(f"{scale or 'sample'}/{model}", known)
    of_scale = f" of scale {scale!r}" if scale else ""
    raise NotFound(
        f"no model {model!r}{of_scale}{near}; there are: {', '.join(known) or 'none'}. "
        "What train_on in params.yaml lists is trained by `dvc repro`"
    )


class Embedder:
    """Inside a checkout embeddings are kept in `data/image_vectors`, by the content of model and dataset.

    Attributes:
        network: the model, in evaluation mode.
        description: what its folder says.
        published: card and numbers of the dataset.
        tree: its label tree.

    Raises:
        CairnError: no such model or dataset.
    """

    def __init__(
        self,
        folder: Path,
        dataset: str | Path,
        scale: str | None,
        batch_size: int = BATCH_SIZE,
        run_all: RunAll = HERE_WITH_BAR,
    ) -> None:
        self.folder, self.run_all = folder, run_all
        self.network, self.description = load_model(folder)
        self.dataset, self.scale, self.batch_size = dataset, scale, batch_size
        self.published = describe(dataset, scale=scale)
        self.tree = self.published.tree()
        contents = [path.read_bytes() for path in model_files(folder)]
        contents.append(self.published.stats.fingerprint.encode())
        contents.append(b"portable" if is_portable() else b"")
        self.key = hashlib.sha256(b"".join(contents)).hexdigest()[:20]

    def images(self, split: str) -> ImageDataset:
        """Images of a split, as the network sees them."""
        return ImageDataset(
            open_split(self.dataset, split, scale=self.scale), self.network.network.decoded_side_px
        )

    def embedded(self, split: str) -> Embedded:
        """Embeddings of a split."""
        images, kept = self.images(split), self._kept(split)
        if kept and kept.is_file():
            try:
                return Embedded(load_file(kept)["embeddings"], images.labels)
            except SafetensorError:
                print(f"{kept}: damaged, made again")
        encoder = partial(trained_encoder, self.folder)
        files = [
            path for pattern in ("*.json", "*.safetensors") for path in sorted(self.folder.rglob(pattern))
        ]
        embedded = embed_blocks(images, encoder, self.batch_size, self.run_all, files)
        if kept:
            try:
                with atomic_write(kept) as temporary:
                    save_file({"embeddings": embedded.embeddings}, temporary)
            except (OSError, SafetensorError) as error:
                print(f"{kept}: not kept, the next call embeds again: {error}")
        return embedded

    def _kept(self, split: str) -> Path | None:
        try:
            return project_root() / "data/image_vectors" / f"{self.key}-{split}.safetensors"
        except NotFound:  # not in a checkout
            return None
