"""Rank losses for hierarchical retrieval, and the terms that the published recipes add to them."""

from cairnhub.training.losses.calibration import Calibration
from cairnhub.training.losses.cluster import Cluster
from cairnhub.training.losses.presets import HAPPIER, HAPPIER_F, ROADMAP, Combined, combine
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
from cairnhub.training.losses.surrogates import LeakyStep

__all__ = [
    "HAPPIER",
    "HAPPIER_F",
    "ROADMAP",
    "Calibration",
    "Cluster",
    "Combined",
    "LeakyStep",
    "RankLoss",
    "SmoothAP",
    "SmoothHAP",
    "SmoothNDCG",
    "SupAP",
    "SupHAP",
    "SupNDCG",
    "SupRecall",
    "combine",
]
