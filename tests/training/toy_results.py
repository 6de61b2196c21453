"""Results of a made-up model on a made-up dataset, small enough to know each number."""

from collections.abc import Sequence

import numpy as np

from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.node_results import NodeResults
from cairnhub.training.model_results import ModelResults, SystemResults

LEVELS = ("landmark", "category", "kind")


def toy_results(
    leaves: Sequence[str], n_each: int = 3, n_queries: int = 4, seed: int = 0
) -> tuple[ModelResults, LabelTree]:
    """`n_each` images per leaf; leaves stand in pairs in categories; the first images are the queries.

    What is found for image i is i + 1, i + 2, ... around; the baseline finds them backwards.
    """
    n = len(leaves) * n_each
    names = (tuple(sorted(leaves)), tuple(f"category {i}" for i in range((len(leaves) + 1) // 2)), ("all",))
    above = (np.arange(len(leaves)) // 2, np.zeros(len(names[1]), np.int64))
    tree = LabelTree(LEVELS, names, above)
    leaf = np.arange(n) % len(leaves)
    labels = np.column_stack([leaf, leaf // 2, np.zeros_like(leaf)])
    k = min(6, n - 1)
    steps = np.arange(n)[:, None] + np.arange(1, k + 1)
    scores = np.tile(np.linspace(0.9, 0.4, k, dtype=np.float32), (n, 1))
    h_ap = np.full(n, np.nan)
    h_ap[:n_queries] = np.linspace(0.2, 0.9, n_queries)
    systems = {
        "trained": SystemResults(float(np.nanmean(h_ap)), h_ap, steps % n, scores),
        "untrained": SystemResults(0.1, np.where(np.isnan(h_ap), np.nan, 0.3), (2 * n - steps) % n, scores),
    }
    places = np.random.default_rng(seed).random((n, 2)).astype(np.float32)
    return (
        ModelResults(
            "toy", "toy", "retrieval", LEVELS, tuple(f"image-{i}" for i in range(n)), ("test", "index"),
            (np.arange(n) >= n_queries).astype(np.int64), np.arange(n), labels, np.arange(n) < n_queries,
            systems, places, NodeResults("toy"),
        ),
        tree,
    )  # fmt: skip
