"""Rank losses for hierarchical retrieval, and the terms that the published recipes add to them.

Names are imported when they are first used.
"""

from typing import TYPE_CHECKING

from cairnhub.core.lazy import lazy_names

if TYPE_CHECKING:
    from cairnhub.training.losses.binned_ap import SoftBinAP
    from cairnhub.training.losses.blackbox_ap import BlackBoxAP
    from cairnhub.training.losses.calibration import Calibration
    from cairnhub.training.losses.cluster import Cluster
    from cairnhub.training.losses.combined import Combined, combine
    from cairnhub.training.losses.contrastive import Contrastive
    from cairnhub.training.losses.cross_level_softmax import CrossLevelSoftmax
    from cairnhub.training.losses.metric_learning import ArcFace, FastAP, ProxyNCA, Triplet
    from cairnhub.training.losses.metric_learning_adapter import for_metric_learning
    from cairnhub.training.losses.presets import HAPPIER, HAPPIER_F, ROADMAP
    from cairnhub.training.losses.rank_losses import (
        RankLoss,
        SmoothAP,
        SmoothHAP,
        SmoothNDCG,
        SmoothRecall,
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
    "ArcFace",
    "BlackBoxAP",
    "Calibration",
    "Cluster",
    "Combined",
    "Contrastive",
    "CrossLevelSoftmax",
    "FastAP",
    "LeakyStep",
    "ProxyNCA",
    "RankLoss",
    "Sigmoid",
    "SmoothAP",
    "SmoothHAP",
    "SmoothNDCG",
    "SmoothRecall",
    "SoftBinAP",
    "SupAP",
    "SupHAP",
    "SupNDCG",
    "SupRecall",
    "SupStep",
    "Triplet",
    "combine",
    "for_metric_learning",
]
_RANKING = (
    *("RankLoss", "SmoothAP", "SmoothHAP", "SmoothNDCG", "SmoothRecall"),
    *("SupAP", "SupHAP", "SupNDCG", "SupRecall"),
)
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        **dict.fromkeys(("HAPPIER", "HAPPIER_F", "ROADMAP"), "cairnhub.training.losses.presets"),
        "BlackBoxAP": "cairnhub.training.losses.blackbox_ap",
        "Calibration": "cairnhub.training.losses.calibration",
        "Cluster": "cairnhub.training.losses.cluster",
        "Contrastive": "cairnhub.training.losses.contrastive",
        "CrossLevelSoftmax": "cairnhub.training.losses.cross_level_softmax",
        "for_metric_learning": "cairnhub.training.losses.metric_learning_adapter",
        "SoftBinAP": "cairnhub.training.losses.binned_ap",
        **dict.fromkeys(
            ("ArcFace", "FastAP", "ProxyNCA", "Triplet"), "cairnhub.training.losses.metric_learning"
        ),
        **dict.fromkeys(("Combined", "combine"), "cairnhub.training.losses.combined"),
        **dict.fromkeys(_RANKING, "cairnhub.training.losses.rank_losses"),
        **dict.fromkeys(("LeakyStep", "Sigmoid", "SupStep"), "cairnhub.training.losses.surrogates"),
    },
)
