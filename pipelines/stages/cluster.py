"""cluster: the proposal, a group on every level for every label, each with a confidence."""

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from cairnhub.core.portable import run_portable
from cairnhub.hierarchies.agreement import Agreement, agreement
from cairnhub.hierarchies.proposal.label_trees import propose_labels, spoken
from cairnhub.hierarchies.proposal.landmarks import propose_landmarks
from cairnhub.hierarchies.proposal.text_vectors import Embeddings
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.voice.model_evidence import read_evidence, with_evidence
from cairnhub.pipelines.artifacts.agreement import BY_IMAGES, write_agreement, write_headline
from cairnhub.pipelines.artifacts.index import IndexFolder
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.label_table import label_table
from cairnhub.pipelines.label_vectors import read_label_vectors
from cairnhub.pipelines.settings.sources import GLDv2Source

log = logging.getLogger(__name__)


def run(context: Context) -> None:
    """Write the proposal, and how far it agrees with labels that others published."""
    if context.scale == "sample":
        run_portable(_cluster, context)  # with the same bits on every machine
    else:
        _cluster(context)


def _cluster(context: Context) -> None:
    index = IndexFolder(context.paths.index)
    vectors = Embeddings.load(context.paths.text_vectors)
    evidence = read_evidence(context.paths.evidence)
    if tree := context.params.source(context.dataset).tree:
        table = label_table(index, tree, context.paths.root)
        proposed = propose_labels(table, vectors, tree.pack, spoken(table, tree.language))
        proposal = with_evidence(proposed, evidence)
        measured: dict[str, Agreement] = {}
    else:
        landmarks = index.landmarks()
        seen = photo_vectors(context, landmarks["landmark"].tolist())
        proposed = propose_landmarks(landmarks, vectors, index.superclasses(), seen)
        proposal = with_evidence(proposed, evidence)
        measured = _agreement(proposal, landmarks, index.published_labels())
    proposal.save(context.paths.proposal)
    of_types = f" of {len(proposal.types):,} types" if proposal.types else ""
    groups = ", ".join(f"{len(proposal.of_level(level)):,} {level}" for level in proposal.levels[1:])
    log.info(f"{context.dataset}: {len(proposal.labels):,} {proposal.levels[0]}{of_types} in {groups}")
    if evidence:
        log.info(f"{context.dataset}: {len(evidence):,} answers of a language model replayed")
    for note in proposal.notes:
        log.warning(f"{context.dataset}: {note}")
    write_agreement(context.paths.agreement, measured)
    write_headline(context.paths.results("cluster") / "headline.json", measured)
    for name, values in measured.items():
        log.info(
            f"{name}: V-measure {values.v_measure:.3f}, ARI {values.ari:.3f} against the published labels"
        )


def photo_vectors(context: Context, landmarks: Sequence[str]) -> npt.NDArray[np.float64] | None:
    """What a network sees in the photographs of landmarks, (n, d); None where no such file is declared."""
    source = context.params.source(context.dataset)
    if not isinstance(source, GLDv2Source) or source.vectors is None:
        return None
    return read_label_vectors(context.paths.root / source.vectors, landmarks)


def _agreement(
    proposal: TreeProposal, landmarks: pd.DataFrame, published: pd.DataFrame
) -> dict[str, Agreement]:
    """Agreement of the proposal, before any decision, on each level, per landmark and weighted by images."""
    tree, _ = apply_decisions(proposal, ())
    both = (
        tree.table()
        .merge(published, on="landmark", suffixes=("", "_published"))
        .merge(landmarks, on="landmark")
    )
    if both.empty:
        return {}
    measured = {}
    for level in tree.levels[1:]:
        ours, theirs = both[level].tolist(), both[f"{level}_published"].tolist()
        measured[f"{level} by landmarks"] = agreement(ours, theirs)
        measured[f"{level}{BY_IMAGES}"] = agreement(ours, theirs, both["n_images"].tolist())
    return measured
