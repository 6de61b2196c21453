"""Where everything stands once decisions are applied, as a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cairnhub.core.text import label_key
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, LabelEntry, TreeProposal
from cairnhub.hierarchies.review.decisions import Decision
from cairnhub.hierarchies.review.outcomes import Outcomes

Slot = tuple[str, str]
"""A level and the key of a name on it."""


@dataclass(frozen=True)
class Trust:
    """How sure a place is that likeness gave.

    Attributes:
        confidence: 0..1.
        n_right: of the decided labels like it, those that were right; 0 where too few are decided.
        n_like: how many decided labels are like it.
    """

    confidence: float
    n_right: int = 0
    n_like: int = 0

    def __str__(self) -> str:
        return f"of {self.n_like} such, {self.n_right} were right" if self.n_like else ""


@dataclass
class Resolution:
    """Where each thing stands once decisions are applied; things go by their slots.

    Attributes:
        proposal: what the decisions are about.
        levels: fine to coarse; the first is that of the labels.
        name_of: display name per group.
        place_of: key of the group above, before renames and merges, per group of all levels but the coarsest, per type,
            and per label with a place of its own.
        proposed_place_of: `place_of` before any decision about them.
        goes_to: the key that a renamed or merged group became.
        renamed_from: the key of the group that had another name before.
        decided: labels, types and groups that a person has placed.
        left: labels that a person took out of their group by themselves, which says nothing of their fellows.
        culled: keys of the groups that a person took members out of: whoever saw that left the others there.
        barred: keys of the groups where a label or type does not belong, and who says so.
        followed: labels that decisions about their like have moved.
        unsure: what a person looked at and could not tell, and nobody decided since, with their notes.
        trust: how sure the place of a label is, where decisions about others tell.
        standing: distinct decisions that no standing undo takes back.
        outcomes: how each decision ended.
    """

    proposal: TreeProposal
    levels: tuple[str, ...]
    name_of: dict[Slot, str]
    place_of: dict[Slot, str]
    proposed_place_of: Mapping[Slot, str]
    goes_to: dict[Slot, str] = field(default_factory=dict)
    renamed_from: dict[Slot, str] = field(default_factory=dict)
    decided: set[Slot] = field(default_factory=set)
    left: set[Slot] = field(default_factory=set)
    culled: set[str] = field(default_factory=set)
    barred: dict[Slot, dict[str, list[Decision]]] = field(default_factory=dict)
    followed: set[Slot] = field(default_factory=set)
    unsure: dict[Slot, tuple[str, ...]] = field(default_factory=dict)
    trust: dict[Slot, Trust] = field(default_factory=dict)
    standing: Sequence[Decision] = ()
    outcomes: Outcomes = field(default_factory=Outcomes)

    @property
    def item_levels(self) -> tuple[str, ...]:
        """Levels of what has a place on the first level of groups."""
        return tuple(dict.fromkeys((TYPE, self.levels[0]))) if self.proposal.types else self.levels[:1]

    def slot_of(self, entry: LabelEntry) -> Slot:
        """The slot that places a label: its own, or that of its type."""
        slot = self.levels[0], label_key(entry.label)
        return slot if slot in self.place_of or entry.type is None else (TYPE, label_key(entry.type))

    def is_item(self, slot: Slot) -> bool:
        """Whether a person may place it: a type, or any label."""
        of_label = slot[0] == self.levels[0] and slot[1] in self.proposal.row_of_label
        return of_label or (slot[0] in self.item_levels and slot in self.place_of)

    def final(self, level: str, key: str) -> str:
        """Where a group ends up after renames and merges (which hold no cycle)."""
        while (level, key) in self.goes_to:
            key = self.goes_to[level, key]
        return key

    def meant(self, level: str, name: str) -> str:
        """Key of the group that a decision means: one of that name in the proposal, else one renamed to it."""
        key = label_key(name)
        renamed = f"\0{key}"
        return renamed if (level, renamed) in self.name_of and (level, key) not in self.name_of else key

    def slot(self, level: str, name: str) -> Slot:
        """The slot of what a decision calls so; that of a group as it ends."""
        if level in self.levels[1:]:
            return level, self.final(level, self.meant(level, name))
        return level, label_key(name)

    def above(self, level: str) -> str:
        """The level above one that is not the coarsest; above the types stands the first level of groups."""
        return self.levels[1] if level in self.item_levels else self.levels[self.levels.index(level) + 1]

    def below(self, level: str) -> tuple[str, ...]:
        """Where what stands directly in a group of a level comes from."""
        place = self.levels.index(level)
        return self.item_levels if place == 1 else self.levels[place - 1 : place]

    def home(self, slot: Slot) -> str | None:
        """Key of the group in which something stands, after renames and merges; None without a place."""
        place = self.place_of.get(slot)
        return None if place is None else self.final(self.above(slot[0]), place)

    def group_of(self, slot: Slot) -> str:
        """Name of the group, on the level above, in which a label, type or group stands."""
        above = self.above(slot[0])
        return self.name_of[above, self.final(above, self.place_of[slot])]

    def confidence(self, slot: Slot, proposed: float) -> float:
        """How sure a place is that nobody decided: by what decisions on others tell, else as the proposal thinks."""
        return self.trust[slot].confidence if slot in self.trust else proposed

    def origins(self) -> dict[str, dict[str, str]]:
        """Per level of groups: names as they end -> what no rename changes, the proposal's or the key of a new one.

        Those of the proposal come first, by their names in it, then new ones by name.
        """
        proposed = {(group.level, label_key(group.name)): group.name for group in self.proposal.groups}
        origins: dict[str, dict[str, str]] = {level: {} for level in self.levels[1:]}
        ends = dict.fromkeys((level, self.final(level, key)) for level, key in self.name_of)
        first = {slot: (slot[0], self._first(*slot)) for slot in ends}
        order = sorted(
            ends,
            key=lambda slot: (
                first[slot] not in proposed,
                proposed.get(first[slot], self.name_of[slot]),
            ),
        )
        for slot in order:
            origins[slot[0]][self.name_of[slot]] = proposed.get(first[slot], first[slot][1])
        return origins

    def _first(self, level: str, key: str) -> str:
        """The group before all renames."""
        while (level, key) in self.renamed_from:
            key = self.renamed_from[level, key]
        return key
