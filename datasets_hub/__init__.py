"""Published datasets: load, write, check, compare and push them.

Names are imported when they are first used: the package itself costs nothing.
"""

from typing import TYPE_CHECKING

from cairnhub.core.lazy import lazy_names

if TYPE_CHECKING:
    from cairnhub.datasets_hub.check import check_dataset
    from cairnhub.datasets_hub.dataset_diff import diff_datasets
    from cairnhub.datasets_hub.loader import describe, label_array, list_datasets, load_dataset, load_tree
    from cairnhub.datasets_hub.push import publish, rollback
    from cairnhub.datasets_hub.torch_dataset import TorchView

__all__ = [
    "TorchView",
    "check_dataset",
    "describe",
    "diff_datasets",
    "label_array",
    "list_datasets",
    "load_dataset",
    "load_tree",
    "publish",
    "rollback",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "TorchView": "cairnhub.datasets_hub.torch_dataset",
        "check_dataset": "cairnhub.datasets_hub.check",
        "describe": "cairnhub.datasets_hub.loader",
        "diff_datasets": "cairnhub.datasets_hub.dataset_diff",
        "label_array": "cairnhub.datasets_hub.loader",
        "list_datasets": "cairnhub.datasets_hub.loader",
        "load_dataset": "cairnhub.datasets_hub.loader",
        "load_tree": "cairnhub.datasets_hub.loader",
        "publish": "cairnhub.datasets_hub.push",
        "rollback": "cairnhub.datasets_hub.push",
    },
)
