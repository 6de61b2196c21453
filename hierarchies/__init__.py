"""Label trees: build, review, compare, show and save hierarchies of labels."""

from hierarchies.errors import CairnError
from hierarchies.links import ROOT
from hierarchies.names import disambiguate, label_key
from hierarchies.node import Node, NodeInfo
from hierarchies.tree import LabelTree

__all__ = ["ROOT", "CairnError", "LabelTree", "Node", "NodeInfo", "disambiguate", "label_key"]
