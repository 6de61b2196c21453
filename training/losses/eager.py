"""What torch.compile must leave alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")


def uncompiled(function: Callable[P, T]) -> Callable[P, T]:
    """A function that runs as it is inside what `torch.compile` compiles.

    For operations that make their own gradient, block by block in memory that is used again: tracing them breaks them.
    `torch.compiler.disable` at import would load the compiler, which takes a second, for everybody.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if torch.compiler.is_compiling():
            as_it_is: Callable[P, T] = torch.compiler.disable(function)  # type: ignore[no-untyped-call]
            return as_it_is(*args, **kwargs)
        return function(*args, **kwargs)

    return call
