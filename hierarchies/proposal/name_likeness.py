"""How like each everyday category the name of a place is, by sentence vectors: a weak sign beside its words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cairnhub.hierarchies.proposal.concepts import load_concepts
from cairnhub.hierarchies.proposal.propose import anchors
from cairnhub.hierarchies.proposal.text_vectors import Embedder

FloatArray = npt.NDArray[np.float64]
_BLOCK_NAMES = 8192  # 200,000 vectors at once would be 600 MB


@dataclass(frozen=True)
class NameLikeness:
    """Cosines of names with the centers of the everyday categories.

    Attributes:
        embedder: knows the vectors of all names that will be asked for.
        place: row of `centers` per category.
        centers: mean direction of the texts of each category, shape (n_concepts, d).
    """

    embedder: Embedder
    place: dict[str, int]
    centers: FloatArray

    @classmethod
    def by(cls, embedder: Embedder) -> "NameLikeness":
        """Embed the categories."""
        near = anchors(load_concepts(), embedder)
        return cls(embedder, {name: row for row, name in enumerate(near.names)}, near.centers)

    def cosines(self, names: Sequence[str], categories: Sequence[str]) -> FloatArray:
        """Shape (n_names, n_categories), -1..1; a category that is not an everyday one gets a name's mean."""
        to_concepts = np.zeros((len(names), len(self.centers)))
        for start in range(0, len(names), _BLOCK_NAMES):
            block = slice(start, start + _BLOCK_NAMES)
            vectors = np.asarray(self.embedder.encode(names[block]), dtype=np.float64)
            to_concepts[block] = (vectors @ self.centers.T).round(6)  # hides what the shapes of blocks change
        means = to_concepts.mean(axis=1)
        columns = [to_concepts[:, self.place[name]] if name in self.place else means for name in categories]
        return np.stack(columns, axis=1)
