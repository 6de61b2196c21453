"""The gallery is one image of each class, drawn at random; the rest search it; repeated (Liu et al., CVPR 2016)."""

import numpy as np
import numpy.typing as npt
import torch

from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.training.evaluation import IntArray, ProtocolMetrics, headlines
from cairnhub.training.metrics.bootstrap import bootstrap_intervals
from cairnhub.training.metrics.keys import H_AP, H_AP_PUBLISHED, ByMetric, MetricKey
from cairnhub.training.metrics.retrieval import RetrievalMetrics, retrieval_metrics
from cairnhub.training.protocol_kinds.labels import spread
from cairnhub.training.protocol_kinds.points import Points


def draw_gallery(labels: IntArray, seed: int, draw: int) -> IntArray:
    """Rows of one image of each class, at random, rising.

    Args:
        labels: classes (N,).
        seed: of the protocol.
        draw: its number.
    """
    order = np.random.default_rng([seed, draw]).permutation(len(labels))
    _, first = np.unique(labels[order], return_index=True)
    return np.sort(order[first])


def measure_draws(
    protocol: EvaluationProtocol, points: Points, tree_levels: tuple[str, ...]
) -> ProtocolMetrics:
    """The mean of all draws, and `sd_` metrics: the standard deviation over draws.

    Per query it is the mean over the draws in which an image was one; intervals are those over images.

    Raises:
        BadInput: no class has two images.
    """
    levels = protocol.levels or tree_levels
    columns = [tree_levels.index(level) for level in levels]
    chosen = points.rows_with(protocol.only, protocol.name)
    embeddings, labels = points.embeddings[chosen], points.labels[chosen][:, columns]
    draws: list[RetrievalMetrics] = []
    asked: list[IntArray] = []
    for draw in range(protocol.n_draws):
        gallery = draw_gallery(labels[:, 0], protocol.seed, draw)
        query = np.setdiff1d(np.arange(len(labels)), gallery)
        if not len(query):
            raise BadInput(
                f"protocol {protocol.name!r}: no {levels[0]} has two images, so none is left to search"
            )
        sides = [
            side for rows in (query, gallery) for side in (embeddings[rows], torch.from_numpy(labels[rows]))
        ]
        draws.append(retrieval_metrics(*sides, levels=levels, ks=sorted({1, *protocol.ks})))
        asked.append(chosen[query])
    per_query = {key: _mean_per_image(key, draws, asked, len(points.labels)) for key in draws[0].per_query}
    values = ByMetric({key: float(np.mean([draw.values[key] for draw in draws])) for key in draws[0].values})
    spreads = {key: _deviation(key, draws) for key in values if _has_spread(key)}
    shown = headlines(levels)
    return ProtocolMetrics(
        ByMetric(values | {MetricKey(f"sd_{key.name}", key.level, key.k): sd for key, sd in spreads.items()}),
        ByMetric(bootstrap_intervals({key: per_query[key] for key in shown})),
        ByMetric(per_query),
        levels,
        (_note(protocol, spreads, levels),),
    )


def _mean_per_image(
    key: MetricKey, draws: list[RetrievalMetrics], asked: list[IntArray], n_images: int
) -> npt.NDArray[np.float64]:
    """The mean over the draws in which an image was a query that counts, (N,); NaN where it never was."""
    every = [spread(draw.per_query[key], rows, n_images) for draw, rows in zip(draws, asked, strict=True)]
    counted = np.sum([~np.isnan(values) for values in every], axis=0)
    total = np.sum([np.nan_to_num(values) for values in every], axis=0)
    mean: npt.NDArray[np.float64] = np.divide(
        total, counted, out=np.full(n_images, np.nan), where=counted > 0
    )
    return mean


def _has_spread(key: MetricKey) -> bool:
    return key in (H_AP, H_AP_PUBLISHED) or key.name in ("ap", "r_at")


def _deviation(key: MetricKey, draws: list[RetrievalMetrics]) -> float:
    return float(np.std([draw.values[key] for draw in draws], ddof=1)) if len(draws) > 1 else float("nan")


def _note(protocol: EvaluationProtocol, spreads: dict[MetricKey, float], levels: tuple[str, ...]) -> str:
    shown = {"AP": MetricKey("ap", levels[0]), "R@1": MetricKey("r_at", levels[0], 1)}
    words = ", ".join(f"{name} {levels[0]} {100 * spreads[key]:.1f}" for name, key in shown.items())
    return f"{protocol.name}: the mean of {protocol.n_draws} draws; standard deviation over draws: {words}"
