"""What the page asks of a session, as values that become JSON."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import cast

import numpy as np
from pydantic import ValidationError

from cairnhub.core.errors import BadInput, CairnError
from cairnhub.core.text import label_key, quoted
from cairnhub.hierarchies.review.app.past_api import PastApi
from cairnhub.hierarchies.review.app.photos import Photos
from cairnhub.hierarchies.review.app.requests import (
    About,
    ActOn,
    ActOnLevel,
    ActOnSelection,
    Empty,
    Group,
    OfLevel,
    Past,
    Request,
    Seen,
    Text,
    Undo,
    WallPage,
)
from cairnhub.hierarchies.review.app.wall_api import WallApi
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.evidence import Reasoner
from cairnhub.hierarchies.review.pages import settles
from cairnhub.hierarchies.review.photo_evidence import PhotoEvidence
from cairnhub.hierarchies.review.preview import holdings
from cairnhub.hierarchies.review.question import Question, ask, labels_of
from cairnhub.hierarchies.review.session import Session

Json = dict[str, object]
_N_NEXT, _N_LISTED, _N_KEYS = 8, 60, 9


class ReviewApi:
    """The acts and questions of the page; one request at a time touches the session.

    Args:
        session: what is asked and written.
        dataset: the name shown.
        reasoner: why items are where they are.
        photos: photographs, if there are any.
        evidence: vectors of photographs, if they are given.
    """

    def __init__(
        self,
        session: Session,
        dataset: str,
        reasoner: Reasoner | None = None,
        photos: Photos | None = None,
        evidence: PhotoEvidence | None = None,
    ) -> None:
        self.session = session
        self.dataset = dataset
        self.photos = photos
        self.wall = WallApi(session, photos)
        self.past = PastApi(session)
        self._evidence = evidence
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

    def photo(self, row: int, nth: int, large: bool = False) -> bytes | None:
        """A photo of a label by its row in the layout."""
        names = self.session.layout.labels
        return self.photos.photo(names[row], nth, large) if self.photos and row < len(names) else None

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
            "has_photos": self.photos is not None,
            "in_doubt": int(session.wall.in_doubt.sum()),
            "reviewers": sorted({decision.author for decision in session.decisions if decision.author}),
            "author": session.author,
            "file": session.path.name,
            "levels": session.state.levels,
            "question": self._shown(question) if question else None,
            "progress": {**asdict(progress), "seconds_left": progress.seconds_left},
            "counts": {"types": len(session.proposal.types), "labels": len(session.proposal.labels)},
            "next": [{"level": item.level, "label": item.label} for item in session.waiting[1 : _N_NEXT + 1]],
            "tree": self._tree(),
            "conflicts": [
                {**self.past.told(outcome.decision), "why": outcome.why} for outcome in session.conflicts()
            ],
            "stale": [
                {**self.past.told(outcome.decision), "why": outcome.why} for outcome in session.stale()
            ],
        }

    def question(self, request: About) -> Json:
        """An item that the reviewer chose."""
        return {"question": self._shown(ask(self.session.state, request.level, request.label))}

    def labels(self, request: About) -> Json:
        """Labels of an item or a group with their counts, most images first."""
        state, layout = self.session.state, self.session.layout
        ask(state, request.level, request.label)  # is it there?
        rows = np.array(labels_of(state, request.level, request.label), np.int64)
        ordered = rows[np.argsort(-layout.images[rows], kind="stable")]
        first = state.groups[0].names
        items = [
            {
                "row": row,
                "label": layout.labels[row],
                "n_images": int(layout.images[row]),
                "n_photos": self.photos.count(layout.labels[row]) if self.photos else 0,
                "group": first[state.of_label[row]],
            }
            for row in ordered[request.offset : request.offset + _N_LISTED].tolist()
        ]
        return {"total": len(rows), "items": items, "has_photos": self.photos is not None}

    def members(self, request: About) -> Json:
        """What stands directly in a group, heaviest first, and labels that a person put there without their type."""
        state, layout = self.session.state, self.session.layout
        groups = state.groups_of(request.level)
        ask(state, request.level, request.label)
        code = groups.code_of[label_key(request.label)]
        if groups is state.groups[0]:
            members: list[tuple[str, str, float]] = [
                (item.level, item.label, item.weight)
                for item in (layout.items[row] for row in state.items_in(code).tolist())
            ]
            members += [
                (state.levels[0], layout.labels[row], float(layout.images[row]))
                for row in state.strays_in(code).tolist()
            ]
        else:
            below = state.groups_of(state.resolution.below(request.level)[0])
            images = state.n_images(below.level)
            children = np.flatnonzero(below.parents == code).tolist()
            members = [(below.level, below.names[child], float(images[child])) for child in children]
        members.sort(key=lambda item: (-item[2], item[0], item[1]))
        decided = state.resolution.decided
        items = [
            {
                "level": level,
                "label": label,
                "weight": weight,
                "decided": state.resolution.slot(level, label) in decided,
            }
            for level, label, weight in members[request.offset : request.offset + _N_LISTED]
        ]
        return {"total": len(members), "items": items}

    def children(self, request: Group) -> Json:
        """What stands in a group and can be taken out of it."""
        return {"children": self.session.places.children(request.level, request.label)}

    def branches(self, request: About) -> Json:
        """The undecided members of a group, where it would split in two."""
        question = ask(self.session.state, request.level, request.label)
        stay, leave = self.session.branches(question)
        return {"stay": stay, "leave": leave}

    def groups(self, request: OfLevel) -> Json:
        """Groups of a level, most images first."""
        return {"groups": self._targets(request.level)}

    def find(self, request: Text) -> Json:
        """Groups, types and labels like a text."""
        return {
            "found": [{"level": node.level, "label": node.name} for node in self.session.find(request.text)]
        }

    def parent_of(self, request: Group) -> Json:
        """Whether a group would be new, and the parent that it has or most likely has."""
        session = self.session
        return {
            "new": session.places.is_new(request.level, request.label),
            "parent": session.places.parent_of(request.level, request.label),
            "parents": session.places.parents(request.level),
        }

    # ---- acts ---------------------------------------------------------------------------------------------

    def preview(self, request: ActOn) -> Json:
        """What an act would do."""
        decision = self._draft(request)
        effect = asdict(self.session.preview(decision))
        return {"line": decision.to_line(), "effect": effect, "finest": self.session.state.levels[0]}

    def act(self, request: ActOn) -> Json:
        """Write the decision of an act."""
        asked = ask(self.session.state, request.level, request.label)
        decision = self._draft(request)
        settles = request.act in ("accept", "move", "exclude", "unsure") and len(request.members) in (
            0,
            len(asked.members),
        )
        self.session.save(decision, answers=settles)
        return {"done": self.past.told(decision), "settles": settles, **self.state(Empty())}

    def preview_level(self, request: ActOnLevel) -> Json:
        """What another number of levels would do."""
        decision = self.session.draft_level(request.act, request.level, request.name)
        return {"line": decision.to_line(), "refused": self.session.preview(decision).refused}

    def act_on_level(self, request: ActOnLevel) -> Json:
        """Write the decision on a level."""
        decision = self.session.draft_level(request.act, request.level, request.name)
        self.session.save(decision, answers=False)
        return {"done": self.past.told(decision), **self.state(Empty())}

    def act_on_selection(self, request: ActOnSelection) -> Json:
        """Write the decisions of an act on labels of the wall."""
        made = self.wall.draft(request)
        self.session.save(*made)
        return {"made": [self.past.told(decision) for decision in made], **self.state(Empty())}

    def skip(self, request: About) -> Json:
        """Put a question off."""
        self.session.skip(ask(self.session.state, request.level, request.label))
        return self.state(Empty())

    def unskip(self, request: Empty) -> Json:
        """Ask again what was put off."""
        self.session.unskip()
        return self.state(Empty())

    def undo(self, request: Undo) -> Json:
        """Take a decision back, or a skip."""
        undone = self.session.undo(request.of)
        if undone is None:
            return {"error": "nothing to undo in this session; older decisions are under History"}
        if isinstance(undone, Question):
            return {
                "undone": {"act": "skip", "level": undone.level, "label": undone.label},
                **self.state(Empty()),
            }
        return {"undone": self.past.told(undone), **self.state(Empty())}

    def _draft(self, request: ActOn) -> Decision:
        question = ask(self.session.state, request.level, request.label)
        if request.seen != question.seen:
            raise BadInput(
                f"{quoted([request.label])} has changed since you saw it (another decision): look again"
            )
        return self.session.draft(
            request.act,
            question,
            request.to,
            request.parent,
            request.members,
            request.reason,
            new=request.new,
            leaves=request.leaves,
        )

    # ---- pieces -------------------------------------------------------------------------------------------

    def _shown(self, question: Question) -> Json:
        """A question with its reasons and its place."""
        session, state = self.session, self.session.state
        is_group = question.level in state.levels[1:]
        level, group = (question.level, question.label) if is_group else (state.levels[1], question.group)
        target = session.places.target_level(question)
        return {
            **asdict(question),
            "suggestions": [
                {"name": name, "new": session.places.is_new(target, name)}
                for name in question.suggestions[:_N_KEYS]
            ],
            "notes": state.resolution.unsure.get((question.level, label_key(question.label))),
            "is_group": is_group,
            "members_level": state.resolution.below(question.level)[0] if question.members else "",
            "of_groups": question.level in state.levels[2:],
            "target_level": target,
            "place": {
                "level": level,
                "group": group,
                "path": state.path(level, state.groups_of(level).code_of[label_key(group)]),
            },
            "n_labels": len(labels_of(state, question.level, question.label))
            if session.proposal.labels
            else 0,
            "assigns": bool(session.proposal.types)
            and (state.levels[0], label_key(question.label)) in session.layout.row_of,
            "decisions": [self.past.told(decision) for decision in self._about(question)],
            "reasons": asdict(self._reasoner.of(question, state)),
            "photo_vote": self._photo_vote(question),
        }

    def _photo_vote(self, question: Question) -> Json | None:
        """What photographs say of a label or a type."""
        state = self.session.state
        if self._evidence is None or question.level in state.levels[1:]:
            return None
        vote = self._evidence.vote(self.session.wall, labels_of(state, question.level, question.label))
        return asdict(vote) if vote.near else None

    def _targets(self, level: str) -> list[Json]:
        """Groups that something can go to, most images first."""
        groups, state = self.session.state.groups_of(level), self.session.state
        counts, labels = state.n_images(level).tolist(), state.n_labels(level).tolist()
        listed: list[Json] = [
            {"name": name, "path": state.path(level, code), "n_images": counts[code]}
            for code, name in enumerate(groups.names)
            if labels[code] or level == state.levels[-1]
        ]
        return sorted(listed, key=lambda group: (-cast(int, group["n_images"]), cast(str, group["name"])))

    def _about(self, question: Question) -> list[Decision]:
        """Standing decisions about what is asked, also where it had another name."""
        state = self.session.state

        def now(level: str, name: str) -> tuple[str, str | int | None]:
            if level not in state.levels[1:]:
                return level, label_key(name)
            return level, state.groups_of(level).code_of_key.get(state.resolution.slot(level, name)[1])

        asked: tuple[str, str | int | None] = question.level, label_key(question.label)
        if question.level in state.levels[1:]:
            asked = question.level, state.groups_of(question.level).code_of[label_key(question.label)]
        return [
            decision
            for decision in state.resolution.standing
            if any(now(level, name) == asked for level, name in settles(state, decision))
        ]

    def _tree(self) -> list[Json]:
        """Groups of the first level by those above them, most images first."""
        held = holdings(self.session.state)
        ranked = sorted(held.items(), key=lambda item: (item[1].path[::-1], -item[1].n_images, item[0]))
        return [{"name": name, **asdict(holding)} for name, holding in ranked]


_CALLS: dict[str, tuple[type[Request], Callable[..., Json]]] = {
    "version": (Empty, ReviewApi.version),
    "state": (Empty, ReviewApi.state),
    "question": (About, ReviewApi.question),
    "labels": (About, ReviewApi.labels),
    "members": (About, ReviewApi.members),
    "children": (Group, ReviewApi.children),
    "branches": (About, ReviewApi.branches),
    "groups": (OfLevel, ReviewApi.groups),
    "find": (Text, ReviewApi.find),
    "parent_of": (Group, ReviewApi.parent_of),
    "preview": (ActOn, ReviewApi.preview),
    "act": (ActOn, ReviewApi.act),
    "preview_level": (ActOnLevel, ReviewApi.preview_level),
    "act_on_level": (ActOnLevel, ReviewApi.act_on_level),
    "skip": (About, ReviewApi.skip),
    "unskip": (Empty, ReviewApi.unskip),
    "undo": (Undo, ReviewApi.undo),
    "history": (Past, lambda api, request: api.past.history(request)),
    "to_settle": (Empty, lambda api, request: api.past.to_settle(request)),
    "wall": (WallPage, lambda api, request: api.wall.page(request)),
    "wall_rows": (Seen, lambda api, request: api.wall.rows(request)),
    "preview_selection": (ActOnSelection, lambda api, request: api.wall.preview(request)),
    "act_on_selection": (ActOnSelection, ReviewApi.act_on_selection),
}
