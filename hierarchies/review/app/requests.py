"""What the page may ask, as values."""

import dataclasses
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cairnhub.hierarchies.review.selection import WallAct
from cairnhub.hierarchies.review.session import LevelAct, SessionAct
from cairnhub.hierarchies.review.wall import Order, Show, View

Label = Annotated[str, Field(max_length=100_000)]


class Request(BaseModel):
    """What a page asks, with no field that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Empty(Request):
    """Nothing is said."""


class About(Request):
    """Which item is meant, and from where on its list is wanted."""

    level: Label
    label: Label
    offset: int = Field(default=0, ge=0)


class Text(Request):
    """A text to look for."""

    text: Label


class OfLevel(Request):
    """A level of groups."""

    level: Label


class Group(Request):
    """A group by name, on a level."""

    level: Label
    label: Label


class ActOn(Request):
    """An act on what was shown; `seen` says what that was."""

    act: SessionAct
    level: Label
    label: Label
    seen: str
    to: Label = ""
    parent: Label = ""
    new: bool = False
    leaves: bool = False
    members: tuple[Label, ...] = ()
    reason: Label = ""


class ActOnLevel(Request):
    """A level to add above another, or to take away."""

    act: LevelAct
    level: Label
    name: Label = ""


class Undo(Request):
    """The decision to take back; the last of this session if empty."""

    of: str = ""


class Seen(Request):
    """Which labels of which wall, as a permalink says it."""

    level: Label = ""
    label: Label = ""
    show: Show = "open"
    kind: Label = ""
    text: Label = ""
    below: float = Field(default=1.01, ge=0, le=1.01)
    photos: Literal["", "some", "none"] = ""
    disputed: bool = False
    reviewer: Label = ""
    second: Label = ""
    order: Order = "doubt"

    def view(self) -> View:
        """As the wall knows it."""
        fields = self.model_dump(include={field.name for field in dataclasses.fields(View)})
        return View(**fields)


class WallPage(Seen):
    """A page of it."""

    offset: int = Field(default=0, ge=0)


class ActOnSelection(Request):
    """An act on labels of a wall; `groups` says where each of `rows` was seen to stand."""

    act: WallAct
    rows: tuple[int, ...]
    groups: tuple[Label, ...]
    to: Label = ""
    parent: Label = ""
    new: bool = False
    reason: Label = ""


class Past(Request):
    """What of the history is wanted."""

    text: Label = ""
    author: Label = ""
    standing: bool = False
    offset: int = Field(default=0, ge=0)
