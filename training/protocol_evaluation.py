"""Any protocol of a card, measured."""

import pandas as pd

from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.training.evaluation import ProtocolMetrics
from cairnhub.training.protocol_kinds.graded import measure_graded
from cairnhub.training.protocol_kinds.labels import measure_labels
from cairnhub.training.protocol_kinds.one_per_class import measure_draws
from cairnhub.training.protocol_kinds.points import Points
from cairnhub.training.protocol_kinds.templates import measure_templates


def evaluate_protocol(
    protocol: EvaluationProtocol,
    query: Points,
    gallery: Points | None,
    tree_levels: tuple[str, ...],
    answers: pd.DataFrame | None = None,
) -> ProtocolMetrics:
    """Exact metrics of one protocol, with intervals.

    Args:
        protocol: what is measured.
        query: the split that searches.
        gallery: the split that is searched; None where that is the same.
        tree_levels: names of the label columns, fine -> coarse.
        answers: the benchmark's own lists, where it has some: `query_id`, `image_id`, and what its kind needs.

    Raises:
        BadInput: the protocol asks for what these splits do not have; names it.
    """
    if protocol.kind == "one_per_class":
        return measure_draws(protocol, query, tree_levels)
    if protocol.kind == "templates":
        return measure_templates(protocol, query, gallery, tree_levels)
    if protocol.kind == "graded":
        return measure_graded(protocol, query, gallery, answers)
    return measure_labels(protocol, query, gallery, tree_levels)
