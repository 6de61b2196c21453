"""A machine-made tree with a confidence and a reason per edge, as values and as a file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from cairnhub.core.errors import BrokenData, NotFound
from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import FORBID, parse_json, read_text, typed
from cairnhub.core.text import label_key, quoted
from cairnhub.hierarchies.proposal.model_record import ModelRecord

SCHEMA = 1


@dataclass(frozen=True)
class TypeEntry:
    """A type (such as `truss bridge`) and the category proposed for it.

    Attributes:
        text: the type as the source writes it; of several spellings the first in code point order.
        spellings: all texts that are this type but for case and spaces.
        category: name of the proposed category.
        confidence: that the category is right, 0..1.
        why: the words or neighbours that decided.
        second: the next best category, or `""`.
        neighbours: the most similar other types.
        source: `mined` where the type's own words or superclasses tell the category, `cluster` where
            similarity does.
        weight: how much it matters: landmarks (or images) of this type.
    """

    __pydantic_config__ = FORBID

    text: str
    spellings: tuple[str, ...]
    category: str
    confidence: float
    why: str
    second: str
    neighbours: tuple[str, ...]
    source: str
    weight: float


@dataclass(frozen=True)
class LandmarkEntry:
    """A landmark: its type, or where it has none the category proposed from its name.

    Attributes:
        name: unique display name.
        type: text of its type, or None.
        category: proposed from the name where there is no type, else None.
        confidence: of that category.
        source: `assigned`, or that of the type.
        second: the next best category from the name, or `""`.
        n_images: images of this landmark.
    """

    __pydantic_config__ = FORBID

    name: str
    type: str | None
    category: str | None
    confidence: float
    source: str
    second: str
    n_images: int


@dataclass(frozen=True)
class CategoryEntry:
    """A category, its kind (`natural` or `human-made`) and how sure the kind is (0..1)."""

    __pydantic_config__ = FORBID

    name: str
    kind: str
    confidence: float


@dataclass(frozen=True)
class Proposal:
    """Categories for types and landmarks, before any human decision. Entries are sorted by name."""

    __pydantic_config__ = FORBID

    method: str
    model: ModelRecord
    categories: tuple[CategoryEntry, ...]
    types: tuple[TypeEntry, ...]
    landmarks: tuple[LandmarkEntry, ...] = ()

    @cached_property
    def category_of(self) -> Mapping[str, str]:
        """Category name of every input text."""
        return {text: entry.category for entry in self.types for text in entry.spellings}

    @cached_property
    def confidence_of(self) -> Mapping[str, float]:
        """Confidence (0..1) of every input text's category."""
        return {text: entry.confidence for entry in self.types for text in entry.spellings}

    @cached_property
    def kind_of(self) -> Mapping[str, str]:
        """`natural` or `human-made` for every input text."""
        kinds = {entry.name: entry.kind for entry in self.categories}
        return {text: kinds[category] for text, category in self.category_of.items()}

    @cached_property
    def homes(self) -> Mapping[tuple[str, str], str]:
        """Category key per (level, key): of every type, and of every landmark placed by its own name."""
        key_of = {entry.name: label_key(entry.name) for entry in self.categories}
        homes = {("type", label_key(entry.text)): key_of[entry.category] for entry in self.types}
        for landmark in self.landmarks:
            if landmark.category is not None:
                homes["landmark", label_key(landmark.name)] = key_of[landmark.category]
        return homes

    @cached_property
    def landmark_keys(self) -> frozenset[str]:
        """Keys of all landmarks."""
        return frozenset(label_key(landmark.name) for landmark in self.landmarks)

    def to_json(self) -> str:
        """Stable JSON, one entry per line."""
        parts = [f'{{"format": "cairn-proposal", "schema": {SCHEMA}, "method": {json.dumps(self.method)},']
        parts.append(f'"model": {json.dumps(asdict(self.model))}')
        for field in ("categories", "types", "landmarks"):
            lines = [json.dumps(asdict(entry), ensure_ascii=False) for entry in getattr(self, field)]
            parts.append(f', "{field}": [\n' + ",\n".join(lines) + "\n]")
        return "\n".join(parts) + "}\n"

    @classmethod
    def from_json(cls, text: str, origin: str = "proposal") -> "Proposal":
        """Parse what `to_json` wrote.

        Raises:
            CairnError: not a proposal, or one of another schema.
        """
        content = parse_json(text, origin)
        head = {"format": "cairn-proposal", "schema": SCHEMA}
        if not isinstance(content, dict) or {key: content.pop(key, None) for key in head} != head:
            raise BrokenData(f"{origin}: not a proposal of schema {SCHEMA}; run the cluster stage again")
        proposal = typed(cls, content, origin)
        proposal.check(origin)
        return proposal

    def check(self, origin: str) -> None:
        """Raise `CairnError` if an entry names a category or type that the proposal does not have."""
        categories = {entry.name for entry in self.categories}
        types = {label_key(entry.text) for entry in self.types}
        unknown = {entry.category for entry in self.types} - categories
        for landmark in self.landmarks:
            if landmark.category is None and landmark.type is None:
                raise BrokenData(
                    f"{origin}: {landmark.name[:100]!r} has neither type nor category; rebuild it"
                )
            if landmark.category is not None and landmark.category not in categories:
                unknown.add(landmark.category)
            if landmark.type is not None and label_key(landmark.type) not in types:
                unknown.add(landmark.type)
        if unknown:
            named = quoted(sorted(unknown))
            raise BrokenData(f"{origin}: no category or type is called {named}; run the cluster stage again")

    def save(self, path: Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        write_text_atomic(Path(path), self.to_json())

    @classmethod
    def load(cls, path: Path) -> "Proposal":
        """Read a proposal file.

        Raises:
            CairnError: it is missing or no proposal.
        """
        try:
            return cls.from_json(read_text(Path(path)), str(path))
        except FileNotFoundError:
            raise NotFound(f"{path}: no such proposal; run the cluster stage") from None
