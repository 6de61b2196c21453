"""A review session: what is asked, what each act writes. The terminal and the app are two faces of it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cairnhub.core.collector import collector_paused
from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.text import fold, label_key
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.label_tree.search import search
from cairnhub.hierarchies.label_tree.tree_rules import check_levels
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, TreeProposal
from cairnhub.hierarchies.review.branches import two_branches
from cairnhub.hierarchies.review.decisions import Act, Decision, append_decisions, read_decisions
from cairnhub.hierarchies.review.outcomes import Outcome
from cairnhub.hierarchies.review.places import Places, Target
from cairnhub.hierarchies.review.preview import Effect, effect_of, refusal
from cairnhub.hierarchies.review.progress import Progress, measure
from cairnhub.hierarchies.review.question import Question, ask
from cairnhub.hierarchies.review.queue import Queue, waiting
from cairnhub.hierarchies.review.selection import Selection, WallAct
from cairnhub.hierarchies.review.state import Layout, ReviewState
from cairnhub.hierarchies.review.wall import Wall

SessionAct = Literal["accept", "move", "exclude", "unsure", "rename", "merge", "split"]
LevelAct = Literal["add_level", "remove_level"]


def utc_now() -> str:
    """Time of a decision, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


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

    proposal: TreeProposal
    path: Path
    author: str
    now: Callable[[], str] = utc_now
    clock: Callable[[], float] = time.monotonic
    given: Sequence[Decision] = ()
    made: list[Decision] = field(default_factory=list, init=False)
    skipped: set[tuple[str, str]] = field(default_factory=set, init=False)
    _steps: list[tuple[Decision, ...] | Question] = field(default_factory=list, init=False)

    @collector_paused()
    def __post_init__(self) -> None:
        self.layout = Layout.of(self.proposal)
        self._stamp: tuple[int, ...] | None = None
        self._decisions: list[Decision] = []
        self._state: ReviewState | None = None
        self._undecided: Queue | None = None
        self._left: Queue | None = None  # of these, without what was skipped
        self._wall: Wall | None = None
        self._folded: list[tuple[Node, str]] = []
        self._answered_at: list[float] = []
        self.refresh()
        self._doubt = waiting(self.layout.state(())).doubt

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
            self._decisions = decisions
            self._now_at(None)
        self._stamp = stamp

    def _now_at(self, state: ReviewState | None) -> None:
        self._state, self._undecided, self._left = state, None, None

    @property
    def state(self) -> ReviewState:
        """Where everything stands now."""
        if self._state is None:
            self._state = self.layout.state(self._decisions)
        return self._state

    @property
    def places(self) -> Places:
        """Where things can go now."""
        return Places(self.state)

    @property
    def wall(self) -> Wall:
        """All labels as they stand now."""
        if self._wall is None or self._wall.state is not self.state:
            self._wall = Wall(self.state)
        return self._wall

    @property
    def undecided(self) -> Queue:
        """What nobody has decided, in the order to ask about it."""
        if self._undecided is None:
            self._undecided = waiting(self.state)
        return self._undecided

    @property
    def waiting(self) -> Queue:
        """What is undecided and was not skipped in this session."""
        undecided = self.undecided
        if not self.skipped:
            return undecided
        if self._left is None:
            self._left = undecided.without(self.skipped)
        return self._left

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

    def stale(self) -> tuple[Outcome, ...]:
        """Decisions of the file that match nothing any more: kept, without effect."""
        return tuple(sorted(self.state.resolution.outcomes["stale"], key=lambda outcome: outcome.decision.id))

    def find(self, text: str, limit: int = 12) -> list[Node]:
        """Groups, types and labels like a text, best first."""
        if not self._folded:
            self.prepare_search()
        now = [(Node(g.level, name), fold(name)) for g in self.state.groups for name in sorted(g.names)]
        return search(text, [*now, *self._folded], limit)

    def prepare_search(self) -> None:
        """Fold all labels: a second for 200,000, which the first search need not wait for."""
        types = [(Node(TYPE, entry.text), fold(entry.text)) for entry in self.proposal.types]
        finest = self.proposal.levels[0]
        labels = zip(
            (Node(finest, entry.label) for entry in self.proposal.labels), self.layout.folded, strict=False
        )
        self._folded = [*types, *labels]

    def progress(self) -> Progress:
        """How far the review is, and how fast it goes."""
        return measure(self.waiting, self.undecided, self._answered_at, self._doubt)

    # ---- acts ---------------------------------------------------------------------------------------------

    def draft(
        self,
        act: SessionAct,
        question: Question,
        to: str = "",
        parent: str = "",
        members: Sequence[str] = (),
        reason: str = "",
        new: bool = False,
        leaves: bool = False,
    ) -> Decision:
        """The decision that an act on a question is; nothing is written yet.

        Args:
            act: `accept` and `move` are about what is asked, or about `members` of the group that is asked; `exclude`
                takes them out of it, wherever else they belong; `unsure`: nobody can tell; `rename`, `merge` and
                `split` are about the group, or about that in which the thing in question stands.
            question: what was shown.
            to: group or new name; not needed for `accept`.
            parent: of a group that is new, unless it is on the coarsest level; by default that of the group asked.
            members: several things in the group that is asked, who may make a new group; what a split takes out.
            reason: why, if the reviewer says so.
            leaves: that the members leave the others of the group in question, who do not follow.
            new: that a group on the coarsest level is to be made; a slip of the pen makes none.

        Raises:
            CairnError: no or an impossible name, or a new group without a parent.
        """
        said = {"author": self.author, "date": self.now(), "reason": reason.strip(), "seen": question.seen}
        if act in ("rename", "merge", "split"):
            return self._on_group(act, question, to, tuple(members), said)
        below = self._level_of_members(question) if members else question.level
        level = question.level if members else self.places.target_level(question)
        shown = question.label if members else question.group
        is_top = level == self.state.levels[-1]
        if members and not is_top and not parent:
            parent = self.places.parent_of(level, question.label)
        name = shown if act in ("accept", "exclude") else to
        target = (
            Target("")
            if act == "unsure"
            else self.places.target(level, name, act == "move", parent, new or bool(members))
        )
        untyped = bool(self.proposal.types) and (below, label_key(question.label)) in self.layout.row_of
        assigns = act == "move" and below == self.state.levels[0] and untyped and not members
        return Decision(
            act="assign" if assigns else act,
            level=below,
            label=question.label if leaves or not members else "",
            to=target.name,
            kind=target.parent,
            members=tuple(members),
            new=target.new,
            **said,
        )

    def draft_selection(
        self,
        act: WallAct,
        rows: Sequence[int],
        to: str = "",
        parent: str = "",
        new: bool = False,
        reason: str = "",
    ) -> tuple[Decision, ...]:
        """The decisions that an act on labels of the wall is, by their rows, as `Selection.decisions` says."""
        chosen = Selection(self.wall, rows)
        return chosen.decisions(act, self.author, self.now(), to, parent, new, reason)

    def draft_level(self, act: LevelAct, level: str, name: str = "") -> Decision:
        """The decision to add a level above another, or to take one away; nothing is written yet.

        Args:
            act: what is done.
            level: above which a level is added, or which goes.
            name: of the new level.

        Raises:
            BadInput: a name that no level can have.
        """
        if act == "add_level":
            check_levels((*self.state.levels, " ".join(name.split())))
        return Decision(act, level=level, to=" ".join(name.split()), author=self.author, date=self.now())

    def _on_group(
        self, act: Act, question: Question, to: str, members: tuple[str, ...], said: Mapping[str, str]
    ) -> Decision:
        """A rename, merge or split of the group in question, or of that in which the thing in question stands."""
        is_group = question.level in self.state.levels[1:]
        level = question.level if is_group else self.state.levels[1]
        label = question.label if is_group else question.group
        target = self.places.spelt(level, to, joins=act == "merge")
        makes = act == "split" and self.places.is_new(level, target)
        return Decision(
            act=act,
            level=level,
            label=label,
            to=target,
            kind=self.places.parent_of(level, label) if makes else "",
            members=members if act == "split" else (),
            new=makes and level == self.state.levels[-1],
            **said,
        )

    def branches(self, question: Question) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The undecided labels of the group in question where it would split in two, the larger branch first.

        Raises:
            BadInput: groups are asked about together, of which nothing tells how like they are.
        """
        if question.level not in self.state.levels[:2]:
            raise BadInput(f"groups in {question.label!r} have no branches: choose some of them")
        return two_branches(self.proposal, question.members)

    def _level_of_members(self, question: Question) -> str:
        """Where the members of the group in question stand.

        Raises:
            BadInput: it is no group, or types place what is in it.
        """
        if question.level not in self.state.levels[1:]:
            raise BadInput(f"{question.label!r} is no group: it has no members to choose from")
        return self.state.resolution.below(question.level)[0]

    def preview(self, *decisions: Decision) -> Effect:
        """What decisions would do, were they saved now."""
        return effect_of(decisions, self.state, self.layout.state([*self._decisions, *decisions]))

    def save(self, *decisions: Decision, answers: bool = True) -> None:
        """Write what one act decides, all or nothing, unless it does not fit what the file holds by now.

        Args:
            decisions: what to write.
            answers: whether it deals with the question asked, for the pace.

        Raises:
            CairnError: it matches nothing, or contradicts a decision of somebody; nothing is written.
        """
        after: ReviewState | None = None
        others: list[Decision] = []

        def fitting(written: Sequence[Decision]) -> Sequence[Decision]:
            nonlocal after
            others.extend((*self.given, *written))
            before = self.state if others == self._decisions else self.layout.state(others)
            after = self.layout.state([*others, *decisions])
            for decision in decisions:
                if why := refusal(decision, before, after):
                    raise BadInput(f"not written: {why}")
            return decisions

        append_decisions(self.path, fitting)
        self._decisions = [*others, *decisions]
        self._now_at(after)
        self.refresh()  # it is our own line that changed the file, unless somebody was quick
        self.made += decisions
        self._steps.append(decisions)
        if answers:
            self._answered_at.append(self.clock())

    def skip(self, question: Question) -> None:
        """Put a question off until the next session."""
        self.skipped.add((question.level, label_key(question.label)))
        self._left = None
        self._steps.append(question)
        self._answered_at.append(self.clock())

    def unskip(self) -> None:
        """Ask again what was put off."""
        self.skipped.clear()
        self._left = None

    def undo(self, of: str = "") -> Decision | Question | None:
        """Take back a decision, by default the last step of this session: what an act wrote, or a skip.

        Returns:
            What was taken back, the first of several, or the question that is asked again; None where nothing is left.
        """
        standing = {decision.id: decision for decision in self.state.resolution.standing}
        chosen = (of,) if of else self._last_step(standing)
        if not chosen:
            return None
        if isinstance(chosen, Question):
            self.skipped.discard((chosen.level, label_key(chosen.label)))
            self._left = None
            return chosen
        if not standing.keys() >= set(chosen):
            raise NotFound(f"there is no decision {chosen[0]} to take back (any more)")
        date = self.now()
        self.save(*(Decision("undo", of=id_, author=self.author, date=date) for id_ in chosen), answers=False)
        return standing[chosen[0]]

    def _last_step(self, standing: Mapping[str, Decision]) -> tuple[str, ...] | Question | None:
        """The last question that is still put off, or the ids of what the last act wrote that stands: the later one."""
        for step in reversed(self._steps):
            if isinstance(step, Question):
                if (step.level, label_key(step.label)) in self.skipped:
                    return step
            elif ids := tuple(decision.id for decision in step if decision.id in standing):
                return ids
        return None


def _stamp(path: Path) -> tuple[int, ...]:
    """What tells that a file has changed; each write makes a new file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size
