"""Every definition of losses and metrics, from its formula, one query and one item at a time.

Slow on purpose: nothing here is shared with the code under test.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SUP = {"tau": 0.01, "rho": 100.0, "delta": 0.05, "start": 0.5, "offset": 1.44}


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def sup_step(t: float, tau: float, rho: float, delta: float, start: float, offset: float) -> float:
    if t <= 0:
        return sigmoid(t / tau)
    if t <= delta:
        return start + sigmoid(t / tau)
    return rho * (t - delta) + offset


def depths(labels: Array, ref_labels: Array) -> NDArray[np.int64]:
    return (labels[:, None, :] == ref_labels[None, :, :]).sum(2)


def relevance(depth: NDArray[np.int64], n_levels: int, alpha: float = 1.0) -> Array:
    """rel(j) = (m_j / L)^alpha / n(m_j)."""
    return np.array([0.0 if m == 0 else (m / n_levels) ** alpha / np.sum(depth == m) for m in depth])


def sup_rank(s: Array, depth: NDArray[np.int64], k: int, **step: float) -> float:
    """1 + the step of less relevant items + the Heaviside step, H(0) = 1, of the others."""
    total = 1.0
    for j in range(len(s)):
        if j != k:
            t = s[j] - s[k]
            total += sup_step(t, **step) if depth[j] < depth[k] else float(t >= 0)
    return total


def sup_hap(s: Array, depth: NDArray[np.int64], rel: Array, **step: float) -> float:
    """Sum of H-rank over rank, over the sum of relevances; with one level it is AP."""
    total = 0.0
    for k in np.flatnonzero(depth):
        h = rel[k] + sum(min(rel[k], rel[j]) for j in range(len(s)) if j != k and s[j] >= s[k])
        total += h / sup_rank(s, depth, k, **step)
    return float(total / rel.sum())


def smooth_hap(s: Array, depth: NDArray[np.int64], rel: Array, tau: float) -> float:
    total = 0.0
    for k in np.flatnonzero(depth):
        push = {j: sigmoid((s[j] - s[k]) / tau) for j in range(len(s)) if j != k}
        h = rel[k] + sum(min(rel[k], rel[j]) * p for j, p in push.items())
        total += h / (1 + sum(push.values()))
    return float(total / rel.sum())


def sup_ndcg(s: Array, depth: NDArray[np.int64], **step: float) -> float:
    dcg = sum((2.0 ** depth[k] - 1) / math.log2(1 + sup_rank(s, depth, k, **step)) for k in range(len(s)))
    ideal = sum((2.0**m - 1) / math.log2(2 + i) for i, m in enumerate(sorted(depth, reverse=True)))
    return float(dcg / ideal)


def sup_recall(
    s: Array, depth: NDArray[np.int64], at_k: tuple[int, ...], temperature: float, **step: float
) -> float:
    positives = np.flatnonzero(depth)
    ranks = [sup_rank(s, depth, k, **step) for k in positives]
    return float(
        np.mean([sum(sigmoid((k - r) / temperature) for r in ranks) / min(k, len(ranks)) for k in at_k])
    )


def mean_loss(scores: Array, depth: NDArray[np.int64], score_of) -> float:
    """1 - score, averaged over the queries with positives."""
    losses = [1 - score_of(s, m) for s, m in zip(scores, depth, strict=True) if m.any()]
    return float(np.mean(losses)) if losses else 0.0


def metrics(s: Array, depth: NDArray[np.int64], n_levels: int, ks: tuple[int, ...]) -> dict[str, float]:
    """Every metric of one query, whose own item is not in the list; level 0 is the finest."""
    order = sorted(range(len(s)), key=lambda j: (-s[j], j))
    m = [int(depth[j]) for j in order]
    rel = relevance(np.array(m), n_levels)
    n_positives = sum(d > 0 for d in m)
    ideal = sorted(m, reverse=True)
    out = {}
    if n_positives:
        hranks = [sum(min(rel[i], rel[j]) for j in range(i + 1)) for i in range(len(m))]
        out["h_ap"] = sum(hranks[i] / (i + 1) for i in range(len(m))) / sum(rel)
        gain = [2.0**d - 1 for d in m]
        best = [2.0**d - 1 for d in ideal]
        for k in (None, *ks):
            dcg, idcg = (sum(g / math.log2(2 + i) for i, g in enumerate(x[:k])) for x in (gain, best))
            out["ndcg" if k is None else f"ndcg_at_{k}"] = dcg / idcg
        out["asi"] = float(
            np.mean(
                [
                    sum(min(m[:k].count(d), ideal[:k].count(d)) for d in range(n_levels + 1)) / k
                    for k in range(1, n_positives + 1)
                ]
            )
        )
    for level in range(n_levels):
        hit = [d >= n_levels - level for d in m]
        out |= {f"{name}_level{level}": value for name, value in binary_metrics(hit, ks).items()}
        kept = [d for d in m if d <= n_levels - level]
        exact = [d == n_levels - level for d in kept]
        if any(exact):
            out[f"exclusive_ap_level{level}"] = binary_metrics(exact, ())["ap"]
    return out


def h_ap_published(m: list[int], n_levels: int, holds_query: bool) -> float:
    """H-AP of depths in order of rank, as the papers' code has it: the query counts; else the last item is lost.

    An item adds once for each level whose relevance is that of its own.
    """
    counted = [*m, n_levels] if holds_query else m
    share = [((d / n_levels) / counted.count(d) if d and d in counted else 0.0) for d in range(n_levels + 1)]
    rel = [np.float32(value) for value in share]
    kept = m if holds_query else m[:-1]
    total = sum(float(rel[d]) for d in kept)
    if not total:
        return math.nan
    score = 0.0
    for i, d in enumerate(kept):
        met = [sum(rel[other] == rel[level] for other in kept[: i + 1]) for level in range(1, n_levels + 1)]
        score += sum(float(min(rel[d], rel[n])) * met[n - 1] for n in range(1, n_levels + 1)) / (i + 1)
    return score / total


def binary_metrics(hit: list[bool], ks: tuple[int, ...]) -> dict[str, float]:
    n = sum(hit)
    if not n:
        return {}
    precision = [sum(hit[: i + 1]) / (i + 1) for i in range(len(hit))]
    at_hits = [p if h else 0.0 for p, h in zip(precision, hit, strict=True)]
    out = {
        "ap": sum(at_hits) / n,
        "map_at_r": sum(at_hits[:n]) / n,
        "r_precision": sum(hit[:n]) / n,
        "mrr": 1 / (1 + hit.index(True)),
        "asi": sum(precision[:n]) / n,
    }
    for k in ks:
        out[f"map_at_{k}"] = sum(at_hits[:k]) / min(n, k)
        out[f"p_at_{k}"] = sum(hit[:k]) / k
        out[f"r_at_{k}"] = float(any(hit[:k]))
        out[f"recall_at_{k}"] = sum(hit[:k]) / min(n, k)
    return out
