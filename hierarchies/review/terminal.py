"""Review in the terminal: one question at a time, one key per act, saved at once."""

import sys

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.review.prompts import Prompts, numbered
from cairnhub.hierarchies.review.question import Question
from cairnhub.hierarchies.review.sentences import told
from cairnhub.hierarchies.review.session import LevelAct, SessionAct
from cairnhub.hierarchies.review.terminal_wall import act_on_wall, show_history

try:
    import termios
    import tty
except ImportError:  # not on Windows
    termios = None  # type: ignore[assignment]

KEYS = (
    "a accept  1-9 suggestion  m move  x elsewhere  f unsure  r rename  g merge  p split  w wall of its group  s skip  "
    "l levels  u undo  h history  ? groups  q quit"
)
BRANCHES_KEY = "b its two branches  "
PAGE_KEYS = (
    f"a accept all  n accept all under a name  x take some out  {BRANCHES_KEY}f unsure  r rename  g merge  "
    "m move  p split  w wall  s skip  l levels  u undo  h history  ? groups  q quit"
)


class Review(Prompts):
    """A review session in the terminal."""

    def run(self, limit: int | None = None) -> int:
        """Ask until the queue is empty, `limit` questions are answered or the reviewer quits.

        Returns:
            How many decisions were written.
        """
        answered, total = 0, len(self.session.waiting)
        for conflict in self.session.conflicts():
            line = f"conflict: {conflict.decision.id} {told(conflict.decision)}: {conflict.why}"
            self.console.print(Text(line, style="red"))
        for stale in self.session.stale():
            line = f"stale: {stale.decision.id} {told(stale.decision)}: {stale.why}"
            self.console.print(Text(line, style="yellow"))
        while (question := self.session.first()) and (limit is None or answered < limit):
            self._show(question, answered, total)
            try:
                key = self.read_key().lower()
                if key in ("q", "\x03", "\x04", ""):
                    break
                self.session.refresh()
                answered += self._act(key, question)
            except (KeyboardInterrupt, EOFError):
                break
            except CairnError as error:
                self.console.print(Text(str(error), style="red"))
        written, left = len(self.session.made), len(self.session.waiting)
        closing = f"{written} decision(s) written to {self.session.path}; {left} question(s) left."
        self.console.print(Text(closing))
        return written

    def _show(self, question: Question, n_asked: int, total: int) -> None:
        table = Table.grid(padding=(0, 2))
        rows = [
            (question.level, Text(question.label, style="bold")),
            (
                self.session.places.target_level(question),
                Text(
                    f"{question.group}   ({round(100 * question.confidence)} % sure, by {question.why})"
                    if question.group
                    else ""
                ),
            ),
            ("neighbours", Text(", ".join(question.neighbours))),
            ("examples", Text(", ".join(question.examples))),
            ("images", Text(f"{question.weight:,.0f}")),
            ("undecided", Text(numbered(question.members))),
            (
                "but",
                Text("; ".join(f"{label}: {said}" for label, said in question.disputes.items()), "yellow"),
            ),
            *((str(i), Text(name, style="cyan")) for i, name in enumerate(question.suggestions[:9], start=1)),
        ]
        for name, value in rows:
            if value.plain:
                table.add_row(Text(name, style="dim"), value)
        self.console.print(
            Panel(table, title=f"{n_asked + 1} of {total}{self._time_left()}", title_align="left")
        )
        keys = PAGE_KEYS if question.members else KEYS
        if question.level in self.session.state.levels[2:]:
            keys = keys.replace(BRANCHES_KEY, "")
        self.console.print(Text(keys, style="dim"))

    def _time_left(self) -> str:
        """An estimate once there is a pace to tell it from."""
        seconds = self.session.progress().seconds_left
        return "" if seconds is None else f", about {max(1, round(seconds / 60))} min for what is in doubt"

    def _act(self, key: str, question: Question) -> bool:
        """Do what a key says; tells whether that deals with the question."""
        if question.members and key in ("n", "x", "b"):
            return self._act_on_members(key, question)
        if key == "a":
            self.session.save(self.session.draft("accept", question, members=question.members))
            return True
        if key == "x":
            self.session.save(self.session.draft("exclude", question))
            return True
        if key == "s":
            self.session.skip(question)
            return True
        if key.isdigit() and 1 <= int(key) <= len(question.suggestions):
            return self._move(question, question.suggestions[int(key) - 1])
        if key == "m":
            return self._move(question, self.choose("Move to", self._targets(question)))
        if key in ("r", "g", "p"):
            self._change_group(question, key)
        elif key == "l":
            self._change_levels()
        elif key == "w":
            act_on_wall(self, question)
        elif key == "f":
            return self._flag(question)
        elif key == "h":
            show_history(self)
        elif key == "u":
            undone = self.session.undo()
            if isinstance(undone, Question):
                self.console.print(Text(f"asked again: {undone.label}"))
            elif undone is None:
                words = "nothing to undo in this session; earlier decisions are taken back in --app (H)"
                self.console.print(Text(words, style="yellow"))
        elif key == "?":
            self.console.print(Text(", ".join(self._targets(question))))
        else:
            self.console.print(Text(f"no act has the key {key!r}", style="red"))
        return False

    def _flag(self, question: Question) -> bool:
        """Say that one cannot tell; what is flagged is asked after all else."""
        note = self.read_line("What is unsure about it: ")
        self.session.save(self.session.draft("unsure", question, members=question.members, reason=note))
        return True

    def _change_levels(self) -> None:
        """Add a level above another, or take one away."""
        levels = self.session.state.levels
        self.console.print(Text(f"levels, fine to coarse: {', '.join(levels)}"))
        level = self.choose("Above which to add one, or which to take away", levels)
        if level not in levels:
            return
        name = self.read_line(
            f"Name of the level above {level!r}, or nothing to take {level!r} away: "
        ).strip()
        act: LevelAct = "add_level" if name else "remove_level"
        self.session.save(self.session.draft_level(act, level, name), answers=False)

    def _act_on_members(self, key: str, question: Question) -> bool:
        """Name a whole group, take several out of it, or one of its two branches."""
        members = question.members
        if key == "n":
            name = self.read_line(f"Name of the group of all {len(members)}: ").strip()
            if name:
                self.session.save(self.session.draft("move", question, name, members=members))
            return bool(name)
        if key == "b":
            kept, members = self.session.branches(question)
            self.console.print(Text(f"stay: {', '.join(kept)}"))
            self.console.print(Text(f"leave: {', '.join(members)}"))
        else:
            members = self.numbers(members, "Numbers of what to take out")
        if not members:
            return False
        act: SessionAct = "move"
        parent, new = "", False
        known = self.session.places.groups(question.level)
        if question.level == self.session.state.levels[1]:
            to = self.choose("To which group, or nothing for elsewhere", known)
            act = "move" if to else "exclude"
        else:
            to, parent, new = self.place(question.level, self.choose(f"To which {question.level}", known))
            if not to:
                return False
        decision = self.session.draft(act, question, to, parent, members, new=new, leaves=bool(to))
        self.session.save(decision, answers=False)
        return False

    def _move(self, question: Question, target: str) -> bool:
        target, parent, new = self.place(self.session.places.target_level(question), target)
        if target:
            self.session.save(self.session.draft("move", question, target, parent, new=new))
        return bool(target)

    def _change_group(self, question: Question, key: str) -> None:
        """Rename, merge or split the group in question; the question itself stays open."""
        is_group = question.level in self.session.state.levels[1:]
        level = question.level if is_group else self.session.state.levels[1]
        group = question.label if is_group else question.group
        act: SessionAct = "rename" if key == "r" else "merge" if key == "g" else "split"
        members = self._choose_members(level, group) if act == "split" else ()
        if act == "split" and not members:
            return
        if act == "merge":
            target = self.choose(f"Join {group!r} to", self.session.places.groups(level))
        else:
            target = self.read_line(
                f"New name of {group!r}: " if act == "rename" else "Name of the new one: "
            )
        if target.strip():
            decision = self.session.draft(act, question, target, members=members)
            self.session.save(decision, answers=False)

    def _choose_members(self, level: str, group: str) -> tuple[str, ...]:
        """What stands in a group, by numbers in a list."""
        things = self.session.places.children(level, group)
        self.console.print(Text(numbered(things) or f"nothing is in {group!r}"))
        return self.numbers(things, "Numbers of what to take out") if things else ()

    def _targets(self, question: Question) -> tuple[str, ...]:
        """Where the thing in question can go."""
        level = self.session.places.target_level(question)
        return self.session.places.groups(level) if level else ()


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
