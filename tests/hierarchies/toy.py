"""A small proposal, and an embedder that needs no model."""

import hashlib
from collections.abc import Sequence

import numpy as np

from cairnhub.hierarchies.proposal.model_record import ModelRecord
from cairnhub.hierarchies.proposal.text_vectors import FloatArray
from cairnhub.hierarchies.proposal.tree_proposal import GroupEntry, LabelEntry, TreeProposal, TypeEntry

MODEL = ModelRecord("toy", "1", "0" * 64)


class ToyEmbedder:
    """Each word has a direction of its own; a text is the mean of its words."""

    model = MODEL

    def encode(self, texts: Sequence[str]) -> FloatArray:
        rows = []
        for text in texts:
            words = text.lower().split() or [""]
            mean = np.mean([self._direction(word) for word in words], axis=0)
            rows.append(mean / np.linalg.norm(mean))
        return np.stack(rows).astype(np.float32)

    @staticmethod
    def _direction(word: str) -> FloatArray:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
        return np.random.default_rng(seed).standard_normal(64).astype(np.float32)


def type_entry(
    text: str, category: str, confidence: float, weight: float = 1.0, second: str = ""
) -> TypeEntry:
    return TypeEntry(text, (text,), category, confidence, "its words", second, (), "mined", weight)


PROPOSAL = TreeProposal(
    ("landmark", "category", "kind"),
    (
        LabelEntry("Burg Eltz", None, "castle", 0.9, "assigned", n_images=10),
        LabelEntry("Fort Knox", "fort", None, 0.9, "mined", n_images=30),
        LabelEntry("Great Keep", "keep", None, 0.6, "mined", n_images=20),
        LabelEntry("Moat of Bodiam", "moat", None, 0.4, "cluster", n_images=5),
        LabelEntry("Naturama", None, "unclear human-made", 0.3, "assigned", second="museum", n_images=8),
        LabelEntry("Sonning Bridge", "arch bridge", None, 0.97, "mined", n_images=40),
    ),
    (
        GroupEntry("category", "bridge", "human-made", 0.98),
        GroupEntry("category", "castle", "human-made", 0.98),
        GroupEntry("category", "lake", "natural", 0.98),
        GroupEntry("category", "unclear human-made", "human-made", 0.5),
        GroupEntry("kind", "human-made"),
        GroupEntry("kind", "natural"),
    ),
    (
        type_entry("arch bridge", "bridge", 0.97, 40),
        type_entry("fort", "castle", 0.9, 30),
        type_entry("keep", "castle", 0.6, 20, "tower"),
        type_entry("moat", "lake", 0.4, 5, "castle"),
    ),
    (MODEL,),
)
