"""A dataset's card: typed, kept in the YAML head of the README, from which it is read back."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from cairnhub.core.errors import UNPRINTABLE, BadInput, BrokenData
from cairnhub.core.parse import parse_yaml, typed
from cairnhub.datasets_hub.level_names import check_level_names

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

    file: Text
    fingerprint: str
    n_applied: int = 0


CutOff = Annotated[int, Field(ge=1)]


class EvaluationProtocol(_Typed):
    """One way to evaluate: images of `query` search those of `gallery` (in the same split: the others).

    Attributes:
        levels: those that mean something in these splits, fine to coarse; none named means all.
        kind: what is right, and what is ranked. `labels`: images that share a label. `one_per_class`: the gallery is
            one image of each finest class, drawn at random; the others search it, `n_draws` times (VehicleID).
            `templates`: images with one word in the column `template` are one vector, their mean (IJB-C). `graded`: the
            benchmark's own lists of easy, hard and junk images (Revisited Oxford and Paris).
        ks: cut-offs.
        n_draws: of `one_per_class`.
        seed: of the draws.
        template: of `templates`: a column of text; an image may be in several, with spaces between them.
        only: column of text -> a word: images whose text has another are left out, of queries and gallery alike.
        drop_query: the gallery may hold a query's own image, which is then taken out of its list: one with its id, or
            with its bytes and its labels.
        crop: a column of text with the box of each query, `left top right bottom` in pixels, all that is seen of it.
        scales: images are embedded at each of these sizes, relative to the usual one; vectors are averaged.
        group: protocols of one group are reported together, by their mean.
    """

    name: Slug
    query: SplitName
    gallery: SplitName
    levels: tuple[Text, ...] = ()
    kind: Literal["labels", "one_per_class", "templates", "graded"] = "labels"
    ks: tuple[CutOff, ...] = (1, 10, 100)
    n_draws: int = Field(default=10, ge=1, le=1000)
    seed: int = Field(default=0, ge=0)
    template: Text | None = None
    only: dict[Text, Text] = {}
    drop_query: bool = False
    crop: Text | None = None
    scales: tuple[Annotated[float, Field(gt=0, le=8)], ...] = ()
    group: Slug | None = None

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns of text that it needs."""
        named = [*self.only, self.template, self.crop]
        return tuple(dict.fromkeys(name for name in named if name))

    @property
    def remark(self) -> str:
        """What is unusual about it, for tables; empty for nothing."""
        kinds = {
            "labels": "",
            "one_per_class": f"one image per class, drawn {self.n_draws} times",
            "templates": f"mean vectors of each {self.template}",
            "graded": "lists of easy, hard and junk images",
        }
        only = [f"{column} {word}" for column, word in self.only.items()]
        found = [kinds[self.kind], *only, "a query's own image dropped" if self.drop_query else ""]
        return "; ".join(part for part in found if part)

    @model_validator(mode="after")
    def _kind_has_what_it_needs(self) -> Self:
        if (self.template is None) == (self.kind == "templates"):
            raise ValueError("`template` names the column of `kind: templates`, and belongs to it alone")
        if self.kind == "one_per_class" and self.query != self.gallery:
            raise ValueError(
                "`kind: one_per_class` draws its gallery from the queries: name one split as both"
            )
        if self.drop_query and (self.kind != "labels" or self.query == self.gallery):
            raise ValueError(
                "`drop_query` is for `kind: labels` of two splits: in one, a query never finds itself"
            )
        if self.crop is not None and self.query == self.gallery:
            raise ValueError("`crop` is for queries that are a split of their own")
        if self.kind == "graded" and (self.levels or self.only):
            raise ValueError("`kind: graded` goes by lists: it has neither `levels` nor `only`")
        return self

    @model_serializer(mode="wrap")
    def _without_defaults(self, usual: SerializerFunctionWrapHandler) -> dict[str, object]:
        """What a protocol does not use is not written: most are three names."""
        written: dict[str, object] = usual(self)
        fields = type(self).model_fields
        unused = {key for key, field in fields.items() if getattr(self, key) == field.default} - {"levels"}
        return {key: value for key, value in written.items() if key not in unused}


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
        protocols: how it is evaluated.
        excluded: how many listed images are left out by rule, by its reason.
    """

    name: Slug
    title: Text
    description: Text
    licence: Text
    redistributable: bool
    levels: tuple[Text, ...]
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
    tags: tuple[Text, ...] = Field(default=("image-retrieval", "metric-learning", "hierarchical-labels"))

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
    card = typed(Card, _migrated(head), f"{origin}: the card is not valid")
    try:
        check_level_names(card.levels)
    except BadInput as error:
        raise BrokenData(f"{origin}: {error}") from None
    return card


def _migrated(head: Mapping[str, object]) -> object:
    """The card in a README's head in the form of today: at first attribution was asked of all splits or of none."""
    card = head["cairn"]
    if not isinstance(card, dict) or not isinstance(card.get("attribution_required"), bool):
        return card
    return {**card, "attribution_required": _splits_in(head) if card["attribution_required"] else ()}


def _splits_in(head: Mapping[str, object]) -> list[str]:
    """Splits of the first config, as `datasets` reads them from a README's head."""
    configs = head.get("configs")
    first = configs[0] if isinstance(configs, list) and configs else None
    files = first.get("data_files") if isinstance(first, dict) else None
    return [str(file["split"]) for file in files or () if isinstance(file, dict) and "split" in file]


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
