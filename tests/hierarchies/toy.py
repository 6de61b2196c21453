"""A small proposal, and an embedder that needs no model."""

import hashlib
from collections.abc import Mapping, Sequence

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


class ToyPhotos:
    """So many photos of every label.

    Args:
        content: of each.
        n_each: photos of a label; a mapping for some labels only.
    """

    def __init__(self, content: bytes, n_each: int | Mapping[str, int] = 2) -> None:
        self._content, self._n_each = content, n_each

    def count(self, label: str) -> int:
        return self._n_each if isinstance(self._n_each, int) else self._n_each.get(label, 0)

    def photo(self, label: str, nth: int, large: bool = False) -> bytes | None:
        return self._content if nth < self.count(label) else None


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

MEMBERS = {
    "boats": ("boat", "ferry", "ship"),
    "cars": ("bus", "car", "lorry", "van"),
    "cats": ("cat", "leopard", "lion", "lynx", "tiger"),
    "dogs": ("dog", "fox", "wolf"),
    "fish": ("shark", "trout"),
}
BIG = {"leopard", "lion", "tiger"}
BRANCH_OF = {"boats": "machines", "cars": "machines", "cats": "beasts", "dogs": "beasts", "fish": "swimmers"}
REALM_OF = {"beasts": "animals", "machines": "artefacts", "swimmers": "animals"}


def like(label: str, group: str, weight: int) -> LabelEntry:
    """A label with its ten nearest: those of its group, of its branch, and others."""

    def likeness(other: str) -> float:
        home = next(name for name, members in MEMBERS.items() if other in members)
        if home == group:
            return 0.9 if {label, other} <= BIG else 0.8
        return 0.04 if BRANCH_OF[home] == BRANCH_OF[group] else 0.02

    others = (other for members in MEMBERS.values() for other in members if other != label)
    nearest = sorted(others, key=lambda other: (-likeness(other), other))[:10]
    return LabelEntry(
        label,
        None,
        group,
        1.0 if label == "ferry" else 0.5,
        "known" if label == "ferry" else "text",
        "its nearest",
        neighbours=tuple(nearest),
        likeness=tuple(map(likeness, nearest)),
        n_images=weight,
    )


TREE = TreeProposal(
    ("thing", "group", "branch", "realm"),
    tuple(
        like(label, group, weight)
        for weight, (label, group) in enumerate(
            sorted((label, group) for group, labels in MEMBERS.items() for label in labels), start=1
        )
    ),
    (
        *(GroupEntry("group", name, branch, 0.7) for name, branch in BRANCH_OF.items()),
        *(GroupEntry("branch", name, realm, 0.9) for name, realm in REALM_OF.items()),
        GroupEntry("realm", "animals"),
        GroupEntry("realm", "artefacts"),
    ),
    models=(MODEL,),
)
