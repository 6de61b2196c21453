"""The state of torch's random numbers, on the CPU and on this process's GPU."""

from collections.abc import Mapping

import torch
from torch import Tensor


def rng_states() -> dict[str, Tensor]:
    """States by device, to be given back to `set_rng_states`."""
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {})


def set_rng_states(states: Mapping[str, Tensor]) -> None:
    """Go back to states; that of a GPU which is not here is passed over."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
