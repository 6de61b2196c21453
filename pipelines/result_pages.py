"""The pages of one dataset: its tree with results on it, retrieval, map, card."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from cairnhub.core.errors import CairnError, NotFound
from cairnhub.core.files import write_text_atomic
from cairnhub.datasets_hub.card_page import render_card_page
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.datasets_hub.open_split import PublishedSplits
from cairnhub.datasets_hub.thumbnails import photos_per_leaf, why_no_photos
from cairnhub.hierarchies.explorer import View, write_explorer
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.review.touches import TouchedNodes, read_touches
from cairnhub.pipelines.label_counts import images_per_split
from cairnhub.pipelines.measure_model import ModelOnDataset, measure_model
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.retrieval_commands import find_model
from cairnhub.training.map_page import render_map_page
from cairnhub.training.model_results import ModelResults
from cairnhub.training.models import read_description
from cairnhub.training.page_data import Sheets, pictured
from cairnhub.training.retrieval_page import render_retrieval_page

log = logging.getLogger(__name__)

TREE, RETRIEVAL, MAP, CARD = "tree.html", "retrieval.html", "map.html", "card.html"


@dataclass(frozen=True)
class DatasetPages:
    """What the pages of a published dataset are made of.

    Attributes:
        published: the dataset.
        asked: the model that is measured on it; None where there is none.
        to_share: the pages may leave this machine, so that they show no image that may not be passed on.
    """

    published: PublishedDataset
    asked: ModelOnDataset | None = None
    to_share: bool = True

    @cached_property
    def tree(self) -> LabelTree:
        """Its label tree."""
        return self.published.tree()

    @cached_property
    def results(self) -> ModelResults:
        """What the model makes of it.

        Raises:
            NotFound: no model is named.
        """
        if self.asked is None:
            raise NotFound(f"{self.published.card.name}: no model is named")
        return measure_model(self.asked)

    @cached_property
    def sheets(self) -> Sheets:
        """Small pictures of all images that the results are about."""
        why = why_no_photos(self.published)
        if why and (self.to_share or not self.published.stats.with_images):
            return Sheets(why_none=why)
        return Sheets.of(self._images(), len(self.results.image_ids), self._credits())

    def _images(self) -> Iterator[bytes]:
        """The images that have a picture."""
        splits, results = PublishedSplits(self.published), self.results
        shown = pictured(len(results.image_ids))
        for code, name in enumerate(results.splits):
            opened = splits.open(name)
            for row in results.rows[shown[results.split[shown] == code]].tolist():
                yield opened.images[row]

    def _credits(self) -> list[str]:
        """Whom each image is by, and under which licence; nothing where the dataset does not say."""
        columns = [name for name in ("author", "license") if name in self.published.card.attribution]
        if not columns:
            return []
        splits = PublishedSplits(self.published)
        rows = (row for name in self.results.splits for row in splits.columns(name, columns).to_pylist())
        return [", ".join(filter(None, (row[name] for name in columns))) for row in rows]

    def retrieval_page(self, pages: dict[str, str] | None = None) -> str:
        """The retrieval page; `pages` are addresses of the others."""
        return render_retrieval_page(self.results, self.tree, self.sheets, pages)

    def map_page(self, pages: dict[str, str] | None = None) -> str:
        """The map; `pages` are addresses of the others."""
        return render_map_page(self.results, self.tree, self.sheets, pages)

    def write_tree(
        self, path: Path, title: str, touches: tuple[TouchedNodes, ...], pages: dict[str, str]
    ) -> None:
        """Write the explorer, with the model's results on it."""
        location = self.published.location.uri
        view = View(self.published.card.name, self.tree, images_per_split(Path(location)), touches)
        if self.asked is not None:
            view = replace(view, results=replace(self.results.nodes, pages=pages))
        photos = photos_per_leaf(self.published, self.tree)
        write_explorer(path, title, view, photos, no_photos=why_no_photos(self.published))


def pages_of(model: str, dataset: str, scale: str | None, protocol: str) -> DatasetPages:
    """The pages of a model on a dataset, for this machine.

    Raises:
        CairnError: no such model, dataset or protocol.
    """
    folder, scale = find_model(model, scale)
    published = describe(dataset, scale=scale)
    asked = ModelOnDataset(folder, Path(model).name, dataset, scale, protocol)
    return DatasetPages(published, asked, to_share=False)


def write_dataset_pages(folder: Path, paths: Paths) -> dict[str, str]:
    """Write all pages of a dataset of a project; those of results where the stage `train` made a model.

    Args:
        folder: to write into.
        paths: of the dataset.

    Returns:
        File names by words.
    """
    published = describe(paths.hub)
    made = DatasetPages(published, _measurable(published, paths))
    files = {"tree": TREE, "card": CARD} | ({"retrieval": RETRIEVAL, "map": MAP} if made.asked else {})
    if made.asked:
        write_text_atomic(folder / RETRIEVAL, made.retrieval_page(_without(files, "retrieval")))
        write_text_atomic(folder / MAP, made.map_page(_without(files, "map")))
    touches = tuple(read_touches(paths.touches))
    pages = {what: file for what, file in files.items() if what in ("retrieval", "map")}
    made.write_tree(folder / TREE, f"{published.card.title} ({paths.scale})", touches, pages)
    write_text_atomic(folder / CARD, render_card_page(published, _without(files, "card")))
    return files


def _measurable(published: PublishedDataset, paths: Paths) -> ModelOnDataset | None:
    """The model of a dataset's `train` stage, where there is one and what it ranks has a page."""
    by_labels = any(protocol.kind == "labels" for protocol in published.card.protocols)
    if not (paths.model.is_dir() and by_labels):
        return None
    try:
        read_description(paths.model)
    except CairnError as error:
        log.warning(f"{paths.dataset}: its pages show no results: {error}")
        return None
    return ModelOnDataset(paths.model, paths.dataset, str(paths.hub), paths.scale)


def _without(files: dict[str, str], page: str) -> dict[str, str]:
    return {what: file for what, file in files.items() if what != page}
