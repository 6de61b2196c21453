"""How sure the proposal of a checkout is of each label's group."""

from pathlib import Path

from cairnhub.core.errors import NotFound
from cairnhub.datasets_hub.loader import describe
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.pipelines.paths import Paths, project_root


def proposal_confidence(dataset: str, scale: str | None) -> dict[str, float]:
    """Confidence per label, 0..1; empty outside a checkout, and for a dataset whose tree nobody proposed.

    Args:
        dataset: a published dataset.
        scale: as for `load_dataset`.
    """
    folder = Path(describe(dataset, scale=scale).location.uri)
    try:
        path = Paths(project_root(), folder.parent.name, folder.name).proposal
    except NotFound:  # not in a checkout
        return {}
    if not path.is_file():
        return {}
    proposal = TreeProposal.load(path)
    of_type = {entry.text: entry.confidence for entry in proposal.types}
    return {
        entry.label: entry.confidence if entry.type is None else of_type[entry.type]
        for entry in proposal.labels
    }
