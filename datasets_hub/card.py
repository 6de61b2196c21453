"""A dataset's card: typed, kept in the YAML head of the README, from which it is read back."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from cairnhub.core.errors import UNPRINTABLE, BrokenData
from cairnhub.core.parse import parse_yaml, typed

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
Slug = Annotated[str, StringConstraints(pattern=NAME)]
SplitName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]\w{0,63}$")]


def _shown(text: str) -> str:
    if UNPRINTABLE.search(text):
        raise ValueError("control characters or overrides of the writing direction; remove them")
    return text


OWN_LICENCE = "mine"
"""The licence of what belongs to whoever publishes it: where its images may go is theirs to say."""
ATTRIBUTION = ("source_url", "author", "license", "title")
"""Columns that say whose an image is, in the order in which they are published."""
Text = Annotated[str, AfterValidator(_shown)]  # it is shown in terminals and pages
WebUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"'()]+$")]


class _Typed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Typed):
    """Where data came from: `sha256` is that of its manifest or of its one file."""

    name: Text
    version: Text | None = None
    url: WebUrl | None = None
    sha256: str | None = None


class Decisions(_Typed):
    """The file of human decisions that shaped the tree, and the SHA-256 of what was applied."""

    file: str
    fingerprint: str
    n_applied: int = 0


class EvaluationProtocol(_Typed):
    """One way to evaluate: images of `query` search those of `gallery` (in the same split: the others).

    `levels` are those that mean something in these splits, fine to coarse; none named means all.
    """

    name: Slug
    query: SplitName
    gallery: SplitName
    levels: tuple[str, ...] = ()


class Card(_Typed):
    """What a person must know before using a dataset.

    Attributes:
        name: folder name in the hub.
        licence: of the images and labels, an SPDX id where there is one; `mine` for one's own.
        redistributable: whether the *images* may be passed on; if not, only labels and splits travel.
        levels: level names, fine to coarse.
        annotation_origin: who gave the labels above the finest level.
        attribution: columns of `ATTRIBUTION` that the source has.
        columns: other columns of text that the source has and keeps, such as `camera`.
        attribution_required: splits whose images each need a licence and, but for the public domain, an author.
        protocols: named pairs of splits.
        excluded: how many listed images are left out by rule, by its reason.
    """

    name: Slug
    title: Text
    description: Text
    licence: Text
    redistributable: bool
    levels: tuple[str, ...]
    annotation_origin: Literal["given", "automatic", "automatic-and-reviewed"]
    citation: Text | None = None
    homepage: WebUrl | None = None
    licence_url: WebUrl | None = None
    attribution: tuple[Literal["source_url", "author", "license", "title"], ...] = ()
    columns: tuple[Text, ...] = ()
    attribution_required: tuple[SplitName, ...] = ()
    protocols: tuple[EvaluationProtocol, ...] = ()
    sources: tuple[Source, ...] = ()
    decisions: Decisions | None = None
    excluded: dict[Text, int] | None = None
    tags: tuple[str, ...] = Field(default=("image-retrieval", "metric-learning", "hierarchical-labels"))

    @property
    def is_own(self) -> bool:
        """Whether the images belong to whoever publishes them."""
        return self.licence.casefold() == OWN_LICENCE

    @property
    def texts(self) -> tuple[str, ...]:
        """All columns of text behind the labels, in their order."""
        return (*(name for name in ATTRIBUTION if name in self.attribution), *self.columns)

    @model_validator(mode="after")
    def _attribution_is_there(self) -> Self:
        if self.attribution_required and not {"author", "license"} <= set(self.attribution):
            raise ValueError("attribution_required needs `author` and `license` in attribution")
        return self


def read_card(text: str, origin: str) -> Card:
    """Read the card back from a README.

    Raises:
        CairnError: no YAML head, or none that Cairn wrote; the message names the key.
    """
    head = front_matter(text, origin)
    if "cairn" not in head:
        raise BrokenData(f"{origin}: its YAML head has no key `cairn`: give a dataset that Cairn published")
    return typed(Card, head["cairn"], f"{origin}: the card is not valid")


def front_matter(text: str, origin: str) -> dict[str, object]:
    """The YAML head of a README as plain values.

    Raises:
        CairnError: there is none, or it is not YAML.
    """
    match = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
    if not match:
        raise BrokenData(f"{origin}: no YAML head between `---` lines; is the file whole?")
    content = parse_yaml(f"\n{match[1]}", origin)  # so that its lines count as those of the file
    if not isinstance(content, dict):
        raise BrokenData(f"{origin}: the YAML head is no mapping; is the file whole?")
    return content
