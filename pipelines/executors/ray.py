"""Work as Ray tasks: on this machine, or on the machines of a cluster."""

import importlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from cairnhub.core.errors import CairnError, Unreachable, packages_explained
from cairnhub.pipelines.executors.local import PRELOADED, Result, Task, in_order, with_bar
from cairnhub.pipelines.executors.storage import Changes, SharedFile, Storage, put_all, run_with_files

if TYPE_CHECKING:
    from ray import ObjectRef

N_RETRIES = 3
"""How often a task is done again whose worker or node was lost."""
OBJECT_STORE_BYTES = 512 * 2**20
"""Tasks and results are small: this is room for a few hundred."""
ANSWER_S = 5.0
Handed = tuple[Result, Changes]
"""What a worker gives back: the result, and what became of the task's files."""
GPU_SHARE = 1 / 8
"""Of a task that computes on a GPU: it decodes images most of the time, so eight share one."""


@dataclass(frozen=True)
class RayExecutor:
    """Ray tasks; at most two per worker are under way or waiting to be taken, so memory stays bounded.

    A task whose worker or machine is lost is done again elsewhere; what a task raises is never tried again.
    Without an address, Ray is started on this machine with `n_workers` CPUs and ends with this process. Its
    workers import from where this process does; those of a cluster from their own packages and this working folder.

    Attributes:
        n_workers: how many tasks run at once; on a cluster with more free CPUs, up to twice as many.
        address: of a running cluster that this machine belongs to: `host:port`, or `auto` to find it.
        storage: folder or bucket through which files travel to and from machines that do not share this one's disk.
    """

    spans_machines: ClassVar[bool] = True
    n_workers: int
    address: str | None = None
    storage: str | None = None

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        title: str | None = None,
        on_gpu: bool = False,
    ) -> Iterator[Result]:
        """See `Executor.map`; also raises CairnError where Ray is not installed or the address does not answer."""
        return with_bar(self._in_order(function, tasks, on_gpu), len(tasks), title)

    def _in_order(
        self, function: Callable[[Task], Result], tasks: Sequence[Task], on_gpu: bool
    ) -> Iterator[Result]:
        if not len(tasks):
            return
        self.connect()
        import ray

        given: dict[ObjectRef[Handed[Result]], None] = {}
        storage = Storage(self.storage) if self.storage else None
        this_node = ray.get_runtime_context().get_node_id()
        n_gpus = GPU_SHARE if on_gpu and ray.cluster_resources().get("GPU") else 0  # type: ignore[no-untyped-call]
        remote: Any = ray.remote(_run).options(
            name=function.__name__, max_retries=N_RETRIES, scheduling_strategy="SPREAD", num_gpus=n_gpus
        )

        def submit(task: Task) -> "ObjectRef[Handed[Result]]":
            files = put_all(task, storage) if storage else ()
            reference: ObjectRef[Handed[Result]] = remote.remote(function, task, files, storage, this_node)
            given[reference] = None
            return reference

        def result(reference: "ObjectRef[Handed[Result]]") -> Result:
            del given[reference]
            found, changes = _result_of(reference)
            if storage:
                changes.repeat(storage)
            return found

        try:
            yield from in_order(tasks, submit, result, 2 * self.n_workers)
        finally:
            for reference in given:
                ray.cancel(reference)

    def connect(self) -> None:
        """Join the cluster or start Ray; once per process."""
        with packages_explained():
            import ray
        if ray.is_initialized():
            return
        logging.getLogger("ray").setLevel(logging.ERROR)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if self.address is None:
            os.environ["PYTHONPATH"] = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
            ray.init(
                "local",
                num_cpus=self.n_workers,
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        else:
            _join(self.address)
        for _ in range(self.n_workers):
            ray.remote(_preload).options(scheduling_strategy="SPREAD").remote()


def _run(
    function: Callable[[Task], Result],
    task: Task,
    files: Sequence[SharedFile],
    storage: Storage | None,
    home: str,
) -> "Handed[Result]":
    """In a worker: the task, and with a storage the files that come with it."""
    import ray

    if storage is None or ray.get_runtime_context().get_node_id() == home:
        return function(task), Changes()
    return run_with_files(function, task, files, storage)


def _preload() -> None:
    for name in PRELOADED:
        importlib.import_module(name)


def _join(address: str) -> None:
    import ray

    _check_answers(address)
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(address, error) from error


def _check_answers(address: str) -> None:
    """Find out quickly what Ray would try for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except OSError as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> Unreachable:
    return Unreachable(
        f"no Ray cluster answers at executor.address {address!r} ({error}): `ray start --head` starts one, "
        "`ray start --address=host:port` lets this machine join it; a cluster that asks for a token needs "
        "RAY_AUTH_MODE=token"
    )


def _result_of(reference: "ObjectRef[Result]") -> Result:
    import ray
    from ray.exceptions import NodeDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError

    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise error.cause from error
    except (WorkerCrashedError, OutOfMemoryError, NodeDiedError) as error:
        raise CairnError(
            f"its worker died {N_RETRIES + 1} times, most likely for want of memory: lower executor.n_workers in "
            "params.yaml and run again"
        ) from error
