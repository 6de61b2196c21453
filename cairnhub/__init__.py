"""Cairn: hierarchical image-retrieval datasets, their label trees, losses and metrics.

What other projects use stands here; each name is imported when it is first used, so that the package itself costs
next to nothing:

    import cairnhub

    train = cairnhub.load_dataset("gldv2", "train")
    tree = cairnhub.load_tree("gldv2")
    labels = cairnhub.label_array(train, tree)
"""

from typing import TYPE_CHECKING

from cairnhub.core.home import ensure_home
from cairnhub.core.lazy import lazy_names

if TYPE_CHECKING:
    from cairnhub.core.errors import BadInput, BrokenData, CairnError, NoSpace, NotFound, Unreachable
    from cairnhub.core.version import __version__
    from cairnhub.datasets_hub.check import check_dataset as check
    from cairnhub.datasets_hub.dataset_diff import diff_datasets as diff
    from cairnhub.datasets_hub.decoding import decode_image
    from cairnhub.datasets_hub.loader import describe, label_array, list_datasets, load_dataset, load_tree
    from cairnhub.datasets_hub.push import push, rollback
    from cairnhub.datasets_hub.writer import write_dataset
    from cairnhub.hierarchies.label_tree.tree import LabelTree
    from cairnhub.training.embedding_evaluation import evaluate_embeddings

__all__ = [
    "BadInput",
    "BrokenData",
    "CairnError",
    "LabelTree",
    "NoSpace",
    "NotFound",
    "Unreachable",
    "__version__",
    "check",
    "decode_image",
    "describe",
    "diff",
    "evaluate_embeddings",
    "label_array",
    "list_datasets",
    "load_dataset",
    "load_tree",
    "push",
    "rollback",
    "write_dataset",
]
ensure_home()  # before any package asks for it
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BadInput": "cairnhub.core.errors",
        "BrokenData": "cairnhub.core.errors",
        "CairnError": "cairnhub.core.errors",
        "LabelTree": "cairnhub.hierarchies.label_tree.tree",
        "NoSpace": "cairnhub.core.errors",
        "NotFound": "cairnhub.core.errors",
        "Unreachable": "cairnhub.core.errors",
        "__version__": "cairnhub.core.version",
        "check": "cairnhub.datasets_hub.check:check_dataset",
        "decode_image": "cairnhub.datasets_hub.decoding",
        "describe": "cairnhub.datasets_hub.loader",
        "diff": "cairnhub.datasets_hub.dataset_diff:diff_datasets",
        "evaluate_embeddings": "cairnhub.training.embedding_evaluation",
        "label_array": "cairnhub.datasets_hub.loader",
        "list_datasets": "cairnhub.datasets_hub.loader",
        "load_dataset": "cairnhub.datasets_hub.loader",
        "load_tree": "cairnhub.datasets_hub.loader",
        "push": "cairnhub.datasets_hub.push",
        "rollback": "cairnhub.datasets_hub.push",
        "write_dataset": "cairnhub.datasets_hub.writer",
    },
)
