"""Where in the tree a ranking is weak: metrics of each node, and which sibling is found in its place."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from cairnhub.training.evaluation import IntArray, ProtocolMetrics
from cairnhub.training.given_labels import LabelCodes
from cairnhub.training.metrics.keys import MetricKey

NODE_COLUMNS = ["level", "node", "n_queries", "ap", "r_at_1"]
CONFUSION_COLUMNS = ["level", "node", "found", "n_queries", "share"]
_SCORES = 1 << 22  # held at once


def node_table(measured: ProtocolMetrics, labels: IntArray, coded: LabelCodes) -> pd.DataFrame:
    """AP and R@1 of the queries of each node, at the node's own level.

    Args:
        measured: with metrics per query.
        labels: class indices of the queries (Q, L), fine -> coarse.
        coded: names of levels and classes.

    Returns:
        Columns `level`, `node`, `n_queries` (those that have something to find), `ap`, `r_at_1` (0..1); levels from
        fine to coarse, the weakest AP first.
    """
    tables = []
    for level in measured.levels:
        rank = coded.levels.index(level)
        rows = pd.DataFrame(
            {
                "code": labels[:, rank],
                "ap": measured.per_query[MetricKey("ap", level)],
                "r_at_1": measured.per_query[MetricKey("r_at", level, 1)],
            }
        ).dropna()
        grouped = rows[rows["code"] >= 0].groupby("code")
        table = grouped[["ap", "r_at_1"]].mean().assign(n_queries=grouped.size(), level=level)
        table["node"] = [coded.name(rank, int(code)) for code in table.index]
        tables.append(table.sort_values("ap", kind="stable"))
    return pd.concat(tables)[NODE_COLUMNS].reset_index(drop=True)


def confusion_table(
    measured: ProtocolMetrics, labels: IntArray, found: IntArray, coded: LabelCodes
) -> pd.DataFrame:
    """Which sibling of a query's node stands at the first place of its list, how often.

    Args:
        measured: says which queries have something to find at a level.
        labels: class indices of the queries (Q, L), fine -> coarse.
        found: those of the item at each query's first place, (Q, L).
        coded: names of levels and classes.

    Returns:
        Columns `level`, `node`, `found` (a node with the same parent; on the coarsest level all are siblings),
        `n_queries`, and `share` of the node's queries (0..1); levels from fine to coarse, the most frequent first.
    """
    tables = []
    for level in measured.levels:
        rank = coded.levels.index(level)
        counts = ~np.isnan(measured.per_query[MetricKey("ap", level)]) & (labels[:, rank] >= 0)
        is_sibling = (found[:, rank] != labels[:, rank]) & (found[:, rank] >= 0) & counts
        if rank + 1 < len(coded.levels):
            is_sibling &= found[:, rank + 1] == labels[:, rank + 1]
        n_of_node = pd.Series(labels[counts, rank]).value_counts()
        pairs = pd.DataFrame({"code": labels[is_sibling, rank], "other": found[is_sibling, rank]})
        table = pairs.value_counts().rename("n_queries").reset_index()
        table["share"] = table["n_queries"] / table["code"].map(n_of_node)
        table = table.sort_values(["n_queries", "code", "other"], ascending=[False, True, True])
        for column, source in (("node", "code"), ("found", "other")):
            table[column] = [coded.name(rank, int(code)) for code in table[source]]
        tables.append(table.assign(level=level))
    return pd.concat(tables)[CONFUSION_COLUMNS].reset_index(drop=True)


def first_items(query: Tensor, gallery: Tensor | None, self_index: npt.ArrayLike | None = None) -> IntArray:
    """Gallery index of each query's best item, (Q,): higher score first, then lower index.

    Args:
        query: (Q, d).
        gallery: (N, d); None: the other queries.
        self_index: gallery index of each query itself, -1 where it is not there, (Q,); it is left out.
    """
    items = query if gallery is None else gallery.to(query)
    own = torch.arange(len(query)) if gallery is None else None
    if self_index is not None:
        own = torch.as_tensor(np.asarray(self_index))
    places = torch.arange(len(items), device=query.device)
    found = np.empty(len(query), dtype=np.int64)
    step = max(1, _SCORES // len(items))
    for start in range(0, len(query), step):
        scores = query[start : start + step] @ items.T
        if own is not None:
            mine = own[start : start + step].to(query.device)
            rows = (mine >= 0).nonzero()[:, 0]
            scores[rows, mine[rows]] = -torch.inf
        is_best = scores == scores.amax(dim=1, keepdim=True)
        found[start : start + step] = places.where(is_best, len(items)).amin(dim=1).cpu().numpy()
    return found
