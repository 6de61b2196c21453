"""Rank losses for hierarchical retrieval, and the terms that the published recipes add to them.

Names are imported when they are first used.
"""

from typing import TYPE_CHECKING

from cairnhub.core.lazy import lazy_names

if TYPE_CHECKING:
    from cairnhub.training.losses.calibration import Calibration
    from cairnhub.training.losses.cluster import Cluster
    from cairnhub.training.losses.combined import Combined, combine
    from cairnhub.training.losses.presets import HAPPIER, HAPPIER_F, ROADMAP
    from cairnhub.training.losses.rank_losses import (
        RankLoss,
        SmoothAP,
        SmoothHAP,
        SmoothNDCG,
        SupAP,
        SupHAP,
        SupNDCG,
        SupRecall,
    )
    from cairnhub.training.losses.surrogates import LeakyStep, Sigmoid, SupStep

__all__ = [
    "HAPPIER",
    "HAPPIER_F",
    "ROADMAP",
    "Calibration",
    "Cluster",
    "Combined",
    "LeakyStep",
    "RankLoss",
    "Sigmoid",
    "SmoothAP",
    "SmoothHAP",
    "SmoothNDCG",
    "SupAP",
    "SupHAP",
    "SupNDCG",
    "SupRecall",
    "SupStep",
    "combine",
]
_RANKING = ("RankLoss", "SmoothAP", "SmoothHAP", "SmoothNDCG", "SupAP", "SupHAP", "SupNDCG", "SupRecall")
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        **dict.fromkeys(("HAPPIER", "HAPPIER_F", "ROADMAP"), "cairnhub.training.losses.presets"),
        "Calibration": "cairnhub.training.losses.calibration",
        "Cluster": "cairnhub.training.losses.cluster",
        **dict.fromkeys(("Combined", "combine"), "cairnhub.training.losses.combined"),
        **dict.fromkeys(_RANKING, "cairnhub.training.losses.rank_losses"),
        **dict.fromkeys(("LeakyStep", "Sigmoid", "SupStep"), "cairnhub.training.losses.surrogates"),
    },
)
