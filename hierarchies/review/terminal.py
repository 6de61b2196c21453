"""Review in the terminal: one question at a time, one key per act, saved at once."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hierarchies.build.proposal import Proposal
from hierarchies.errors import CairnError
from hierarchies.names import fold
from hierarchies.review.apply import resolve
from hierarchies.review.decisions import Decision, append_decision, read_decisions
from hierarchies.review.queue import Question, queue

try:
    import termios
    import tty
except ImportError:  # not on Windows
    termios = None  # type: ignore[assignment]

KEYS = "a accept  1-9 suggestion  m move  r rename  g merge  s skip  u undo  ? categories  q quit"


@dataclass
class Review:
    """A review session over a proposal and the file that keeps its decisions.

    Attributes:
        proposal: what is reviewed.
        path: decisions file; rewritten whole after each act, so an interruption loses nothing, and what others
            decide meanwhile is taken over.
        author: written into every decision.
        console: where to print.
        read_key: gives one key.
        read_line: shows a prompt and gives a line of text.
        now: time of a decision, ISO 8601.
    """

    proposal: Proposal
    path: Path
    author: str
    console: Console
    read_key: Callable[[], str]
    read_line: Callable[[str], str]
    now: Callable[[], str] = field(default=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def __post_init__(self) -> None:
        self.decisions = read_decisions(self.path)
        self.made: list[Decision] = []
        self.skipped: set[tuple[str, str]] = set()

    def run(self, limit: int | None = None) -> int:
        """Ask until the queue is empty, `limit` questions are answered or the reviewer quits.

        Returns:
            How many decisions were written.
        """
        answered, questions = 0, self._open_questions()
        total = len(questions)
        while questions and (limit is None or answered < limit):
            self._show(questions[0], answered, total)
            n_known = len(self.decisions)
            try:
                key = self.read_key().lower()
                if key in ("q", "\x03", "\x04", ""):
                    break
                is_answered = self._act(key, questions[0])
                answered += is_answered
                if len(self.decisions) > n_known + is_answered:
                    # A rename, merge or undo, or what another reviewer decided, changes other questions too.
                    questions = self._open_questions()
                elif is_answered:
                    questions = questions[1:]
            except (KeyboardInterrupt, EOFError):
                break
            except CairnError as error:
                self.console.print(Text(str(error), style="red"))
        closing = f"{len(self.made)} decision(s) written to {self.path}; {len(questions)} question(s) left."
        self.console.print(Text(closing))
        return len(self.made)

    def _open_questions(self) -> list[Question]:
        found = queue(self.proposal, self.decisions)
        return [question for question in found if (question.level, question.label) not in self.skipped]

    def _show(self, question: Question, done: int, total: int) -> None:
        table = Table.grid(padding=(0, 2))
        place = "kind" if question.level == "category" else "category"
        rows = [
            (question.level, Text(question.label, style="bold")),
            (place, Text(f"{question.category}   ({question.confidence:.2f}, by {question.why})")),
            ("neighbours", Text(", ".join(question.neighbours))),
            ("examples", Text(", ".join(question.examples))),
            ("images", Text(f"{question.weight:,.0f}")),
            *((str(i), Text(name, style="cyan")) for i, name in enumerate(question.suggestions[:9], start=1)),
        ]
        for name, value in rows:
            if value.plain:
                table.add_row(Text(name, style="dim"), value)
        self.console.print(Panel(table, title=f"{done + 1} of {total}", title_align="left"))
        self.console.print(Text(KEYS, style="dim"))

    def _act(self, key: str, question: Question) -> bool:
        """Do what a key says; tells whether that deals with the question."""
        if key == "a":
            return self._decide(question, question.category, "accept")
        if key == "s":
            self.skipped.add((question.level, question.label))
            return True
        if key.isdigit() and 1 <= int(key) <= len(question.suggestions):
            return self._decide(question, question.suggestions[int(key) - 1])
        if key == "m":
            return self._decide(question, self._choose("Move to"))
        if key in ("r", "g"):
            return self._change_category(question, key)
        if key == "u":
            return self._undo()
        if key == "?":
            self._list_categories()
            return False
        self.console.print(Text(f"no act has the key {key!r}", style="red"))
        return False

    def _decide(self, question: Question, target: str, act: Literal["accept", ""] = "") -> bool:
        if not target:
            return False
        kind = ""
        known = {
            fold(name) for name in (*self._categories(), *(entry.kind for entry in self.proposal.categories))
        }
        if question.level != "category" and fold(target) not in known:
            kind = self._choose_kind(target)
            if not kind:
                return False
        self._write(
            Decision(
                act=act or ("assign" if question.level == "landmark" else "move"),
                level=question.level,
                label=question.label,
                to=target,
                kind=kind,
                author=self.author,
                date=self.now(),
                seen=question.seen,
            )
        )
        return True

    def _change_category(self, question: Question, key: str) -> bool:
        """Rename or merge the category in question; the question itself stays open."""
        category = question.label if question.level == "category" else question.category
        target = (
            self.read_line(f"New name of {category!r}: ")
            if key == "r"
            else self._choose(f"Join {category!r} to")
        )
        if target.strip():
            self._write(
                Decision(
                    act="rename" if key == "r" else "merge",
                    level="category",
                    label=category,
                    to=target.strip(),
                    author=self.author,
                    date=self.now(),
                    seen=question.seen,
                )
            )
        return False

    def _undo(self) -> bool:
        """Take back the last standing decision of this session."""
        undone = {decision.of for decision in self.decisions}
        for decision in reversed(self.made):
            if decision.act != "undo" and decision.id not in undone:
                self._write(Decision("undo", of=decision.id, author=self.author, date=self.now()))
                return False
        self.console.print(Text("nothing to undo in this session", style="yellow"))
        return False

    def _write(self, decision: Decision) -> None:
        """Add a decision to those in the file, unless it does not fit."""

        def check(others: Sequence[Decision]) -> None:
            outcomes = resolve(self.proposal, [*others, decision]).outcomes
            for outcome in (*outcomes["conflicting"], *outcomes["stale"]):
                if outcome.decision.id == decision.id:
                    raise CairnError(f"not written: {outcome.why}")

        self.decisions = append_decision(self.path, decision, check)
        self.made.append(decision)

    def _categories(self) -> tuple[str, ...]:
        work = resolve(self.proposal, self.decisions)
        return tuple(sorted({work.name_of[work.final(key)] for key in work.name_of}))

    def _list_categories(self) -> None:
        self.console.print(Text(", ".join(self._categories())))

    def _choose(self, prompt: str) -> str:
        """A category by the beginning of its name; a name that is new is taken as it stands."""
        typed = self.read_line(f"{prompt} (beginning of a name, or a new one): ").strip()
        matches = [name for name in self._categories() if fold(name).startswith(fold(typed))] if typed else []
        exact = [name for name in matches if fold(name) == fold(typed)]
        if len(matches) > 1 and not exact:
            self.console.print(Text(f"{typed!r} begins {', '.join(matches)}; type more", style="yellow"))
            return ""
        return (exact or matches or [typed])[0]

    def _choose_kind(self, category: str) -> str:
        self.console.print(Text(f"{category!r} is new: [n]atural, [h]uman-made, any other key to cancel"))
        return {"n": "natural", "h": "human-made"}.get(self.read_key().lower(), "")


def terminal_key() -> str:
    """One key from the terminal without waiting for Enter, or else the first letter of a line."""
    if termios is None or not sys.stdin.isatty():
        return sys.stdin.readline().strip()[:1]
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin, termios.TCSADRAIN)  # keys typed ahead stay
        return sys.stdin.read(1)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
