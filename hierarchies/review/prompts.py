"""Asking a person in the terminal: names by their beginning, things by their numbers."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from cairnhub.core.errors import BadInput
from cairnhub.core.text import fold
from cairnhub.hierarchies.review.session import Session

N_LISTED = 60  # things that a list shows
_N_LETTERS = 5  # parents that one key may choose


@dataclass
class Prompts:
    """Questions to a person about a session.

    Attributes:
        session: what is asked and written.
        console: where to print.
        read_key: gives one key.
        read_line: shows a prompt and gives a line of text.
    """

    session: Session
    console: Console
    read_key: Callable[[], str]
    read_line: Callable[[str], str]

    def numbers(self, things: Sequence[str], prompt: str) -> tuple[str, ...]:
        """Things by their numbers, such as `1 4-7`."""
        typed = self.read_line(f"{prompt}, such as 1 4-7: ")
        return tuple(things[place] for place in self.places_of(typed, len(things)))

    @staticmethod
    def places_of(typed: str, n: int) -> list[int]:
        """Places in a list of `n`, from 0, by numbers from 1 such as `1 4-7`."""
        chosen: dict[int, None] = {}
        for first, last in re.findall(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?", typed):
            end = min(int(last or first), n)
            chosen |= dict.fromkeys(range(int(first), end + 1))
        return [number - 1 for number in chosen if 1 <= number <= n]

    def choose(self, prompt: str, known: Sequence[str]) -> str:
        """One of `known` by the beginning of its name; a name that is new is taken as it stands."""
        typed = self.read_line(f"{prompt} (beginning of a name, or a new one): ").strip()
        matches = [name for name in known if fold(name).startswith(fold(typed))] if typed else []
        exact = [name for name in matches if fold(name) == fold(typed)]
        if len(matches) > 1 and not exact:
            raise BadInput(f"{typed!r} begins {', '.join(matches)}; type more")
        return (exact or matches or [typed])[0]

    def choose_parent(self, level: str, group: str, parents: Sequence[str]) -> str:
        """The parent of a new group: by its first letter where that tells, else by the beginning of its name."""
        initials = {fold(name)[:1]: name for name in parents}
        if len(initials) == len(parents) <= _N_LETTERS:
            keys = ", ".join(f"[{name[0]}]{name[1:]}" for name in parents)
            self.console.print(Text(f"{group!r} is new: {keys}, any other key to cancel"))
            return initials.get(self.read_key().lower(), "")
        above = self.session.state.resolution.above(level)
        chosen = self.choose(f"{group!r} is new; its {above}", parents)
        return chosen if chosen in parents else ""

    def confirms(self, level: str, group: str) -> bool:
        """Whether a group on the coarsest level is really to be made."""
        self.console.print(Text(f"there is no {level} {group!r}: [y] makes it, any other key cancels"))
        return self.read_key().lower() == "y"

    def place(self, level: str, typed: str) -> tuple[str, str, bool]:
        """A group to move to with what a new one needs: its name, its parent, whether it is new on the coarsest level.

        The name is empty where the person thinks better of it.
        """
        places = self.session.places
        if not typed or not places.is_new(level, typed):
            return typed, "", False
        parents = places.parents(level)
        parent = self.choose_parent(level, typed, parents) if parents else ""
        new = not parents and self.confirms(level, typed)
        return (typed if parent or new else ""), parent, new


def numbered(things: Sequence[str]) -> str:
    """Things with their numbers, in a line."""
    listed = "  ".join(f"{number} {label}" for number, label in enumerate(things[:N_LISTED], start=1))
    return f"{listed}  and {len(things) - N_LISTED:,} more" if len(things) > N_LISTED else listed
