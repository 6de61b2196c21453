"""What the page asks of a session, as values that become JSON."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cairnhub.core.errors import BadInput, CairnError
from cairnhub.core.text import label_key, quoted
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.evidence import Reasoner
from cairnhub.hierarchies.review.preview import holdings
from cairnhub.hierarchies.review.queue import Question, ask, landmarks_of, settles
from cairnhub.hierarchies.review.session import Session

Json = dict[str, object]
Photos = Callable[[str, int], bytes | None]
"""The n-th sample photo of a landmark as JPEG; None where there is none."""

_N_NEXT, _N_RECENT, _N_LISTED = 8, 30, 60
Label = Annotated[str, Field(max_length=100_000)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Empty(_Request):
    """Nothing is said."""


class About(_Request):
    """Which item is meant, and from where on its list is wanted."""

    level: Literal["type", "landmark", "category"]
    label: Label
    offset: int = Field(default=0, ge=0)


class Text(_Request):
    """A text to look for."""

    text: Label


class ActOn(_Request):
    """An act on what was shown; `seen` says what that was."""

    act: Literal["accept", "move", "rename", "merge", "split"]
    level: Literal["type", "landmark", "category"]
    label: Label
    seen: str
    to: Label = ""
    kind: str = ""
    members: tuple[Label, ...] = ()
    reason: Label = ""


class Undo(_Request):
    """The decision to take back; the last of this session if empty."""

    of: str = ""


class ReviewApi:
    """The acts and questions of the page; one request at a time touches the session.

    Args:
        session: what is asked and written.
        dataset: the name shown.
        reasoner: why items are where they are.
        photos: sample photos, if there are any.
    """

    def __init__(
        self, session: Session, dataset: str, reasoner: Reasoner | None = None, photos: Photos | None = None
    ) -> None:
        self.session = session
        self.dataset = dataset
        self.photos = photos
        self._reasoner = reasoner or Reasoner()
        self._lock = threading.Lock()

    def answer(self, name: str, body: Mapping[str, object]) -> Json:
        """Do what a request asks; a user's mistake is an answer with `error`."""
        if name not in _CALLS:
            return {"error": f"there is no request {quoted([name])}"}
        model, call = _CALLS[name]
        try:
            request = model.model_validate(body)
        except ValidationError as error:
            first = error.errors()[0]
            return {"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}
        with self._lock:
            try:
                self.session.refresh()
                return call(self, request)
            except CairnError as error:
                return {"error": str(error)}

    def photo(self, leaf: int, nth: int) -> bytes | None:
        """A sample photo of a leaf of the layout."""
        names = self.session.layout.leaves
        return self.photos(names[leaf], nth) if self.photos and leaf < len(names) else None

    # ---- questions ----------------------------------------------------------------------------------------

    def version(self, request: Empty) -> Json:
        """Whether the file changed since."""
        return {"version": self.session.version}

    def state(self, request: Empty) -> Json:
        """Everything the page shows, with the next question."""
        session = self.session
        question = session.first()
        progress = session.progress()
        return {
            "version": session.version,
            "dataset": self.dataset,
            "author": session.author,
            "file": session.path.name,
            "kinds": session.kinds,
            "question": self._shown(question) if question else None,
            "progress": {**asdict(progress), "seconds_left": progress.seconds_left},
            "next": [{"level": item.level, "label": item.label} for item in session.waiting[1 : _N_NEXT + 1]],
            "tree": self._tree(),
            "recent": [self._decided(decision) for decision in session.decisions[: -_N_RECENT - 1 : -1]],
            "conflicts": [
                {**self._decided(outcome.decision), "why": outcome.why} for outcome in session.conflicts()
            ],
        }

    def question(self, request: About) -> Json:
        """An item that the reviewer chose."""
        return {"question": self._shown(ask(self.session.state, request.level, request.label))}

    def landmarks(self, request: About) -> Json:
        """Landmarks of an item with their counts, most images first."""
        state, layout = self.session.state, self.session.layout
        ask(state, request.level, request.label)  # is it there?
        leaves = np.array(landmarks_of(state, request.level, request.label), np.int64)
        ordered = leaves[np.argsort(-layout.images[leaves], kind="stable")]
        items = [
            {
                "leaf": leaf,
                "label": layout.leaves[leaf],
                "n_images": int(layout.images[leaf]),
                "category": state.names[state.of_leaf[leaf]],
            }
            for leaf in ordered[request.offset : request.offset + _N_LISTED].tolist()
        ]
        return {"total": len(leaves), "items": items, "has_photos": self.photos is not None}

    def members(self, request: About) -> Json:
        """What stands in a category, heaviest first: types, landmarks without one, landmarks put there."""
        state, layout = self.session.state, self.session.layout
        ask(state, "category", request.label)
        code = state.code_of[label_key(request.label)]
        members: list[tuple[str, str, float]] = [
            (item.level, item.label, item.weight)
            for item in (layout.items[row] for row in state.items_in(code).tolist())
        ]
        members += [
            ("landmark", layout.leaves[leaf], float(layout.images[leaf]))
            for leaf in state.strays_in(code).tolist()
        ]
        members.sort(key=lambda item: (-item[2], item[0], item[1]))
        decided = state.resolution.decided
        items = [
            {
                "level": level,
                "label": label,
                "weight": weight,
                "decided": (level, label_key(label)) in decided,
            }
            for level, label, weight in members[request.offset : request.offset + _N_LISTED]
        ]
        return {"total": len(members), "items": items}

    def types(self, request: About) -> Json:
        """Types of a category: what a split can take out."""
        return {"types": self.session.types_in(request.label)}

    def find(self, request: Text) -> Json:
        """Categories, types and landmarks like a text."""
        return {
            "found": [{"level": node.level, "label": node.name} for node in self.session.find(request.text)]
        }

    def kind_of(self, request: Text) -> Json:
        """Whether a category would be new, and the kind that it has or most likely has."""
        return {"new": self.session.is_new(request.text), "kind": self.session.kind_of(request.text)}

    # ---- acts ---------------------------------------------------------------------------------------------

    def preview(self, request: ActOn) -> Json:
        """What an act would do."""
        decision = self._draft(request)
        return {"line": decision.to_line(), "effect": asdict(self.session.preview(decision))}

    def act(self, request: ActOn) -> Json:
        """Write the decision of an act."""
        decision = self._draft(request)
        settles = request.act in ("accept", "move")
        self.session.save(decision, answers=settles)
        return {"done": self._decided(decision), "settles": settles, **self.state(Empty())}

    def skip(self, request: About) -> Json:
        """Put a question off."""
        self.session.skip(ask(self.session.state, request.level, request.label))
        return self.state(Empty())

    def unskip(self, request: Empty) -> Json:
        """Ask again what was put off."""
        self.session.skipped.clear()
        return self.state(Empty())

    def undo(self, request: Undo) -> Json:
        """Take a decision back."""
        undone = self.session.undo(request.of)
        if undone is None:
            return {"error": "nothing to undo in this session; older decisions are under History"}
        return {"undone": self._decided(undone), **self.state(Empty())}

    def _draft(self, request: ActOn) -> Decision:
        question = ask(self.session.state, request.level, request.label)
        if request.seen != question.seen:
            raise BadInput(
                f"{quoted([request.label])} has changed since you saw it (another decision): look again"
            )
        return self.session.draft(
            request.act, question, request.to, request.kind, request.members, request.reason
        )

    # ---- pieces -------------------------------------------------------------------------------------------

    def _shown(self, question: Question) -> Json:
        """A question with its reasons and its place."""
        state = self.session.state
        category = question.label if question.level == "category" else question.category
        code = state.code_of[label_key(category)]
        leaves = landmarks_of(state, question.level, question.label)
        return {
            **asdict(question),
            "suggestions": [
                {"name": name, "new": question.level != "category" and self.session.is_new(name)}
                for name in question.suggestions[:9]
            ],
            "place": {"category": category, "kind": state.kinds[code]},
            "n_landmarks": len(leaves) if self.session.proposal.landmarks else 0,
            "assigns": ("landmark", label_key(question.label)) in self.session.layout.row_of,
            "decisions": [self._decided(decision) for decision in self._about(question)],
            "reasons": asdict(self._reasoner.of(question, state)),
        }

    def _about(self, question: Question) -> list[Decision]:
        """Standing decisions about what is asked."""
        slot = question.level, label_key(question.label)
        standing = self.session.state.resolution.standing
        return [d for d in standing if slot in {(level, label_key(label)) for level, label in settles(d)}]

    def _tree(self) -> list[Json]:
        """Categories by kind, most images first."""
        held = holdings(self.session.state)
        ranked = sorted(held.items(), key=lambda item: (item[1].kind, -item[1].n_images, item[0]))
        return [{"name": name, **asdict(holding)} for name, holding in ranked]

    def _decided(self, decision: Decision) -> Json:
        standing = {decision.id for decision in self.session.state.resolution.standing}
        return {"id": decision.id, **asdict(decision), "standing": decision.id in standing}


_CALLS: dict[str, tuple[type[_Request], Callable[..., Json]]] = {
    "version": (Empty, ReviewApi.version),
    "state": (Empty, ReviewApi.state),
    "question": (About, ReviewApi.question),
    "landmarks": (About, ReviewApi.landmarks),
    "members": (About, ReviewApi.members),
    "types": (About, ReviewApi.types),
    "find": (Text, ReviewApi.find),
    "kind_of": (Text, ReviewApi.kind_of),
    "preview": (ActOn, ReviewApi.preview),
    "act": (ActOn, ReviewApi.act),
    "skip": (About, ReviewApi.skip),
    "unskip": (Empty, ReviewApi.unskip),
    "undo": (Undo, ReviewApi.undo),
}
