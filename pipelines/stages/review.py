"""review: human decisions applied to the proposal; the result is the label tree."""

import hashlib
import logging
from collections.abc import Sequence

from cairnhub.core.files import replace_folder
from cairnhub.datasets_hub.card import Decisions
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.apply import DecisionReport, apply_decisions
from cairnhub.hierarchies.review.decisions import Decision, read_decisions
from cairnhub.hierarchies.review.provenance import trace
from cairnhub.hierarchies.review.touches import write_touches
from cairnhub.pipelines.artifacts.class_list import ClassList
from cairnhub.pipelines.artifacts.review_report import ReviewReport, StaleDecision
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.samples.demonstration import demonstration

log = logging.getLogger(__name__)


def run(context: Context) -> None:
    """Write the tree and what became of each decision."""
    proposal = TreeProposal.load(context.paths.proposal)
    shown = read_decisions(demonstration(context.scale, context.paths.owner))
    made = read_decisions(context.paths.decisions)
    decisions = [*shown, *made]
    tree, report = apply_decisions(proposal, decisions)
    report.check()
    tree, classes = ClassList.load(context.paths.class_list).number(tree, report.origins)
    with replace_folder(context.paths.tree.parent) as folder:
        tree.save(folder / context.paths.tree.name)
        reviewed = _reviewed(report, shown, made, context).model_dump_json(indent=1)
        (folder / context.paths.reviewed.name).write_text(reviewed + "\n", encoding="utf-8")
        write_touches(folder / context.paths.touches.name, trace(proposal, decisions, tree))
    classes.save()
    ReviewReport(
        counts=report.counts(),
        pending=tuple(f"{item.level} {item.label} -> {item.group}" for item in report.pending),
        stale=tuple(StaleDecision(outcome.decision.to_line(), outcome.why) for outcome in report.stale),
    ).save(context.paths.review_report)
    log.info(f"{context.dataset}: " + ", ".join(f"{n:,} {what}" for what, n in report.counts().items()))
    for outcome in report.stale:
        log.warning(f"stale, kept all the same: {outcome.decision.to_line()}: {outcome.why}")


def _reviewed(
    report: DecisionReport, shown: Sequence[Decision], made: Sequence[Decision], context: Context
) -> Decisions:
    """What the card says of the decisions that hold: those of the sample's demonstration, and those of people."""
    holding = {outcome.decision for outcome in (*report.applied, *report.no_op)}
    lines = sorted(decision.to_line() for decision in holding)
    fingerprint = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    file = context.paths.decisions.relative_to(context.paths.root).as_posix()
    origins = {"the sample's demonstration": shown, file: made}
    named = [origin for origin, decisions in origins.items() if holding.intersection(decisions)]
    return Decisions(file=" and ".join(named) or file, fingerprint=fingerprint, n_applied=len(lines))
