"""Where each stage finds its input and leaves its output: `<kind>/<scale>/<dataset>`."""

import os
from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.errors import NotFound


@dataclass(frozen=True)
class Paths:
    """The files of one dataset at one scale.

    Attributes:
        root: the folder of `dvc.yaml`.
        scale: `sample` or `full`.
        dataset: the dataset's name in `params.yaml`.
        files: the dataset whose files it is made of, if not its own.
        model_of: the dataset whose model searches it, if not its own.
    """

    root: Path
    scale: str
    dataset: str
    files: str = ""
    model_of: str = ""

    def _at(self, kind: str) -> Path:
        return self.root / kind / self.scale / self.dataset

    @property
    def owner(self) -> str:
        """The dataset that has the files."""
        return self.files or self.dataset

    @property
    def store(self) -> Path:
        """Downloaded files, outside DVC; `CAIRN_STORE` puts them on another disk."""
        folder = Path(os.environ.get("CAIRN_STORE", self.root / "data/store"))
        return folder.absolute() / self.scale / self.owner

    @property
    def generated(self) -> Path:
        """The embedded sample as its authors would publish it, drawn at fetch time."""
        return self.root / "data/generated" / self.scale / self.owner

    @property
    def manifest(self) -> Path:
        """What was fetched and verified; in git."""
        return self.results("fetch") / "manifest.json"

    @property
    def loose_images(self) -> Path:
        """The manifest's table of images that lie in no archive."""
        return self._at("data/loose_images") / "images.tsv"

    @property
    def index(self) -> Path:
        """Folder of the index: see `artifacts.index`."""
        return self._at("data/index")

    @property
    def protocols(self) -> Path:
        """Folder: how the dataset is evaluated, apart from the index, so that a card's prose retrains nothing."""
        return self._at("data/protocols")

    @property
    def text_vectors(self) -> Path:
        """Vectors of the label texts."""
        return self._at("data/text_vectors") / "vectors.parquet"

    @property
    def image_vectors(self) -> Path:
        """Folder of image vectors that models made, kept by content, outside DVC."""
        return self.root / "data/image_vectors"

    @property
    def proposal(self) -> Path:
        """The machine-made tree with a confidence per edge."""
        return self._at("data/proposal") / "proposal.json"

    @property
    def agreement(self) -> Path:
        """How far the proposal agrees with labels that others published; in git."""
        return self.results("cluster") / "agreement.json"

    @property
    def decisions(self) -> Path:
        """What people decided; the same file serves every scale, for labels are the same."""
        return self.root / "decisions" / f"{self.dataset}.jsonl"

    @property
    def evidence(self) -> Path:
        """What a language model answered, if one was asked; serves every scale, as decisions do."""
        return self.root / "decisions" / f"{self.dataset}.evidence.jsonl"

    @property
    def tree_folder(self) -> Path:
        """Folder of the label tree, and of what the review tells of it."""
        return self._at("data/tree")

    @property
    def tree(self) -> Path:
        """The label tree that is published, made by `taxonomy` or by `review`."""
        return self.tree_folder / "tree.json"

    @property
    def class_list(self) -> Path:
        """Which label has which class index, kept from build to build; in git."""
        return self.results("classes") / "classes.tsv"

    @property
    def reviewed(self) -> Path:
        """Which decisions shaped the tree; absent for a tree that the data gives."""
        return self.tree.with_name("reviewed.json")

    @property
    def touches(self) -> Path:
        """Which nodes of the tree each decision touched; absent for a tree that the data gives."""
        return self.tree.with_name("touches.json")

    @property
    def review_report(self) -> Path:
        """What became of each decision; in git."""
        return self.results("review") / "report.json"

    @property
    def hub(self) -> Path:
        """The published dataset."""
        return self._at("data/hub")

    @property
    def shards(self) -> Path:
        """Its images and labels."""
        return self.hub / "data"

    @property
    def hub_tree(self) -> Path:
        """Its tree."""
        return self.hub / "tree.json"

    @property
    def check_report(self) -> Path:
        """What the check of the published dataset found; in git."""
        return self.results("check") / "report.json"

    @property
    def look_alikes(self) -> Path:
        """Page of images that look the same, the first of `duplicates`."""
        return self._at("data/check") / "look_alikes.html"

    @property
    def duplicates(self) -> Path:
        """Table of all pairs of images that are the same or look so."""
        return self._at("data/check") / "duplicates.parquet"

    @property
    def model(self) -> Path:
        """The trained model's folder."""
        return self.root / "models" / self.scale / (self.model_of or self.dataset)

    @property
    def checkpoints(self) -> Path:
        """Of a training that runs or was killed; outside every output that DVC deletes."""
        return self._at("data/checkpoints")

    @property
    def logs(self) -> Path:
        """What loggers of a training run write; no stage reads it."""
        return self._at("data/logs")

    @property
    def recipes(self) -> Path:
        """Folder of the project's own recipes, if it has any: they come before those of the package."""
        return self.root / "recipes"

    @property
    def pages(self) -> Path:
        """Self-contained HTML pages."""
        return self._at("data/report")

    def results(self, stage: str) -> Path:
        """Small tracked results of one stage."""
        return self._at(f"results/{stage}")


def project_root() -> Path:
    """The folder of `dvc.yaml`, here or above.

    Raises:
        CairnError: no such folder.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            return folder
    raise NotFound(
        f"no dvc.yaml and params.yaml in {here} or above it: run this inside a project; `cairn init` makes one"
    )
