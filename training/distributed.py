"""Several processes as one: each embeds its part of a batch, all rank the whole batch.

Every rank computes the loss of the joined batch, keeps the gradient of its own embeddings, and the gradients of the
network are summed over ranks: what one process would have computed on the whole batch.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from cairnhub.core.errors import BadInput


@dataclass(frozen=True)
class Ranks:
    """Which process this is, of how many."""

    rank: int = 0
    size: int = 1

    def rows(self, n_images: int) -> slice:
        """This rank's part of a batch.

        Raises:
            CairnError: the batch does not divide by the number of ranks.
        """
        if n_images % self.size:
            raise BadInput(f"batch.size {n_images} is no multiple of {self.size} ranks: change one of them")
        share = n_images // self.size
        return slice(self.rank * share, (self.rank + 1) * share)


def ranks() -> Ranks:
    """Rank and world size; one process where no group was started."""
    return Ranks(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else Ranks()


@contextmanager
def process_group() -> Iterator[Ranks]:
    """Join the ranks that `torchrun` started; a plain process is alone."""
    if "WORLD_SIZE" not in os.environ:
        yield Ranks()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(device())
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield ranks()
    finally:
        dist.destroy_process_group()


def device() -> torch.device:
    """This rank's GPU, or the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        parts = [torch.empty_like(local) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, local.contiguous())
        ctx.rows = slice(dist.get_rank() * len(local), (dist.get_rank() + 1) * len(local))
        return torch.cat(parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        local: Tensor = grad[ctx.rows]
        return local


def gather(embeddings: Tensor) -> Tensor:
    """Embeddings (b, d) of every rank, (B, d), in order of rank; all must give as many rows.

    A rank loss needs the whole batch: its value is no mean over parts of it. Each rank computes the loss of the joined
    batch, and the backward pass gives this rank the gradient of its own rows, undivided; nothing is exchanged in it.
    So the **sum** over ranks of the network's gradients is what one process would have with the whole batch:
    `reduce_gradients` sums. `DistributedDataParallel` takes the mean: multiply the loss by the number of ranks there.
    Proxies of a loss have the whole gradient on every rank: take their mean. There is no second derivative.
    """
    if ranks().size == 1:
        return embeddings
    joined: Tensor = _Gather.apply(embeddings)  # type: ignore[no-untyped-call]
    return joined


def from_first_rank(value: float) -> float:
    """The value that the first rank has, on every rank."""
    if ranks().size == 1:
        return value
    shared = torch.tensor(value, dtype=torch.float64, device=device())
    dist.broadcast(shared, src=0)
    return shared.item()


def reduce_gradients(network: nn.Module, loss: nn.Module) -> None:
    """Sum the network's gradients over ranks; average those of proxies, which every rank has in full."""
    n_ranks = ranks().size
    if n_ranks > 1:
        _all_reduce(network.parameters(), 1.0)
        _all_reduce(loss.parameters(), 1 / n_ranks)


def _all_reduce(parameters: Iterable[nn.Parameter], factor: float) -> None:
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not grads:
        return
    joined = torch.cat([grad.flatten() for grad in grads])
    dist.all_reduce(joined)
    for grad, summed in zip(grads, torch.split(joined, [grad.numel() for grad in grads]), strict=True):
        grad.copy_(summed.view_as(grad) * factor)
