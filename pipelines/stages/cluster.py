"""cluster: the proposal, a category and a kind for every landmark, each with a confidence."""

import json
from dataclasses import asdict

import pandas as pd

from cairnhub.core.files import write_text_atomic
from cairnhub.core.portable import run_portable
from cairnhub.hierarchies.agreement import agreement
from cairnhub.hierarchies.proposal.landmarks import propose_landmarks
from cairnhub.hierarchies.proposal.proposal import Proposal
from cairnhub.hierarchies.proposal.text_vectors import Embeddings
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.pipelines.landmarks import chains_of, landmarks_of, published_labels_of
from cairnhub.pipelines.stages import Context
from cairnhub.pipelines.stages.embed import VECTORS

N_DIGITS = 4


def run(context: Context) -> None:
    """Write `proposal.json`, and how far it agrees with labels that others published."""
    if context.scale == "sample":
        run_portable(_cluster, context)  # with the same bits on every machine
    else:
        _cluster(context)


def _cluster(context: Context) -> None:
    landmarks = landmarks_of(context.paths.index)
    embeddings = Embeddings.load(context.paths.embeddings / VECTORS)
    proposal = propose_landmarks(landmarks, embeddings, chains_of(context.paths.index))
    proposal.save(context.paths.proposal)
    print(
        f"{context.dataset}: {len(proposal.landmarks):,} landmarks of {len(proposal.types):,} types "
        f"in {len(proposal.categories):,} categories"
    )
    measured = _agreement(proposal, landmarks, published_labels_of(context.paths.index))
    path = context.paths.results("cluster") / "agreement.json"
    write_text_atomic(path, json.dumps(measured, indent=1) + "\n")
    for name, values in measured.items():
        print(
            f"{name}: V-measure {values['v_measure']:.3f}, ARI {values['ari']:.3f} against the published labels"
        )


def _agreement(
    proposal: Proposal, landmarks: pd.DataFrame, published: pd.DataFrame
) -> dict[str, dict[str, float]]:
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
        for unit, weights in (("landmarks", None), ("images", both["n_images"].tolist())):
            found = agreement(ours, theirs, weights)
            measured[f"{level} by {unit}"] = {
                key: round(value, N_DIGITS) for key, value in asdict(found).items()
            }
    return measured
