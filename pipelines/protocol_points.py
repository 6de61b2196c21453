"""Splits as points, as protocols want to see them: whole or cropped, at one size or several, with texts and bytes."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import NamedTuple

from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.pipelines.image_vectors import ImageEmbedder, View
from cairnhub.training.embedding import (
    LoadEncoder,
    colour_encoder,
    embed_blocks,
    off_the_shelf_encoder,
    untrained_encoder,
)
from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.protocol_kinds.points import Points
from cairnhub.training.published_points import points_of
from cairnhub.training.whitening import Whitening


class Sides(NamedTuple):
    """How a protocol looks at its queries and its gallery."""

    query: View
    gallery: View


def views(protocol: EvaluationProtocol) -> Sides:
    """The views that a protocol needs; the same one twice where the queries search one another."""
    return Sides(
        View(protocol.query, protocol.crop, protocol.scales), View(protocol.gallery, None, protocol.scales)
    )


class ProtocolPoints:
    """A model and its baselines over the splits of a dataset, each view of them embedded once.

    Args:
        embedder: the trained model over these splits.
        protocols: that are to be measured.
        whitening: learns a whitening of the model's vectors, for images at these sizes; None: the whitened model is
            none of the systems.

    Attributes:
        systems: their names; `trained` first.
    """

    def __init__(
        self,
        embedder: ImageEmbedder,
        protocols: Sequence[EvaluationProtocol],
        whitening: Callable[[tuple[float, ...]], Whitening] | None = None,
    ) -> None:
        self.embedder = embedder
        self.whitening = None if whitening is None else cache(whitening)
        self.wanted = list(dict.fromkeys(view for protocol in protocols for view in views(protocol)))
        self.texts = tuple(dict.fromkeys(name for each in protocols for name in each.text_columns))
        has_begun = bool(embedder.description.network.weights)
        pretrained = ("off_the_shelf",) if has_begun else ()
        whitened = ("whitened",) if whitening else ()
        self.systems = ("trained", *whitened, "untrained", *pretrained, "colour_histogram")

    def of(self, system: str) -> dict[View, Points]:
        """Every view that some protocol needs."""
        embed = {"trained": self.embedder.embedded, "whitened": self._whitened}.get(
            system, partial(self._baseline, system)
        )
        return {view: self._points(embed(view), view.split) for view in self.wanted}

    def _whitened(self, view: View) -> EmbeddedSplit:
        assert self.whitening
        embedded = self.embedder.embedded(view)
        return EmbeddedSplit(self.whitening(view.scales).apply(embedded.embeddings), embedded.labels)

    def _baseline(self, system: str, view: View) -> EmbeddedSplit:
        description = self.embedder.description
        encoder: LoadEncoder = colour_encoder
        if system == "untrained":
            encoder = partial(untrained_encoder, description.network, description.seed, view.scales)
        elif system == "off_the_shelf":
            encoder = partial(off_the_shelf_encoder, description.network, view.scales)
        images, embedder = self.embedder.images(view), self.embedder
        return embed_blocks(images, encoder, embedder.batch_size, embedder.run_all)

    def _points(self, embedded: EmbeddedSplit, split: str) -> Points:
        return points_of(embedded, self.embedder.splits, split, self.texts)
