"""Loss and gradients of one batch: at once, or chunk by chunk with the embeddings cached."""

from collections.abc import Callable

import torch
from torch import Tensor

from cairnhub.core.errors import CairnError
from cairnhub.training.distributed import gather
from cairnhub.training.rng import rng_states, set_rng_states


class NonFinite(CairnError):
    """Embeddings or loss are no longer finite numbers: training diverged."""


def accumulate_gradients(
    embed: Callable[[Tensor], Tensor],
    loss: Callable[[Tensor, Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    chunk: int | None = None,
    scale: Callable[[Tensor], Tensor] = lambda value: value,
) -> Tensor:
    """Add the gradients of a batch's loss to the parameters of network and loss.

    With chunks, a first pass makes the embeddings without a graph, the loss gives the gradient of each embedding, and a
    second pass, with the same random numbers, takes it through the network: the large batch in the memory of a chunk
    (Gao et al., "Scaling deep contrastive learning batch size", 2021).

    Args:
        embed: the network, (b, ...) -> (b, d).
        loss: called with embeddings (B, d) and labels.
        images: this rank's part of the batch, (b, ...).
        labels: of the whole batch, (B, L).
        chunk: images that pass the network at once; None passes all.
        scale: makes of the loss what is differentiated, such as its share in a step of several batches.

    Returns:
        The loss, a scalar, unscaled.

    Raises:
        NonFinite: the loss or an embedding is not finite; no gradient was added.
    """
    if chunk is None or chunk >= len(images):
        value = _finite_loss(loss, embed(images), labels)
        scale(value).backward()  # type: ignore[no-untyped-call]
        return value.detach()
    chunks = torch.split(images, chunk)
    starts, parts = [], []
    with torch.no_grad():
        for part in chunks:
            starts.append(rng_states())
            parts.append(embed(part))
    embeddings = torch.cat(parts).requires_grad_()
    value = _finite_loss(loss, embeddings, labels)
    scale(value).backward()  # type: ignore[no-untyped-call]
    assert embeddings.grad is not None
    for part, start, grad in zip(chunks, starts, torch.split(embeddings.grad, chunk), strict=True):
        set_rng_states(start)
        embed(part).backward(grad)  # type: ignore[no-untyped-call]
    return value.detach()


def _finite_loss(loss: Callable[[Tensor, Tensor], Tensor], embeddings: Tensor, labels: Tensor) -> Tensor:
    joined = gather(embeddings)
    if not torch.isfinite(joined).all():
        raise NonFinite("the network's output is no number any more")
    value: Tensor = loss(joined, labels)
    if not torch.isfinite(value):
        raise NonFinite(f"the loss is {value.item()}")
    return value
