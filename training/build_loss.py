"""From a method's name in a recipe to its loss."""

from collections.abc import Callable, Mapping

from torch import nn

from cairnhub.training.losses import (
    Calibration,
    Cluster,
    SmoothAP,
    SupAP,
    SupHAP,
    SupNDCG,
    SupRecall,
    combine,
)
from cairnhub.training.losses.presets import Combined
from cairnhub.training.recipes import Loss, Method

PAPERS: Mapping[Method, str] = {
    "SmoothAP": "Smooth-AP (Brown et al., ECCV 2020, arXiv:2007.12163)",
    "SupAP": "ROADMAP (Ramzi et al., NeurIPS 2021, arXiv:2110.01445)",
    "ROADMAP": "ROADMAP (Ramzi et al., NeurIPS 2021, arXiv:2110.01445)",
    "SupHAP": "HAPPIER (Ramzi et al., ECCV 2022, arXiv:2207.04873)",
    "HAPPIER": "HAPPIER (Ramzi et al., ECCV 2022, arXiv:2207.04873)",
    "HAPPIER_F": "HAPPIER (Ramzi et al., ECCV 2022, arXiv:2207.04873)",
    "SupNDCG": "SupRank (Ramzi et al., 2025, arXiv:2309.08250)",
    "SupRecall": "SupRank (Ramzi et al., 2025, arXiv:2309.08250)",
    "NormalisedSoftmax": "NSM (Zhai and Wu, BMVC 2019, arXiv:1811.12649)",
}
METHODS: Mapping[Method, Mapping[str, float]] = {  # weighted terms
    "SmoothAP": {"SmoothAP": 1.0},
    "SupAP": {"SupAP": 1.0},
    "ROADMAP": {"SupAP": 0.9, "Calibration": 0.1},
    "SupHAP": {"SupHAP": 1.0},
    "HAPPIER": {"SupHAP": 0.9, "Cluster": 0.1},
    "HAPPIER_F": {"SupHAP": 0.5, "Cluster": 0.5},
    "SupNDCG": {"SupNDCG": 1.0},
    "SupRecall": {"SupRecall": 1.0},
    "NormalisedSoftmax": {"Cluster": 1.0},
}


def make_loss(method: Method, settings: Loss, n_classes: int, dim: int) -> Combined:
    """The loss of a method.

    Args:
        method: its name.
        settings: of the rank losses in it.
        n_classes: classes of the finest level, numbered from 0.
        dim: d of the embeddings.

    Returns:
        A weighted sum of losses; class proxies, where it has some, are its parameters.
    """
    step = settings.model_dump(include={"tau", "rho", "delta", "start", "offset"})
    terms: dict[str, Callable[[], nn.Module]] = {
        "SmoothAP": lambda: SmoothAP(tau=settings.tau),
        "SupAP": lambda: SupAP(**step),
        "SupHAP": lambda: SupHAP(**step, alpha=settings.alpha),
        "SupNDCG": lambda: SupNDCG(**step),
        "SupRecall": lambda: SupRecall(**step, at_k=settings.at_k),
        "Calibration": Calibration,
        "Cluster": lambda: Cluster(n_classes, dim),
    }
    return combine(*((weight, terms[term]()) for term, weight in METHODS[method].items()))
