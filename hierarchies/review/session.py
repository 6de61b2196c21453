"""A review session: what is asked, what each act writes. The terminal and the app are two faces of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Literal

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.text import fold, label_key
from cairnhub.hierarchies.label_tree.label_rules import check_names
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.label_tree.search import search
from cairnhub.hierarchies.proposal.concepts import load_concepts
from cairnhub.hierarchies.proposal.proposal import Proposal
from cairnhub.hierarchies.review.apply import PENDING_BELOW
from cairnhub.hierarchies.review.decisions import Act, Decision, append_decision, read_decisions
from cairnhub.hierarchies.review.preview import Effect, effect_of, refusal
from cairnhub.hierarchies.review.queue import Question, ask, waiting
from cairnhub.hierarchies.review.resolution import Outcome
from cairnhub.hierarchies.review.state import Layout, ReviewItem, ReviewState

SessionAct = Literal["accept", "move", "rename", "merge", "split"]
_PAUSE_S = 300.0  # a longer gap between two answers is a break, no thinking


def utc_now() -> str:
    """Time of a decision, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Progress:
    """How far a review is.

    Attributes:
        n_answered: questions answered in this session.
        n_left: undecided questions.
        n_doubtful: those among them that the machine doubts (confidence below `PENDING_BELOW`).
        n_skipped: those put off in this session.
        settled: share of all images x doubt that is decided, 0..1.
        seconds_each: median time of an answer in this session; None before the second.
    """

    n_answered: int
    n_left: int
    n_doubtful: int
    n_skipped: int
    settled: float
    seconds_each: float | None

    @property
    def seconds_left(self) -> float | None:
        """For what the machine doubts, at the pace so far."""
        return None if self.seconds_each is None else self.seconds_each * self.n_doubtful


@dataclass
class Session:
    """One reviewer at one decisions file; other processes may write to it meanwhile.

    Attributes:
        proposal: what is reviewed.
        path: decisions file; a line is added by each act, so an interruption loses nothing.
        author: written into every decision.
        now: time of a decision, ISO 8601.
        clock: seconds, to measure the pace.
        given: decisions that stand beside those of the file, and are not written to it.
    """

    proposal: Proposal
    path: Path
    author: str
    now: Callable[[], str] = utc_now
    clock: Callable[[], float] = time.monotonic
    given: Sequence[Decision] = ()
    made: list[Decision] = field(default_factory=list, init=False)
    skipped: set[tuple[str, str]] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.layout = Layout.of(self.proposal)
        self._stamp: tuple[int, ...] | None = None
        self._decisions: list[Decision] = []
        self._state: ReviewState | None = None
        self._undecided: list[ReviewItem] | None = None
        self._folded: list[tuple[Node, str]] = []
        self._answered_at: list[float] = []
        self.refresh()
        self._doubt = -sum(item.rank for item in waiting(self.layout.state(())))

    # ---- what is so ---------------------------------------------------------------------------------------

    @property
    def decisions(self) -> Sequence[Decision]:
        """All decisions: those given, then those of the file, of every reviewer."""
        return self._decisions

    @property
    def version(self) -> str:
        """Changes whenever the file does."""
        return "-".join(map(str, self._stamp or ()))

    def refresh(self) -> None:
        """Read the file again if it changed: another reviewer wrote, or git merged.

        Raises:
            CairnError: a line cannot be understood.
        """
        stamp = _stamp(self.path)
        if stamp == self._stamp:
            return
        decisions = [*self.given, *read_decisions(self.path)]
        if decisions != self._decisions:
            self._decisions, self._state, self._undecided = decisions, None, None
        self._stamp = stamp

    @property
    def state(self) -> ReviewState:
        """Where everything stands now."""
        if self._state is None:
            self._state = self.layout.state(self._decisions)
        return self._state

    @property
    def undecided(self) -> list[ReviewItem]:
        """What nobody has decided, in the order to ask about it."""
        if self._undecided is None:
            self._undecided = waiting(self.state)
        return self._undecided

    @property
    def waiting(self) -> list[ReviewItem]:
        """What is undecided and was not skipped in this session."""
        if not self.skipped:
            return self.undecided
        return [item for item in self.undecided if (item.level, item.key) not in self.skipped]

    def first(self) -> Question | None:
        """What to ask next."""
        if not self._answered_at:
            self._answered_at.append(self.clock())
        left = self.waiting
        return ask(self.state, left[0].level, left[0].label) if left else None

    def conflicts(self) -> tuple[Outcome, ...]:
        """Decisions of the file that contradict each other: the review stage stops until all but one are undone."""
        return tuple(
            sorted(self.state.resolution.outcomes["conflicting"], key=lambda outcome: outcome.decision.id)
        )

    def categories(self) -> tuple[str, ...]:
        """Names of all categories, sorted."""
        return tuple(sorted(self.state.names))

    def types_in(self, category: str) -> tuple[str, ...]:
        """Types that stand in a category: what a split can take out."""
        code = self.state.code_of.get(label_key(category))
        rows = [] if code is None else self.state.items_in(code).tolist()
        items = (self.layout.items[row] for row in rows)
        return tuple(item.label for item in items if item.level == "type")

    def kind_of(self, category: str) -> str:
        """Kind of a category, or of the everyday concept of that name; empty where neither is known."""
        code = self.state.code_of.get(label_key(category))
        concept = load_concepts().by_name.get(label_key(category))
        return self.state.kinds[code] if code is not None else concept.kind if concept else ""

    def is_new(self, category: str) -> bool:
        """Whether a move to this category would have to make it."""
        return label_key(category) not in self.state.code_of

    def find(self, text: str, limit: int = 12) -> list[Node]:
        """Categories, types and landmarks like a text, best first."""
        if not self._folded:
            self.prepare_search()
        now = [(Node("category", name), fold(name)) for name in self.categories()]
        return search(text, [*now, *self._folded], limit)

    def prepare_search(self) -> None:
        """Fold all labels: a second for 200,000, which the first search need not wait for."""
        types = (Node("type", entry.text) for entry in self.proposal.types)
        landmarks = (Node("landmark", entry.name) for entry in self.proposal.landmarks)
        self._folded = [(node, fold(node.name)) for node in (*types, *landmarks)]

    def progress(self) -> Progress:
        """How far the review is, and how fast it goes."""
        left, everything = self.waiting, self.undecided
        gaps = [b - a for a, b in zip(self._answered_at, self._answered_at[1:], strict=False)]
        thinking = [gap for gap in gaps if gap < _PAUSE_S]
        return Progress(
            n_answered=len(gaps),
            n_left=len(left),
            n_doubtful=sum(item.confidence < PENDING_BELOW for item in left),
            n_skipped=len(everything) - len(left),
            settled=1 + sum(item.rank for item in everything) / self._doubt if self._doubt else 1.0,
            seconds_each=median(thinking) if thinking else None,
        )

    # ---- acts ---------------------------------------------------------------------------------------------

    def draft(
        self,
        act: SessionAct,
        question: Question,
        to: str = "",
        kind: str = "",
        members: Sequence[str] = (),
        reason: str = "",
    ) -> Decision:
        """The decision that an act on a question is; nothing is written yet.

        Args:
            act: `accept` and `move` (`assign`, for a landmark without a type) are about what is asked; `rename`,
                `merge` and `split` about its category.
            question: what was shown.
            to: category, kind or new name; not needed for `accept`.
            kind: of a category that is new.
            members: types that a split takes out.
            reason: why, if the reviewer says so.

        Raises:
            CairnError: no or an impossible name, or a new category without a kind.
        """
        of_category = act in ("rename", "merge", "split")
        label = question.category if of_category and question.level != "category" else question.label
        target = question.category if act == "accept" else self._spelt(act, question, to)
        makes = act == "move" and question.level != "category" and self.is_new(target)
        if makes and kind not in self.kinds:
            raise BadInput(f"{target!r} would be a new category: say whether it is {' or '.join(self.kinds)}")
        untyped = ("landmark", label_key(label)) in self.layout.row_of
        final: Act = "assign" if act == "move" and question.level == "landmark" and untyped else act
        return Decision(
            act=final,
            level="category" if of_category else question.level,
            label=label,
            to=target,
            kind=kind if makes else self.kind_of(label) if act == "split" and self.is_new(target) else "",
            members=tuple(members) if act == "split" else (),
            author=self.author,
            date=self.now(),
            reason=reason.strip(),
            seen=question.seen,
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds there are."""
        return tuple(sorted({"natural", "human-made", *self.state.kinds}))

    def _spelt(self, act: SessionAct, question: Question, to: str) -> str:
        """A name as typed, or as the tree spells it where it is known there."""
        name = " ".join(to.split())
        check_names([name], "kind" if act == "move" and question.level == "category" else "category")
        code = self.state.code_of.get(label_key(name))
        joins = act == "merge" or (act == "move" and question.level != "category")
        return self.state.names[code] if joins and code is not None else name

    def preview(self, decision: Decision) -> Effect:
        """What a decision would do, were it saved now."""
        return effect_of(decision, self.state, self.layout.state([*self._decisions, decision]))

    def save(self, decision: Decision, answers: bool = True) -> None:
        """Write a decision, unless it does not fit what the file holds by now.

        Args:
            decision: what to write.
            answers: whether it deals with the question asked, for the pace.

        Raises:
            CairnError: it matches nothing, or contradicts a decision of somebody; nothing is written.
        """
        after: ReviewState | None = None

        def fits(written: Sequence[Decision]) -> None:
            nonlocal after
            others = [*self.given, *written]
            before = self.state if others == self._decisions else self.layout.state(others)
            after = self.layout.state([*others, decision])
            if why := refusal(decision, before, after):
                raise BadInput(f"not written: {why}")

        self._decisions = [*self.given, *append_decision(self.path, decision, fits)]
        self._state, self._undecided = after, None
        self.refresh()  # it is our own line that changed the file, unless somebody was quick
        self.made.append(decision)
        if answers:
            self._answered_at.append(self.clock())

    def skip(self, question: Question) -> None:
        """Put a question off until the next session."""
        self.skipped.add((question.level, label_key(question.label)))
        self._answered_at.append(self.clock())

    def undo(self, of: str = "") -> Decision | None:
        """Take back a decision, by default the last standing one of this session.

        Returns:
            What was taken back; None where nothing is left.
        """
        standing = {decision.id: decision for decision in self.state.resolution.standing}
        mine = [decision.id for decision in self.made if decision.id in standing]
        chosen = of or (mine[-1] if mine else "")
        if not chosen:
            return None
        if chosen not in standing:
            raise NotFound(f"there is no decision {chosen} to take back (any more)")
        self.save(Decision("undo", of=chosen, author=self.author, date=self.now()), answers=False)
        return standing[chosen]


def _stamp(path: Path) -> tuple[int, ...]:
    """What tells that a file has changed; each write makes a new file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size
