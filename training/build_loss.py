"""The loss that a recipe asks for."""

from torch import nn

from cairnhub.training.cross_batch_memory import CrossBatchMemory
from cairnhub.training.recipes.recipe import Recipe


def build_loss(recipe: Recipe, n_classes: int, n_levels: int) -> nn.Module:
    """A recipe's weighted terms, over a memory of past batches where it has one.

    Args:
        recipe: its terms, their step, the memory's size, the embeddings' d.
        n_classes: classes of the finest level, numbered from 0.
        n_levels: L of the labels.

    Returns:
        A module called with embeddings and labels; class proxies, where it has some, are its parameters.
    """
    dim, batch = recipe.network.embedding_dim, recipe.batch
    loss = recipe.loss.make(n_classes, dim, recipe.step)
    if not batch.memory:
        return loss
    n_skipped = recipe.optimizer.n_warmup_steps * batch.n_accumulated
    return CrossBatchMemory(loss, batch.memory, dim, n_levels, n_skipped)
