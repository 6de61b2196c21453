"""cluster: the proposal, a category and a kind for every landmark, each with a confidence."""

from hierarchies.build.embed import Embeddings
from hierarchies.build.landmarks import propose_landmarks
from pipelines.landmarks import landmarks_of
from pipelines.stages import Context
from pipelines.stages.embed import VECTORS


def run(context: Context) -> None:
    """Write `proposal.json`."""
    landmarks = landmarks_of(context.paths.index)
    proposal = propose_landmarks(landmarks, Embeddings.load(context.paths.embeddings / VECTORS))
    proposal.save(context.paths.proposal)
    print(
        f"{context.dataset}: {len(proposal.landmarks):,} landmarks of {len(proposal.types):,} types "
        f"in {len(proposal.categories):,} categories"
    )
