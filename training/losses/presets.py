"""The papers' combinations of losses, each defined once: by name for recipes, and as constructors.

Attributes:
    PRESETS: name -> weights of the terms, and the paper that they come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from cairnhub.training.losses.calibration import Calibration
from cairnhub.training.losses.cluster import Cluster
from cairnhub.training.losses.combined import Combined
from cairnhub.training.losses.rank_losses import PAPERS_STEP, SupAP, SupHAP
from cairnhub.training.losses.surrogates import Step

_SMOOTH_AP = "Smooth-AP (Brown et al., ECCV 2020, arXiv:2007.12163)"
_ROADMAP = "ROADMAP (Ramzi et al., NeurIPS 2021, arXiv:2110.01445)"
_HAPPIER = "HAPPIER (Ramzi et al., ECCV 2022, arXiv:2207.04873)"
_SUPRANK = "SupRank (Ramzi et al., 2025, arXiv:2309.08250)"
_NSM = "NSM (Zhai and Wu, BMVC 2019, arXiv:1811.12649)"


@dataclass(frozen=True)
class Preset:
    """Weighted terms, by their names in `registry.LOSSES`, with the terms' own defaults for all else."""

    weights: Mapping[str, float]
    paper: str


PRESETS: Mapping[str, Preset] = {
    "SmoothAP": Preset({"SmoothAP": 1.0}, _SMOOTH_AP),
    "SupAP": Preset({"SupAP": 1.0}, _ROADMAP),
    "ROADMAP": Preset({"SupAP": 0.9, "Calibration": 0.1}, _ROADMAP),
    "SupHAP": Preset({"SupHAP": 1.0}, _HAPPIER),
    "HAPPIER": Preset({"SupHAP": 0.9, "Cluster": 0.1}, _HAPPIER),
    "HAPPIER_F": Preset({"SupHAP": 0.5, "Cluster": 0.5}, _HAPPIER),
    "SupNDCG": Preset({"SupNDCG": 1.0}, _SUPRANK),
    "SupRecall": Preset({"SupRecall": 1.0}, _SUPRANK),
    "NormalisedSoftmax": Preset({"Cluster": 1.0}, _NSM),
}


def ROADMAP(level: int = 0, *, step: Step = PAPERS_STEP) -> Combined:
    r"""0.9 SupAP + 0.1 Calibration, for one level (Ramzi et al., NeurIPS 2021).

    .. math:: 0.9 L_{SupAP} + 0.1 L_{calibration}

    Called with embeddings (B, d) and labels (B, L) or (B,), as every loss.

    Args:
        level: column of the labels, 0 the finest.
        step: of SupAP.

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import ROADMAP
        >>> loss = ROADMAP()
        >>> sorted(loss.parts(torch.eye(4), torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])))
        ['Calibration', 'SupAP']
    """
    return _weighted("ROADMAP", SupAP(step=step, level=level), Calibration(level=level))


def HAPPIER(n_classes: int, dim: int, alpha: float = 1.0, *, step: Step = PAPERS_STEP) -> Combined:
    """0.9 SupHAP + 0.1 Cluster, for the whole hierarchy (Ramzi et al., ECCV 2022).

    .. math:: 0.9 L_{SupHAP} + 0.1 L_{cluster}

    Called with embeddings (B, d) and labels (B, L), as every loss.

    Args:
        n_classes: classes of the finest level, numbered from 0.
        dim: d of the embeddings.
        alpha: exponent of the relevance.
        step: of SupHAP.

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import HAPPIER
        >>> loss = HAPPIER(n_classes=3, dim=4)
        >>> sorted(loss.parts(torch.eye(4), torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])))
        ['Cluster', 'SupHAP']
    """
    return _weighted("HAPPIER", SupHAP(step=step, alpha=alpha), Cluster(n_classes, dim))


def HAPPIER_F(n_classes: int, dim: int, alpha: float = 1.0, *, step: Step = PAPERS_STEP) -> Combined:
    """0.5 SupHAP + 0.5 Cluster: HAPPIER with weight moved to the finest level (Ramzi et al., ECCV 2022).

    .. math:: 0.5 L_{SupHAP} + 0.5 L_{cluster}

    Called with embeddings (B, d) and labels (B, L), as every loss.

    Args:
        n_classes: classes of the finest level, numbered from 0.
        dim: d of the embeddings.
        alpha: exponent of the relevance.
        step: of SupHAP.

    Example:
        >>> import torch
        >>> from cairnhub.training.losses import HAPPIER_F
        >>> loss = HAPPIER_F(n_classes=3, dim=4)
        >>> sorted(loss.parts(torch.eye(4), torch.tensor([[0, 0], [0, 0], [1, 0], [2, 1]])))
        ['Cluster', 'SupHAP']
    """
    return _weighted("HAPPIER_F", SupHAP(step=step, alpha=alpha), Cluster(n_classes, dim))


def _weighted(preset: str, *losses: nn.Module) -> Combined:
    """The losses with the weights of a preset, which names them all."""
    weights = PRESETS[preset].weights
    return Combined(losses, [weights[type(loss).__name__] for loss in losses])
