"""Several images are one vector, their mean: templates search templates (IJB-C, Maze et al., 2018)."""

import numpy as np
import torch
from torch.nn import functional

from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.training.encoders import EmbeddedSplit
from cairnhub.training.evaluation import ProtocolMetrics, evaluate
from cairnhub.training.protocol_kinds.points import Points


def pool_templates(protocol: EvaluationProtocol, points: Points) -> EmbeddedSplit:
    """One unit vector per template, in the order of their names: the mean of its images'.

    Raises:
        BadInput: no image is in one, or one holds images of two labels; names it.
    """
    column = protocol.template
    assert column is not None
    points = points.at(points.rows_with(protocol.only, protocol.name))
    pairs = [(name, row) for row, names in enumerate(points.words(column, protocol.name)) for name in names]
    if not pairs:
        raise BadInput(f"protocol {protocol.name!r}: no image has a {column}")
    pairs.sort()
    _, starts = np.unique([name for name, _ in pairs], return_index=True)
    rows = np.array([row for _, row in pairs])
    labels, first = points.labels[rows], points.labels[rows[starts]]
    lengths = np.diff([*starts, len(rows)])
    mixed = (labels != first.repeat(lengths, axis=0)).any(axis=1)
    if mixed.any():
        name = pairs[int(mixed.argmax())][0]
        raise BadInput(f"protocol {protocol.name!r}: {column} {name!r} holds images of different labels")
    sums = np.add.reduceat(points.embeddings[rows].double().numpy(), starts)
    return EmbeddedSplit(functional.normalize(torch.from_numpy(sums), dim=1).float(), first)


def measure_templates(
    protocol: EvaluationProtocol, query: Points, gallery: Points | None, tree_levels: tuple[str, ...]
) -> ProtocolMetrics:
    """Exact metrics of templates; per query is per template here."""
    searched = None if gallery is None else pool_templates(protocol, gallery)
    asked = pool_templates(protocol, query)
    return evaluate(asked, searched, tree_levels, protocol.levels, ks=protocol.ks)
