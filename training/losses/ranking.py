"""Losses of ranks and their gradient by the scores, made by the backend that suits the device."""

from __future__ import annotations

import warnings
from functools import cache
from importlib.util import find_spec
from typing import Protocol

import torch
from torch import Tensor

from cairnhub.training.losses.backends import pairwise
from cairnhub.training.losses.objectives import Objective
from cairnhub.training.losses.surrogates import Ranking

KERNELS_ON = ("cuda",)  # types of devices where the Triton kernels run if they can


class Backend(Protocol):
    """A plain function from scores to losses."""

    def __call__(
        self,
        scores: Tensor,
        depth: Tensor,
        counts: Tensor,
        objective: Objective,
        ranking: Ranking,
        with_grad: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Losses (Q,) of queries, 0 without positives, and their gradient by the scores, (Q, N).

        Args:
            scores: (Q, N).
            depth: match depths, (Q, N).
            counts: number of items at each depth, floats (Q, L + 1).
            objective: what is made of ranks.
            ranking: how ranks are made differentiable.
            with_grad: whether the gradient is asked for; it is None otherwise.
        """


def backend_for(device: torch.device, ranking: Ranking) -> Backend:
    """Triton where it runs and can make the ranks; torch elsewhere."""
    if device.type in KERNELS_ON and ranking.hrank_step is None and kernels_run_on(device):
        from cairnhub.training.losses.backends import triton

        return triton.losses
    return pairwise.losses


@cache
def kernels_run_on(device: torch.device) -> bool:
    """Whether Triton is installed and can build for a device: it needs a C compiler, and a GPU that it knows."""
    if find_spec("triton") is None:
        return False
    try:
        from cairnhub.training.losses.backends.triton import try_out

        try_out(device)
    except Exception as error:  # of any type: they come from Triton, the driver, the linker
        warnings.warn(f"rank losses run in plain torch, slower: Triton fails with {error!r}", stacklevel=2)
        return False
    return True
