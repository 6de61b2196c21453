"""Vectors of texts that are asked for again and again."""

from collections.abc import Sequence

import numpy as np

from cairnhub.hierarchies.proposal.text_vectors import Embedder, Embeddings, FloatArray


class Remembered:
    """An embedder that embeds no text twice, for as long as it lives."""

    def __init__(self, embedder: Embedder) -> None:
        self.model = embedder.model
        self._embedder = embedder
        self._vectors: dict[str, FloatArray] = {}

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of unit length, shape (n_texts, d)."""
        new = sorted({*texts} - self._vectors.keys())
        if new:
            self._vectors |= zip(new, self._embedder.encode(new), strict=True)
        return np.stack([self._vectors[text] for text in texts])

    @property
    def stored(self) -> Embeddings:
        """All of them."""
        texts = tuple(sorted(self._vectors))
        return Embeddings(texts, np.stack([self._vectors[text] for text in texts]), self.model)
