"""The same bits on every x86-64 machine: only kernels that all of them have, on one thread.

Libraries choose their kernels by the processor, most of them while they are loaded, and other kernels add up in
another order. So a portable computation runs in a process of its own, whose environment was set before it began.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from cairnhub.core.errors import CairnError
from cairnhub.core.logs import configure_as_parent
from cairnhub.core.workers import begin, is_importing_main, why_dead

Argument = TypeVar("Argument")
Result = TypeVar("Result")

MARK = "CAIRN_PORTABLE"
"""Set in a portable process and in the processes that it starts."""
NUMPY_OFF = "NPY_DISABLE_CPU_FEATURES"
KERNELS: Mapping[str, str] = {
    MARK: "1",
    "ATEN_CPU_CAPABILITY": "default",  # torch's own kernels
    "MKL_CBWR": "COMPATIBLE",  # products in torch, on any maker's processor
    "OPENBLAS_CORETYPE": "Prescott",  # products in numpy and scipy: the oldest processor that they have kernels for
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def is_portable() -> bool:
    """Whether this process computes the same bits on every x86-64 machine."""
    return MARK in os.environ


def environment() -> dict[str, str]:
    """What a portable process needs, given the processor at hand."""
    import numpy as np

    extensions = np.show_config(mode="dicts")["SIMD Extensions"]
    found = [] if is_portable() else extensions["found"]
    off = [
        *os.environ.get(NUMPY_OFF, "").replace(",", " ").split(),
        *found,
    ]  # what the caller switched off stays so
    return {**KERNELS, NUMPY_OFF: " ".join(off)} if off else dict(KERNELS)


def run_portable(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """`function(argument)` in a fresh process that is portable; here, if this one is.

    The process ends when this one is killed.

    Args:
        function: at module level; its module is imported where it runs.
        argument: travels there, as the result travels back.

    Raises:
        CairnError: the process died. What `function` raises passes.
    """
    if is_portable():
        if is_importing_main():  # a script without its guard would do all it does a second time
            sys.exit(1)
        return _settled(function, argument)
    with _environment(environment()):
        context = multiprocessing.get_context("spawn")
        began = context.Event()
        with ProcessPoolExecutor(1, context, initializer=begin, initargs=(began,)) as pool:
            try:
                return pool.submit(_settled, function, argument).result()
            except BrokenProcessPool as error:
                memory = "for want of memory: run this again"
                raise CairnError(why_dead("the process that computed", began.is_set(), memory)) from error


def settle_torch() -> None:
    """In a portable process: no libraries of kernels that are made for the processor at hand.

    Every process that computes with torch calls this, workers too: these switches do not travel by environment.
    """
    if not is_portable():
        return
    import torch

    torch.backends.mkldnn.set_flags(False)  # type: ignore[no-untyped-call]
    torch.backends.nnpack.set_flags(False)  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)


def _settled(function: Callable[[Argument], Result], argument: Argument) -> Result:
    configure_as_parent()
    settle_torch()
    return function(argument)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """These values while a process is started, which inherits them."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
