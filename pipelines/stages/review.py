"""review: human decisions applied to the proposal; the result is the label tree."""

import hashlib
import logging

from cairnhub.core.files import replace_folder
from cairnhub.datasets_hub.card import Decisions
from cairnhub.hierarchies.proposal.proposal import Proposal
from cairnhub.hierarchies.review.apply import DecisionReport, apply_decisions
from cairnhub.hierarchies.review.decisions import read_decisions
from cairnhub.hierarchies.review.provenance import trace
from cairnhub.hierarchies.review.touches import write_touches
from cairnhub.pipelines.artifacts.review_report import ReviewReport, StaleDecision
from cairnhub.pipelines.context import Context

log = logging.getLogger(__name__)


def run(context: Context) -> None:
    """Write the tree and what became of each decision."""
    proposal = Proposal.load(context.paths.proposal)
    decisions = read_decisions(context.paths.decisions)
    tree, report = apply_decisions(proposal, decisions)
    report.check()
    with replace_folder(context.paths.tree.parent) as folder:
        tree.save(folder / context.paths.tree.name)
        reviewed = _reviewed(report, context).model_dump_json(indent=1)
        (folder / context.paths.reviewed.name).write_text(reviewed + "\n", encoding="utf-8")
        write_touches(folder / context.paths.touches.name, trace(proposal, decisions, tree))
    ReviewReport(
        counts=report.counts(),
        pending=tuple(f"{item.level} {item.label} -> {item.category}" for item in report.pending),
        stale=tuple(StaleDecision(outcome.decision.to_line(), outcome.why) for outcome in report.stale),
    ).save(context.paths.review_report)
    log.info(f"{context.dataset}: " + ", ".join(f"{n:,} {what}" for what, n in report.counts().items()))
    for outcome in report.stale:
        log.warning(
            f"stale, kept in {context.paths.decisions.name}: {outcome.decision.to_line()}: {outcome.why}"
        )


def _reviewed(report: DecisionReport, context: Context) -> Decisions:
    """What the card says of the decisions that hold."""
    lines = sorted(outcome.decision.to_line() for outcome in (*report.applied, *report.no_op))
    fingerprint = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    file = context.paths.decisions.relative_to(context.paths.root).as_posix()
    return Decisions(file=file, fingerprint=fingerprint, n_applied=len(lines))
