"""The papers' combinations of losses, each defined once: by name for recipes, and as constructors.

Attributes:
    PRESETS: name -> the terms, and the paper that they come from.
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
_TRIPLET = "triplet loss (Weinberger and Saul, JMLR 2009)"
_PROXY_NCA = "ProxyNCA++ (Teh et al., ECCV 2020, arXiv:2004.01113)"
_CSL = "CSL (Sun et al., CVPR 2021, arXiv:2103.11781)"
_ARC_FACE = "ArcFace (Deng et al., CVPR 2019, arXiv:1801.07698)"
_XBM = "XBM (Wang et al., CVPR 2020, arXiv:1912.06798)"
_BLACKBOX = "BlackBox-AP (Rolínek et al., CVPR 2020, arXiv:1912.03500)"
_SOFT_BIN = "SoftBin-AP (Revaud et al., ICCV 2019, arXiv:1906.07589)"
_FAST_AP = "FastAP (Cakir et al., CVPR 2019)"


@dataclass(frozen=True)
class Preset:
    """Weighted terms.

    Attributes:
        terms: what a recipe would write, settings by names in `registry.LOSSES`; a number is a weight, with the term's
            own defaults for all else.
        paper: that they come from.
    """

    terms: Mapping[str, float | Mapping[str, object]]
    paper: str

    @property
    def settings(self) -> dict[str, Mapping[str, object]]:
        """The terms, each with its weight among its settings."""
        return {
            name: term if isinstance(term, Mapping) else {"weight": term} for name, term in self.terms.items()
        }


_EVERY_LEVEL = {"levels": "every"}
_MILD_ARC_FACE = {"weight": 0.1, "margin": 0.3}

PRESETS: Mapping[str, Preset] = {
    "SmoothAP": Preset({"SmoothAP": 1.0}, _SMOOTH_AP),
    "SupAP": Preset({"SupAP": 1.0}, _ROADMAP),
    "ROADMAP": Preset({"SupAP": 0.9, "Calibration": 0.1}, _ROADMAP),  # with the weights of SupRank's code
    "ROADMAP_2021": Preset({"SupAP": 1.0, "Calibration": 1.0}, _ROADMAP),
    "ROADMAP_Cluster": Preset({"SupAP": 0.9, "Cluster": 0.1}, _SUPRANK),
    "ROADMAP_ArcFace": Preset({"SupAP": 0.9, "ArcFace": 0.1}, _SUPRANK),
    "SupHAP": Preset({"SupHAP": 1.0}, _HAPPIER),
    "HAPPIER": Preset({"SupHAP": 0.9, "Cluster": 0.1}, _HAPPIER),
    "HAPPIER_F": Preset({"SupHAP": 0.5, "Cluster": 0.5}, _HAPPIER),
    "HAPPIER_ArcFace": Preset({"SupHAP": 0.9, "ArcFace": _MILD_ARC_FACE}, _SUPRANK),
    "SmoothHAP": Preset({"SmoothHAP": 1.0}, _SUPRANK),
    "SupNDCG": Preset({"SupNDCG": 1.0}, _SUPRANK),
    "SupNDCG_Cluster": Preset({"SupNDCG": 0.9, "Cluster": 0.1}, _SUPRANK),
    "SupNDCG_F": Preset({"SupNDCG": 0.5, "Cluster": 0.5}, _SUPRANK),
    "SmoothNDCG": Preset({"SmoothNDCG": 1.0}, _SUPRANK),
    "SupRecall": Preset({"SupRecall": 1.0}, _SUPRANK),
    "SupRecall_Calibration": Preset({"SupRecall": 0.5, "Calibration": 0.5}, _SUPRANK),
    "SupRecall_Cluster": Preset({"SupRecall": 0.5, "Cluster": 0.5}, _SUPRANK),
    "SmoothRecall": Preset({"SmoothRecall": 1.0}, _SUPRANK),
    "NormalisedSoftmax": Preset({"Cluster": 1.0}, _NSM),
    "NormalisedSoftmax_levels": Preset({"Cluster": _EVERY_LEVEL}, _NSM),
    "Triplet": Preset({"Triplet": 1.0}, _TRIPLET),
    "Triplet_levels": Preset({"Triplet": _EVERY_LEVEL}, _TRIPLET),
    "ProxyNCA": Preset({"ProxyNCA": 1.0}, _PROXY_NCA),
    "ProxyNCA_levels": Preset({"ProxyNCA": _EVERY_LEVEL}, _PROXY_NCA),
    "CSL": Preset({"CrossLevelSoftmax": 1.0}, _CSL),
    "ArcFace": Preset({"ArcFace": 1.0}, _ARC_FACE),
    "XBM": Preset({"Contrastive": 1.0}, _XBM),
    "BlackBoxAP": Preset({"BlackBoxAP": 1.0}, _BLACKBOX),
    "SoftBinAP": Preset({"SoftBinAP": 1.0}, _SOFT_BIN),
    "FastAP": Preset({"FastAP": 1.0}, _FAST_AP),
}


def ROADMAP(level: int = 0, *, step: Step = PAPERS_STEP) -> Combined:
    r"""0.9 SupAP + 0.1 Calibration, for one level (ROADMAP, 2021, with the weights of SupRank, 2025).

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
    settings = PRESETS[preset].settings
    return Combined(losses, [float(str(settings[type(loss).__name__]["weight"])) for loss in losses])
