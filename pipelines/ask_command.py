"""What `cairn tree ask` does: put what a proposal leaves open to a language model, and keep each answer."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from cairnhub.core.errors import BadInput, CairnError, NotFound
from cairnhub.core.text import CONTROL
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.voice.model_evidence import CONFIDENCE, append_evidence, read_evidence
from cairnhub.hierarchies.voice.questions import Question, open_questions
from cairnhub.pipelines.chat import Chat
from cairnhub.pipelines.context import make_context
from cairnhub.pipelines.paths import project_root

log = logging.getLogger(__name__)


@dataclass
class Asked:
    """What came of it.

    Attributes:
        path: the file that keeps the answers.
        n_kept: answers that it got.
        n_refused: answers that are none.
    """

    path: Path
    n_kept: int = 0
    n_refused: int = 0


def ask_model(dataset: str, scale: str, chat: Chat, model: str, below: float, limit: int | None) -> Asked:
    """Ask what nobody answered yet; each answer is kept at once, so that a stopped run goes on where it stood.

    Args:
        dataset: of `params.yaml`, its tree proposed from texts.
        scale: of the proposal.
        chat: the endpoint.
        model: who is asked; the only one that there is if empty.
        below: confidence below which a place is asked about.
        limit: how many questions at most; None: all.

    Raises:
        CairnError: there is no proposal, or the endpoint fails; what was answered so far is kept.
    """
    if not 0 <= below <= CONFIDENCE:
        raise BadInput(f"--below is {below:g}; give 0 to {CONFIDENCE:g}, which is what an answer counts")
    context = make_context(dataset, scale, project_root())
    context.params.require_tree_from_text(dataset)
    paths = context.paths
    if not paths.proposal.is_file():
        raise NotFound(f"no proposal for {dataset!r}: run `dvc repro cluster@{scale}-{dataset}` first")
    proposal, known = TreeProposal.load(paths.proposal), read_evidence(paths.evidence)
    questions = list(islice(open_questions(proposal, known, below), limit))
    asked = Asked(paths.evidence)
    if not questions:
        return asked
    model = model or chat.only_model()
    if CONTROL.search(model):
        raise BadInput(f"--model is {model[:100]!r}, which no line can hold")
    try:
        for question in tqdm(questions, desc=f"asking {model}", unit=" questions", disable=None, leave=False):
            _ask(question, chat, model, asked)
    except CairnError as error:
        raise error.with_advice(
            f"{asked.n_kept:,} answers are kept, the next run goes on after them"
        ) from None
    return asked


def _ask(question: Question, chat: Chat, model: str, asked: Asked) -> None:
    """Ask one question and keep the answer, if it is one."""
    content = chat.answer(question.prompt(), model)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        line = question.evidence(content, model, now)
    except BadInput as error:
        asked.n_refused += 1
        log.debug(f"refused: {error}")
    else:
        append_evidence(asked.path, line)
        asked.n_kept += 1
