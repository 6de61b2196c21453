"""What people answered in Label Studio, read from its JSON export: the group of a label, and who says so when."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.errors import BadInput, BrokenData
from cairnhub.core.parse import parse_json, read_text
from cairnhub.core.text import label_key, quoted, without_controls

CONTROL = "group"  # name of the choice in the tasks' page


@dataclass(frozen=True)
class Answer:
    """One annotation of one task.

    Attributes:
        where: file and task, for messages.
        dataset: that the task is about.
        level: of the label.
        label: as the task has it.
        to: the group that was chosen.
        author: who answered.
        date: when, ISO 8601.
    """

    where: str
    dataset: str
    level: str
    label: str
    to: str
    author: str
    date: str


def read_answers(path: Path, dataset: str = "") -> list[Answer]:
    """All answers of an export; tasks without one, and skipped ones, give none.

    Args:
        path: what *Export > JSON* of a Label Studio project gave.
        dataset: what the tasks must be about; by default any one dataset.

    Raises:
        FileNotFoundError: there is no such file.
        CairnError: it is no such export, has no answer, or is about another dataset.
    """
    content = parse_json(read_text(path), str(path))
    if not isinstance(content, list):
        raise BadInput(f"{path}: no list of tasks; in Label Studio choose Export, then JSON")
    answers = [answer for number, task in enumerate(content) for answer in _answers_of(task, number, path)]
    if not answers:
        raise BadInput(
            f"{path}: none of its {len(content):,} tasks has an answer; submit some, then export again"
        )
    wanted = dataset or answers[0].dataset
    for answer in answers:
        if answer.dataset != wanted:
            raise BadInput(
                f"{answer.where}: about dataset {answer.dataset!r}, not {wanted!r}: import each by itself"
            )
    return answers


def unanimous(answers: Sequence[Answer]) -> list[Answer]:
    """One answer per label, the earliest of those that say the same; in the order of the tasks.

    Raises:
        BadInput: answers about one label disagree.
    """
    by_label: dict[tuple[str, str], Answer] = {}
    for answer in answers:
        key = (answer.level, label_key(answer.label))
        other = by_label.get(key)
        if other and label_key(other.to) != label_key(answer.to):
            raise BadInput(
                f"{answer.where}: {answer.level} {answer.label!r} is put into {answer.to!r}, but into {other.to!r} by "
                f"{other.where}; agree in Label Studio and export again: nothing was imported"
            )
        if other is None or answer.date < other.date:
            by_label[key] = answer
    return list(by_label.values())


def _answers_of(task: object, number: int, path: Path) -> Iterator[Answer]:
    where = f"{path}: task {number + 1}"
    data, annotations = _of(task, "data", where), _of(task, "annotations", where)
    if not isinstance(data, Mapping) or not isinstance(annotations, list):
        raise BrokenData(f"{where}: no task of Label Studio: export its answers again")
    told = {key: data.get(key) for key in ("dataset", "level", "label")}
    if not all(isinstance(value, str) and value for value in told.values()):
        raise BadInput(
            f"{where}: no task of `cairn export --to label-studio`: it lacks dataset, level or label"
        )
    for annotation in annotations:
        if not isinstance(annotation, Mapping):
            raise BrokenData(f"{where}: an annotation is no mapping: export the answers again")
        if annotation.get("was_cancelled"):
            continue
        chosen = _chosen(annotation.get("result"), where)
        if chosen is not None:
            date = without_controls(str(annotation.get("updated_at") or annotation.get("created_at") or ""))
            named = (str(told["dataset"]), str(told["level"]), str(told["label"]))
            yield Answer(where, *named, chosen, _author(annotation), date)


def _of(task: object, key: str, where: str) -> object:
    if not isinstance(task, Mapping) or key not in task:
        raise BadInput(f"{where}: no {key!r}; in Label Studio choose Export, then JSON (not JSON-MIN)")
    return task[key]


def _chosen(result: object, where: str) -> str | None:
    """The group that an annotation names; None for one without an answer."""
    for part in result if isinstance(result, list) else ():
        if isinstance(part, Mapping) and part.get("from_name") == CONTROL:
            value = part.get("value")
            choices = value.get("choices") if isinstance(value, Mapping) else None
            choices = choices if isinstance(choices, list) else []
            if len(choices) != 1 or not isinstance(choices[0], str):
                raise BadInput(
                    f"{where}: {CONTROL} must have one choice, it has {quoted(map(str, choices)) or 'none'}"
                )
            return choices[0]
    return None


def _author(annotation: Mapping[object, object]) -> str:
    """Who answered: Label Studio gives a number, or a mapping with a number and an address."""
    by = annotation.get("completed_by")
    if isinstance(by, Mapping):
        by = by.get("email") or by.get("id")
    return without_controls(f"label-studio {by}") if by else "label-studio"
