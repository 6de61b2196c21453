"""The wall in the terminal: what stands in a group, by numbers, and acts on several at once; the history."""

from rich.text import Text

from cairnhub.hierarchies.review.prompts import N_LISTED, Prompts
from cairnhub.hierarchies.review.question import Question
from cairnhub.hierarchies.review.selection import WallAct
from cairnhub.hierarchies.review.sentences import matching, told
from cairnhub.hierarchies.review.wall import View

_ACTS: dict[str, WallAct] = {"a": "accept", "m": "move", "p": "move", "x": "exclude", "f": "unsure"}
_KEYS = "a accept  m move  p split out into a new group  x elsewhere  f unsure  any other key: nothing"


def act_on_wall(prompts: Prompts, question: Question) -> None:
    """List the undecided labels of the group in question, let some be chosen, and act on them."""
    session = prompts.session
    is_group = question.level in session.state.levels[1:]
    level, group = (question.level, question.label) if is_group else (session.state.levels[1], question.group)
    text = prompts.read_line(f"Wall of {group!r}; words to look for, or nothing for all: ")
    wall = session.wall
    rows = wall.rows(View(level, group, text=text.strip())).tolist()
    for number, row in enumerate(rows[:N_LISTED], start=1):
        tile = wall.tile(row)
        said = [f"{round(100 * tile.confidence)} %", tile.type, tile.dispute, *(tile.notes or ())]
        prompts.console.print(Text(f"{number:>4} {tile.label}  ({', '.join(filter(None, said))})"))
    if len(rows) > N_LISTED:
        prompts.console.print(Text(f"and {len(rows) - N_LISTED:,} more"))
    if not rows:
        prompts.console.print(Text(f"nothing undecided in {group!r}"))
        return
    typed = prompts.read_line("Numbers, such as 1 4-7, or all: ").strip()
    chosen = (
        rows if typed.lower() == "all" else [rows[place] for place in prompts.places_of(typed, len(rows))]
    )
    if not chosen:
        return
    prompts.console.print(Text(_KEYS, style="dim"))
    key = prompts.read_key().lower()
    if key not in _ACTS:
        return
    to = parent = reason = ""
    new = False
    if key in "mp":
        known = session.places.groups() if key == "m" else ()
        to, parent, new = prompts.place(session.state.levels[1], prompts.choose("To which group", known))
        if not to:
            return
    elif key == "f":
        reason = prompts.read_line("What is unsure about it: ")
    session.save(*session.draft_selection(_ACTS[key], chosen, to, parent, new, reason))


def show_history(prompts: Prompts) -> None:
    """Decisions that have all words of a text, the last first."""
    text = prompts.read_line("History; words to look for, or nothing for all: ")
    found = matching(prompts.session.decisions, text)
    for decision in found[:N_LISTED]:
        prompts.console.print(Text(f"{decision.id} {told(decision)}"))
    left = f", and {len(found) - N_LISTED:,} more" if len(found) > N_LISTED else ""
    prompts.console.print(Text(f"{min(len(found), N_LISTED)} decision(s){left}"))
