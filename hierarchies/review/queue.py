"""What to look at first: things ranked by how many images hang on them and how much the machine doubts."""

from collections.abc import Iterable
from dataclasses import dataclass

from hierarchies.build.concepts import HUMAN_MADE, NATURAL
from hierarchies.build.proposal import Proposal
from hierarchies.names import label_key
from hierarchies.review.apply import Resolution, resolve
from hierarchies.review.decisions import Decision, Level, seen_fingerprint

_N_EXAMPLES = 5
_SURE = 0.95  # of the kind of a category that a person named


@dataclass(frozen=True)
class Question:
    """One thing to decide: is this label rightly in this category (or this category in this kind)?

    Attributes:
        level: `type`, `landmark` or `category`.
        label: the type, landmark or category.
        category: where it stands now: a category, or for a category its kind.
        suggestions: other places to put it, likeliest first.
        confidence: 0..1 that it stands rightly.
        why: what decided.
        neighbours: similar types.
        examples: landmarks of the type or category.
        weight: images (or landmarks) that hang on it.
        seen: fingerprint of what this question shows.
    """

    level: Level
    label: str
    category: str
    suggestions: tuple[str, ...]
    confidence: float
    why: str
    neighbours: tuple[str, ...]
    examples: tuple[str, ...]
    weight: float
    seen: str

    @property
    def priority(self) -> float:
        """Weight times doubt."""
        return self.weight * (1 - self.confidence)


def queue(proposal: Proposal, decisions: Iterable[Decision]) -> list[Question]:
    """Undecided types, landmarks without a type and categories' kinds, most weight in doubt first.

    Args:
        proposal: what the machine proposes.
        decisions: made so far; what they settle is not asked again.
    """
    made = list(decisions)
    work = resolve(proposal, made)
    undone = {decision.of for decision in made if decision.act == "undo"}
    settled = {
        (level, label_key(label))
        for decision in made
        if decision.id not in undone and decision.act != "undo"
        for level, label in _settles(decision)
    }
    questions = _types(work) + _landmarks(work) + _categories(work)
    left = [question for question in questions if (question.level, label_key(question.label)) not in settled]
    return sorted(left, key=lambda q: (-q.priority, q.level, q.label))


def _settles(decision: Decision) -> list[tuple[str, str]]:
    if decision.act == "split":
        return [("type", member) for member in decision.members]
    return [] if decision.act in ("rename", "merge") else [(decision.level, decision.label)]


def _types(work: Resolution) -> list[Question]:
    examples: dict[str, list[str]] = {}
    for landmark in work.proposal.landmarks:
        if landmark.type is not None and len(found := examples.setdefault(landmark.type, [])) < _N_EXAMPLES:
            found.append(landmark.name)
    place = {entry.text: work.category_of(("type", label_key(entry.text))) for entry in work.proposal.types}
    questions = []
    for entry in work.proposal.types:
        category = place[entry.text]
        near = [place[text] for text in entry.neighbours]
        shown = [name for text in entry.spellings for name in examples.get(text, ())]
        questions.append(
            Question(
                level="type",
                label=entry.text,
                category=category,
                suggestions=_others(category, [entry.second, *near]),
                confidence=entry.confidence,
                why=entry.why,
                neighbours=entry.neighbours,
                examples=tuple(shown[:_N_EXAMPLES]),
                weight=entry.weight,
                seen=seen_fingerprint(entry.text, category, *entry.neighbours),
            )
        )
    return questions


def _landmarks(work: Resolution) -> list[Question]:
    questions = []
    for entry in work.proposal.landmarks:
        if entry.type is None:
            category = work.category_of(("landmark", label_key(entry.name)))
            questions.append(
                Question(
                    level="landmark",
                    label=entry.name,
                    category=category,
                    suggestions=_others(category, [entry.second]),
                    confidence=entry.confidence,
                    why="its name",
                    neighbours=(),
                    examples=(),
                    weight=float(entry.n_images),
                    seen=seen_fingerprint(entry.name, category),
                )
            )
    return questions


def _categories(work: Resolution) -> list[Question]:
    """Whether each category has the right kind."""
    weight: dict[str, float] = {}
    examples: dict[str, list[str]] = {}
    things = [("type", entry.text, entry.weight) for entry in work.proposal.types]
    untyped = (entry for entry in work.proposal.landmarks if entry.type is None)
    things += [("landmark", entry.name, float(entry.n_images)) for entry in untyped]
    for level, label, amount in things:
        key = work.final(work.home_of[level, label_key(label)])
        weight[key] = weight.get(key, 0.0) + amount
        if len(found := examples.setdefault(key, [])) < _N_EXAMPLES:
            found.append(label)
    confidence = {label_key(entry.name): entry.confidence for entry in work.proposal.categories}
    return [
        Question(
            level="category",
            label=work.name_of[key],
            category=work.kind_of[key],
            suggestions=_others(work.kind_of[key], [NATURAL, HUMAN_MADE]),
            confidence=confidence.get(label_key(work.name_of[key]), _SURE),
            why="its members",
            neighbours=(),
            examples=tuple(examples[key]),
            weight=amount,
            seen=seen_fingerprint(work.name_of[key], work.kind_of[key]),
        )
        for key, amount in weight.items()
    ]


def _others(category: str, names: list[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(names) if name and name != category)
