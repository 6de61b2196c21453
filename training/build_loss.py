"""The loss that a recipe asks for."""

from torch import Tensor, nn

from cairnhub.training.cross_batch_memory import CrossBatchMemory
from cairnhub.training.recipes.recipe import Recipe


def build_loss(
    recipe: Recipe, class_labels: Tensor, n_batches: int, loss: nn.Module | None = None
) -> nn.Module:
    """A recipe's weighted terms, over a memory of past batches where it has one.

    Args:
        recipe: its terms, their step, the memory's size, the embeddings' d.
        class_labels: labels of every finest class, (n_classes, L), numbered from 0 at every level; row c has c in
            column 0.
        n_batches: of an epoch.
        loss: takes the place of the recipe's terms; with a memory it must take references, as every loss of ours does.

    Returns:
        A module called with embeddings and labels; class proxies, where it has some, are its parameters.

    Raises:
        CairnError: a term does not fit the levels, or needs a package that is not installed.
    """
    dim, batch = recipe.network.embedding_dim, recipe.batch
    built = recipe.loss.make(class_labels, dim, recipe.step) if loss is None else loss
    if not batch.memory:
        return built
    n_before = max(
        recipe.optimizer.n_warmup_steps * batch.n_accumulated, (batch.memory_from_epoch - 1) * n_batches
    )
    return CrossBatchMemory(built, batch.memory, dim, class_labels.shape[1], n_before)
