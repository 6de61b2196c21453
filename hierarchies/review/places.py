"""Where things can go: groups by name, those that an act would make, and what these stand in."""

from dataclasses import dataclass

from cairnhub.core.errors import BadInput
from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.label_rules import check_names
from cairnhub.hierarchies.proposal.concepts import load_concepts
from cairnhub.hierarchies.review.question import Question
from cairnhub.hierarchies.review.state import ReviewState

_FEW = 5  # names that a message lists


@dataclass(frozen=True)
class Target:
    """A group that something goes to.

    Attributes:
        name: as the tree spells it, where it has it.
        parent: of a group that is made, below the coarsest level.
        new: whether it is made on the coarsest level.
    """

    name: str
    parent: str = ""
    new: bool = False


@dataclass(frozen=True)
class Places:
    """The groups of a state."""

    state: ReviewState

    def groups(self, level: str = "") -> tuple[str, ...]:
        """Names of all groups of a level, by default the first above the labels, sorted."""
        return tuple(sorted(self.state.groups_of(level or self.state.levels[1]).names))

    def children(self, level: str, group: str) -> tuple[str, ...]:
        """What stands directly in a group, heaviest first: what a split can take out."""
        code = self.state.groups_of(level).code_of.get(label_key(group))
        return () if code is None else self.state.children(level, code)

    def target_level(self, question: Question) -> str:
        """Where the thing in question can go: into a group of this level; `""` for the coarsest groups."""
        return "" if question.level == self.state.levels[-1] else self.state.resolution.above(question.level)

    def parent_of(self, level: str, group: str) -> str:
        """Parent of a group, or of the everyday concept of that name; empty where neither is known or there is none."""
        code = self.state.groups_of(level).code_of.get(label_key(group))
        if code is not None:
            return next(iter(self.state.path(level, code)), "")
        concept = load_concepts().by_name.get(label_key(group)) if self.state.layout.proposal.types else None
        return concept.kind if concept else ""

    def is_new(self, level: str, group: str) -> bool:
        """Whether a move to this group would have to make it."""
        return bool(level) and label_key(group) not in self.state.groups_of(level).code_of

    def parents(self, level: str) -> tuple[str, ...]:
        """The groups under which a new group of a level can stand; none on the coarsest."""
        return () if level in ("", self.state.levels[-1]) else self.groups(self.state.resolution.above(level))

    def spelt(self, level: str, to: str, joins: bool) -> str:
        """A name as typed, or as the tree spells it where it is to be one that is there."""
        name = " ".join(to.split())
        check_names([name], level)
        groups = self.state.groups_of(level)
        code = groups.code_of.get(label_key(name))
        return groups.names[code] if joins and code is not None and level != self.state.levels[-1] else name

    def target(self, level: str, name: str, makes: bool, parent: str = "", new: bool = False) -> Target:
        """The group that something goes to.

        Args:
            level: of the group.
            name: as typed.
            makes: whether the act may make it.
            parent: of a group that is new, unless it is on the coarsest level.
            new: that a group on the coarsest level is to be made; a slip of the pen makes none.

        Raises:
            CairnError: no or an impossible name, or a new group without a parent.
        """
        name = self.spelt(level, name, joins=True)
        is_made = makes and self.is_new(level, name)
        is_top = level == self.state.levels[-1]
        if is_made and not is_top and parent not in self.parents(level):
            known = self.parents(level)
            one = " or ".join(known) if len(known) <= _FEW else f"a {self.state.resolution.above(level)}"
            raise BadInput(f"{name!r} would be a new {level}: say whether it is {one}")
        if is_made and is_top and not new:
            raise BadInput(f"there is no {level} {name!r}; say that it is new to make it")
        return Target(name, parent if is_made and not is_top else "", is_made and is_top)
