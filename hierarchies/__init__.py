"""Label trees: propose, review, compare, show and save hierarchies of labels.

Names are imported when they are first used: the package itself costs nothing.
"""

from typing import TYPE_CHECKING

from cairnhub.core.lazy import lazy_names

if TYPE_CHECKING:
    from cairnhub.hierarchies.label_tree.label_rules import disambiguate
    from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
    from cairnhub.hierarchies.label_tree.qualification import qualify
    from cairnhub.hierarchies.label_tree.tree import LabelTree
    from cairnhub.hierarchies.label_tree.tree_rules import ROOT
    from cairnhub.hierarchies.proposal.named_groups import NamedGroup
    from cairnhub.hierarchies.proposal.propose_tree import propose_tree
    from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal

__all__ = [
    "ROOT",
    "LabelTree",
    "NamedGroup",
    "Node",
    "NodeInfo",
    "TreeProposal",
    "disambiguate",
    "propose_tree",
    "qualify",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "LabelTree": "cairnhub.hierarchies.label_tree.tree",
        "Node": "cairnhub.hierarchies.label_tree.node",
        "NodeInfo": "cairnhub.hierarchies.label_tree.node",
        "NamedGroup": "cairnhub.hierarchies.proposal.named_groups",
        "TreeProposal": "cairnhub.hierarchies.proposal.tree_proposal",
        "propose_tree": "cairnhub.hierarchies.proposal.propose_tree",
        "ROOT": "cairnhub.hierarchies.label_tree.tree_rules",
        "disambiguate": "cairnhub.hierarchies.label_tree.label_rules",
        "qualify": "cairnhub.hierarchies.label_tree.qualification",
    },
)
