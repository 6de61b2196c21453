"""What `cairn decisions import` does: answers that people gave elsewhere become decisions of a dataset."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cairnhub.core.errors import BadInput, CairnError, NotFound
from cairnhub.core.text import label_key
from cairnhub.hierarchies.review.decisions import Decision, append_decisions
from cairnhub.hierarchies.review.label_studio_answers import Answer, read_answers, unanimous
from cairnhub.hierarchies.review.preview import refusal
from cairnhub.hierarchies.review.question import ask
from cairnhub.hierarchies.review.session import Session
from cairnhub.pipelines.review_command import review_paths, review_session

REASON = "answered in Label Studio"


@dataclass(frozen=True)
class Imported:
    """What an import wrote.

    Attributes:
        path: the decisions file.
        added: the new lines.
        n_known: labels whose answer the file had already.
    """

    path: Path
    added: Sequence[Decision]
    n_known: int


def import_label_studio(answers: Path, scale: str, dataset: str = "", author: str = "") -> Imported:
    """Append what was answered in Label Studio to the decisions of a dataset: all of it, or nothing.

    Args:
        answers: its JSON export.
        scale: `sample` or `full`.
        dataset: of `params.yaml`; by default what the answers are about.
        author: who decided, in place of Label Studio's user.

    Raises:
        NotFound: no such file, dataset, proposal or label.
        BadInput: no such export; answers that disagree with each other, with decisions of the file, or with the tree.
    """
    try:
        agreed = unanimous(read_answers(answers, dataset))
    except FileNotFoundError:
        raise NotFound(f"{answers}: there is no such file; give the JSON that Label Studio exports") from None
    paths = review_paths(agreed[0].dataset, scale)
    session = review_session(paths, author)

    def choose(written: Sequence[Decision]) -> list[Decision]:
        known = {decision.id for decision in written}
        drafts = [decision for answer in agreed if (decision := _draft(session, answer, author))]
        new = [decision for decision in drafts if decision.id not in known]
        _check_fit(session, written, new)
        return new

    added = append_decisions(paths.decisions, choose)
    return Imported(paths.decisions, added, len(agreed) - len(added))


def _draft(session: Session, answer: Answer, author: str) -> Decision | None:
    """The decision that an answer is; None where the label was put there by a person already."""
    session.refresh()
    levels = session.proposal.levels
    if answer.level != levels[0]:
        raise BadInput(f"{answer.where}: {answer.level!r} is not the level of the labels, {levels[0]!r}")
    try:
        question = ask(session.state, answer.level, answer.label)
        accepts = label_key(question.group) == label_key(answer.to)
        if accepts and (answer.level, label_key(answer.label)) in session.state.resolution.decided:
            return None
        decision = session.draft("accept" if accepts else "move", question, answer.to)
    except CairnError as error:
        raise error.within(answer.where) from None
    # What was shown is not known, and the same answers must be the same lines whenever they are read.
    return replace(decision, author=author or answer.author, date=answer.date, reason=REASON, seen="")


def _check_fit(session: Session, written: Sequence[Decision], new: Sequence[Decision]) -> None:
    before = session.layout.state([*session.given, *written])
    after = session.layout.state([*session.given, *written, *new])
    stale = {outcome.decision.id: outcome.why for outcome in after.resolution.outcomes["stale"]}
    for decision in new:
        if decision.id in stale:
            said = f"{decision.level} {decision.label!r} into {decision.to!r}"
            raise BadInput(f"{said}: {stale[decision.id]}; nothing was imported")
    if new and (why := refusal(new[0], before, after)):
        raise BadInput(f"{' '.join(why.split())}; nothing was imported")
