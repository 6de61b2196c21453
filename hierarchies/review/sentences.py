"""Decisions in words, and the past of a review, to be searched."""

from collections.abc import Callable, Sequence

from cairnhub.core.text import fold
from cairnhub.hierarchies.review.decisions import Decision

_SHOWN = 20  # names that a sentence lists


def sentence(decision: Decision) -> str:
    """What a decision says, in words."""
    thing, to = _named(decision), decision.to
    group = decision.label
    said: dict[str, Callable[[], str]] = {
        "accept": lambda: f"Accepted {thing} in {to}",
        "move": lambda: f"Moved {thing} to {to}",
        "assign": lambda: f"Assigned {thing} to {to}",
        "exclude": lambda: f"Took {thing} out of {to}",
        "unsure": lambda: f"Unsure about {thing}",
        "rename": lambda: f"Renamed {group} to {to}",
        "merge": lambda: f"Merged {group} into {to}",
        "split": lambda: f"Split {to} ({thing}) from {group}",
        "add_level": lambda: f"Added the level {to} above {decision.level}",
        "remove_level": lambda: f"Took away the level {decision.level}",
        "undo": lambda: f"Took back decision {decision.of}",
    }
    return said[decision.act]()


def told(decision: Decision) -> str:
    """A decision in words with its reason, who decided and when."""
    rest = ", ".join(filter(None, (decision.author, decision.date[:16].replace("T", " "), decision.reason)))
    return f"{sentence(decision)} ({rest})" if rest else sentence(decision)


def matching(decisions: Sequence[Decision], text: str = "", author: str = "") -> list[Decision]:
    """Decisions whose sentence, reason, author or date has all words of a text, the last first.

    Args:
        decisions: in the order of the file.
        text: words, in any order; case and accents do not matter.
        author: only this person's.
    """
    by_id = {decision.id: decision for decision in decisions}
    words = fold(text).split()

    def says(decision: Decision) -> str:
        undone = by_id.get(decision.of)
        about = sentence(undone) if undone else ""
        rest = (*decision.members, decision.reason, decision.author, decision.date, decision.id)
        return fold(" ".join((sentence(decision), about, *rest)))

    return [
        decision
        for decision in reversed(decisions)
        if (not author or decision.author == author) and all(word in says(decision) for word in words)
    ]


def _named(decision: Decision) -> str:
    things = decision.things
    more = f" and {len(things) - _SHOWN:,} more" if len(things) > _SHOWN else ""
    return ", ".join(things[:_SHOWN]) + more
