"""The papers' own code, imported from checkouts that the user names, called like our losses."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

SOURCES = {
    "SUPRANK": ("github.com/elias-ramzi/SupRank", "suprank/__init__.py"),
    "HAPPIER": ("github.com/elias-ramzi/HAPPIER", "happier/__init__.py"),
    "ROADMAP": ("github.com/elias-ramzi/ROADMAP", "roadmap/__init__.py"),
    "SMOOTH_AP": ("github.com/Andrew-Brown1/Smooth_AP", "src/Smooth_AP_loss.py"),
}
STEP = {"tau": 0.01, "rho": 100.0, "offset": 1.44, "delta": 0.05, "start": 0.5}
Call = Callable[[nn.Module, Tensor, Tensor], Tensor]


class Theirs(nn.Module):
    """A weighted sum of their losses, called with embeddings (B, d) and labels (B, L)."""

    def __init__(self, *terms: tuple[float, nn.Module, Call]) -> None:
        super().__init__()
        self.losses = nn.ModuleList(loss for _, loss, _ in terms)
        self.weighted = [(weight, call) for weight, _, call in terms]

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The sum."""
        parts = zip(self.losses, self.weighted, strict=True)
        with as_on_their_machine():
            return sum(weight * call(loss, embeddings, labels).mean() for loss, (weight, call) in parts)


@dataclass(frozen=True)
class Batches:
    """What a loss must know when it is made: class labels (n_classes, L), d, B, images per class."""

    class_labels: Tensor
    dim: int
    size: int
    per_class: int

    @property
    def for_proxies(self) -> tuple[int, int]:
        """The number of classes, and d."""
        return len(self.class_labels), self.dim


def import_from(root: Path, name: str) -> ModuleType:
    """A module below a checkout."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return importlib.import_module(name)


def import_file(path: Path) -> ModuleType:
    """One file of a package whose face imports more than is needed, such as faiss."""
    spec = importlib.util.spec_from_file_location(f"official_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def as_on_their_machine() -> Iterator[None]:
    """What the torch of their day did and this one does not, and the device that they name.

    `torch.heaviside` had no gradient without being asked to have none; Smooth-AP puts its masks on CUDA by name.
    """
    heaviside = torch.heaviside
    with (
        patch.object(torch.Tensor, "cuda", lambda tensor: tensor),
        patch.object(torch, "heaviside", lambda tensor, values: heaviside(tensor.detach(), values)),
    ):
        yield


def _embeddings_and_labels(loss: nn.Module, embeddings: Tensor, labels: Tensor) -> Tensor:
    return loss(embeddings, labels)


def _with_relevance(
    relevance: Callable[..., Tensor], loss: nn.Module, embeddings: Tensor, labels: Tensor
) -> Tensor:
    n_levels = labels.shape[1]
    return loss(
        embeddings,
        labels,
        relevance_fn=partial(relevance, alpha=1.0, check_for=range(n_levels + 1), type="pop"),
    )


def _finest(loss: nn.Module, embeddings: Tensor, labels: Tensor) -> Tensor:
    return loss(embeddings, labels[:, 0])


def _scores_and_matrix(loss: nn.Module, embeddings: Tensor, labels: Tensor) -> Tensor:
    finest = labels[:, 0]
    return loss(embeddings @ embeddings.T, (finest[:, None] == finest).to(embeddings.dtype))


def _in_order(loss: nn.Module, embeddings: Tensor, labels: Tensor) -> Tensor:
    return loss(embeddings)


def smooth_ap(root: Path, batches: Batches) -> Theirs:
    """Smooth-AP; batches are ordered by class."""
    made = import_from(root / "src", "Smooth_AP_loss").SmoothAP
    n_classes = batches.size // batches.per_class
    return Theirs((1.0, made(0.01, batches.size, n_classes, batches.dim), _in_order))


def roadmap(root: Path, batches: Batches) -> Theirs:
    """SupAP + Calibration, both with weight 1 as in config/loss/roadmap.yaml."""
    losses = import_from(root, "roadmap.losses")
    calibration = losses.CalibrationLoss(pos_margin=0.9, neg_margin=0.6)
    return Theirs((1.0, losses.SupAP(**STEP), _scores_and_matrix), (1.0, calibration, _finest))


def happier(root: Path, batches: Batches) -> Theirs:
    """0.9 HAP + 0.1 Cluster, as in config/loss/HAPPIER.yaml."""
    losses = import_from(root, "happier.losses")
    relevance = import_file(
        root / "happier/engine/compute_relevance_on_the_fly.py"
    ).compute_relevance_on_the_fly
    n_classes, dim = batches.for_proxies
    return Theirs(
        (0.9, losses.HAPLoss(**STEP), partial(_with_relevance, relevance)),
        (0.1, losses.ClusterLoss(dim, n_classes, hierarchy_level=0), _embeddings_and_labels),
    )


def sup_ndcg(root: Path, batches: Batches) -> Theirs:
    """0.9 SupNDCG + 0.1 Cluster, as in config/loss/roadndcg_dyml.yaml."""
    losses, relevance = _suprank(root)
    n_classes, dim = batches.for_proxies
    return Theirs(
        (0.9, losses.SupNDCGLoss(**STEP, hierarchy_level="MULTI"), relevance),
        (0.1, losses.ClusterLoss(dim, n_classes, hierarchy_level=0), _embeddings_and_labels),
    )


def sup_recall(root: Path, batches: Batches) -> Theirs:
    """0.5 SupRecall + 0.5 Calibration, as in config/loss/ROADRatk_SOP.yaml."""
    losses, relevance = _suprank(root)
    return Theirs(
        (0.5, losses.SupRecallLoss(at_k=[1, 2, 4, 8, 16], temp=1.0, **STEP, hierarchy_level=0), relevance),
        (
            0.5,
            losses.CalibrationLoss(hierarchy_level=0, pos_margin=0.9, neg_margin=0.6),
            _embeddings_and_labels,
        ),
    )


def cross_level(root: Path, batches: Batches) -> Theirs:
    """CSL for three levels, as in config/loss/csl.yaml."""
    losses, _ = _suprank(root)
    n_classes, dim = batches.for_proxies
    loss = losses.CSLLoss(n_classes, margins=[0.25, 0.35, 0.45], embedding_size=dim)
    loss.register_labels(batches.class_labels)
    return Theirs((1.0, loss, _embeddings_and_labels))


def _suprank(root: Path) -> tuple[ModuleType, Call]:
    losses = import_from(root, "suprank.losses")
    engine = import_from(root, "suprank.engine")
    return losses, partial(_with_relevance, engine.compute_relevance_on_the_fly)


@dataclass(frozen=True)
class Method:
    """One method in their code and ours."""

    source: str
    make: Callable[[Path, Batches], Theirs]
    loss: str | dict[str, dict[str, object]]
    """Ours, as a recipe names it."""


# The preset SupNDCG_Cluster, with the ideal summed in float32 as they do: exactly, the loss differs by 6e-9.
SUP_NDCG: dict[str, dict[str, object]] = {
    "SupNDCG": {"weight": 0.9, "definition": "paper"},
    "Cluster": {"weight": 0.1},
}
METHODS = {
    "Smooth-AP": Method("SMOOTH_AP", smooth_ap, "SmoothAP"),
    "ROADMAP": Method("ROADMAP", roadmap, "ROADMAP_2021"),
    "HAPPIER": Method("HAPPIER", happier, "HAPPIER"),
    "SupNDCG": Method("SUPRANK", sup_ndcg, SUP_NDCG),
    "SupRecall": Method("SUPRANK", sup_recall, "SupRecall_Calibration"),
    "CSL": Method("SUPRANK", cross_level, "CSL"),
}


def their_metrics(root: Path, embeddings: Tensor, labels: Tensor) -> Mapping[str, float]:
    """SupRank's accuracy calculator on one set that is its own gallery: H-AP, NDCG, ASI, and by level."""
    engine = import_from(root, "suprank.engine")
    n_levels = labels.shape[1]
    depth = (labels[:, None] == labels[None]).sum(-1)
    relevances = engine.relevance_for_batch(depth, alpha=1.0, check_for=range(n_levels + 1), type="pop")
    calculator = engine.AccuracyCalculator(list(range(n_levels)), recall_rate=[1, 10])
    found = calculator.batch_metrics(embeddings, labels, True, relevances)
    return {name: float(value) for name, value in found.items()}


def their_batches(
    root: Path, labels: np.ndarray, size: int, per_class: int, seed: int
) -> dict[str, list[list[int]]]:
    """An epoch of SupRank's two samplers, by name."""
    import_from(root, "suprank.lib")
    folder = root / "suprank/datasets/samplers"
    dataset = SimpleNamespace(labels=labels)
    np.random.seed(seed)  # theirs draw from it
    plain = import_file(folder / "m_per_class_sampler.py").MPerClassSampler(dataset, size, per_class)
    pairs = import_file(folder / "hierarchical_sampler.py").HierarchicalSampler(
        dataset, size, per_class, batches_per_super_tuple=5, outer_label=labels.shape[1] - 1
    )
    return {
        "images without repeats": list(plain),
        "pairs of super-classes": [list(map(int, b)) for b in pairs],
    }
