"""From a method's name in a recipe to its loss."""

from collections.abc import Callable, Mapping

from torch import nn

from training.losses import Calibration, Cluster, SmoothAP, SupAP, SupHAP, SupNDCG, SupRecall, combine
from training.losses.recipes import Combined
from training.recipes import Loss, Method

# Weighted terms. ROADMAP: Ramzi et al., NeurIPS 2021; HAPPIER: ECCV 2022; the Sup- family: SupRank, 2025.
METHODS: Mapping[Method, Mapping[str, float]] = {
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
