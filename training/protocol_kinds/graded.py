"""Lists of easy, hard and junk images (Radenovic et al., Revisiting Oxford and Paris, CVPR 2018).

What is right: the easy ones (`easy`), the easy and the hard (`medium`), the hard (`hard`). Junk is taken out of the
list before it is scored, and so are the hard ones for `easy`, the easy ones for `hard`.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from cairnhub.core.errors import BadInput
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.training.evaluation import IntArray, ProtocolMetrics
from cairnhub.training.metrics.bootstrap import bootstrap_intervals
from cairnhub.training.metrics.full_ranking import Blocks
from cairnhub.training.metrics.keys import ByMetric, MetricKey
from cairnhub.training.protocol_kinds.points import Points

GRADES = ("easy", "hard", "junk")
SETTINGS = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}
"""By name, which grades are right and which are taken out."""
Lists = dict[str, IntArray]


def trapezoidal_ap(ranks: IntArray, n: int) -> float:
    """Average precision by the trapezoidal rule, as landmark benchmarks have it since Oxford5k (Philbin et al., 2007).

    Args:
        ranks: of the right images, from 0, rising, (P,).
        n: how many there are; NaN for none.

    Example:
        >>> import numpy as np
        >>> round(trapezoidal_ap(np.array([0, 2]), 2), 4)
        0.7917
    """
    if n == 0:
        return float("nan")
    n_before = np.arange(len(ranks))
    before = np.divide(n_before, ranks, out=np.ones(len(ranks)), where=ranks > 0)
    return float(((before + (n_before + 1) / (ranks + 1)) / 2).sum() / n)


def precision_at(ranks: IntArray, k: int) -> float:
    """Precision at k, or at the last right image where that comes earlier; NaN without any."""
    if not len(ranks):
        return float("nan")
    last = min(int(ranks.max()) + 1, k)
    return float((ranks < last).sum() / last)


def ranks_without(right: IntArray, out: IntArray) -> IntArray:
    """Ranks from 0 of what is right, rising, in a list from which others are taken out."""
    right, out = np.sort(right), np.sort(out)
    return right - np.searchsorted(out, right)


def measure_graded(
    protocol: EvaluationProtocol, query: Points, gallery: Points | None, answers: pd.DataFrame | None
) -> ProtocolMetrics:
    """AP, P@k and R@k of each setting, which stand where others have levels.

    Args:
        protocol: its cut-offs.
        query: what searches.
        gallery: what is searched.
        answers: `query_id`, `image_id`, `relevance`: easy, hard or junk.

    Raises:
        BadInput: there is no gallery of its own, or no such lists.
    """
    if gallery is None:
        raise BadInput(f"protocol {protocol.name!r}: its queries must be a split of their own")
    lists = _lists(protocol, query, gallery, answers)
    ks = sorted({1, *protocol.ks})
    per_query: dict[MetricKey, npt.NDArray[np.float64]] = {}
    for row, rank in _ranks(query, gallery):
        for setting, (right, out) in SETTINGS.items():
            found = [np.concatenate([rank[lists[row][grade]] for grade in grades]) for grades in (right, out)]
            ranks = ranks_without(found[0], found[1])
            values = {MetricKey("ap", setting): trapezoidal_ap(ranks, len(ranks))}
            for k in ks:
                values[MetricKey("p_at", setting, k)] = precision_at(ranks, k)
                values[MetricKey("r_at", setting, k)] = float(ranks[0] < k) if len(ranks) else float("nan")
            for key, value in values.items():
                per_query.setdefault(key, np.full(len(query.labels), np.nan))[row] = value
    shown = [key for key in per_query if key.name == "ap" or (key.name == "r_at" and key.k == 1)]
    means = {
        key: float(np.nanmean(v)) if (~np.isnan(v)).any() else float("nan") for key, v in per_query.items()
    }
    intervals = bootstrap_intervals({key: per_query[key] for key in shown})
    return ProtocolMetrics(ByMetric(means), ByMetric(intervals), ByMetric(per_query), tuple(SETTINGS))


def _ranks(query: Points, gallery: Points) -> Iterator[tuple[int, IntArray]]:
    """Each query's row, and the rank from 0 of every item of the gallery: higher score first, then lower index."""
    blocks = Blocks.of(query.embeddings, len(gallery.labels))
    for rows, scores in blocks.scores(query.embeddings, gallery.embeddings):
        for row, line in enumerate(scores, start=rows.start):
            order = line.sort(descending=True, stable=True).indices
            rank = torch.empty_like(order)
            rank[order] = torch.arange(len(order))
            yield row, rank.numpy()


def _lists(
    protocol: EvaluationProtocol, query: Points, gallery: Points, answers: pd.DataFrame | None
) -> list[Lists]:
    """Rows of the gallery by grade, for each query; images that the gallery does not have are left out."""
    if answers is None or "relevance" not in answers:
        raise BadInput(
            f"protocol {protocol.name!r} goes by lists of easy, hard and junk images: the source must give `relevance`"
        )
    if unknown := set(answers["relevance"]) - set(GRADES):
        raise BadInput(
            f"protocol {protocol.name!r}: a relevance is {quoted(sorted(map(str, unknown)), 3)}, not easy, hard or junk"
        )
    place = {image_id: row for row, image_id in enumerate(gallery.image_ids)}
    known = answers[answers["image_id"].isin(list(place))]
    rows = {
        key: np.array([place[image_id] for image_id in group], dtype=np.int64)
        for key, group in known.groupby(["query_id", "relevance"])["image_id"]
    }
    nothing = np.empty(0, dtype=np.int64)
    return [{grade: rows.get((image_id, grade), nothing) for grade in GRADES} for image_id in query.image_ids]
