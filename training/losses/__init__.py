"""Rank losses for hierarchical retrieval, and the terms that the published recipes add to them."""

from training.losses.calibration import Calibration
from training.losses.cluster import Cluster
from training.losses.rank import (
    RankLoss,
    SmoothAP,
    SmoothHAP,
    SmoothNDCG,
    SupAP,
    SupHAP,
    SupNDCG,
    SupRecall,
)
from training.losses.recipes import HAPPIER, HAPPIER_F, ROADMAP, Combined, combine
from training.losses.steps import LeakyStep

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
