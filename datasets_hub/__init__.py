"""Load hierarchical image-retrieval datasets, here or anywhere, with their label trees.

Names are imported when they are first used: `import datasets_hub` itself costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets_hub.check import check_dataset
    from datasets_hub.diff import diff_datasets
    from datasets_hub.loader import describe, label_array, list_datasets, load_dataset, load_tree
    from datasets_hub.publishing import publish, rollback
    from datasets_hub.views import TorchView

_HOME = {
    "TorchView": "views",
    "check_dataset": "check",
    "describe": "loader",
    "diff_datasets": "diff",
    "label_array": "loader",
    "list_datasets": "loader",
    "load_dataset": "loader",
    "load_tree": "loader",
    "publish": "publishing",
    "rollback": "publishing",
}
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


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
