"""Label trees: build, review, compare, show and save hierarchies of labels.

Names are imported when they are first used: who needs an error or a file helper pays for no tree.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hierarchies.errors import CairnError
    from hierarchies.links import ROOT
    from hierarchies.names import disambiguate, label_key
    from hierarchies.node import Node, NodeInfo
    from hierarchies.tree import LabelTree

_HOME = {
    "ROOT": "links",
    "CairnError": "errors",
    "LabelTree": "tree",
    "Node": "node",
    "NodeInfo": "node",
    "disambiguate": "names",
    "label_key": "names",
}
__all__ = ["ROOT", "CairnError", "LabelTree", "Node", "NodeInfo", "disambiguate", "label_key"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
