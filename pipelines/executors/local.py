"""Where per-archive work runs: one small interface, so that stages do not know."""

import multiprocessing
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import forkserver
from multiprocessing.synchronize import Event
from typing import ClassVar, Protocol, TypeVar

from tqdm import tqdm

from cairnhub.core.errors import BadInput, CairnError
from cairnhub.core.workers import begin, why_dead

Task = TypeVar("Task")
Result = TypeVar("Result")
Pending = TypeVar("Pending")


PRELOADED = ("cairnhub.datasets_hub.write_task", "cairnhub.pipelines.index_parts")
"""What workers import while the driving process does other things."""


class Executor(Protocol):
    """Runs a function on many tasks.

    Attributes:
        spans_machines: whether tasks may run where another network card, or another memory, does the work.
    """

    spans_machines: ClassVar[bool]

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        title: str | None = None,
        on_gpu: bool = False,
    ) -> Iterator[Result]:
        """Apply `function` to every task; results come in the tasks' order, whoever is done first.

        Args:
            function: at module level; what it returns depends on its task alone.
            tasks: small values; `str(task)` names one in messages.
            title: shows a progress bar of that name.
            on_gpu: the function computes on a GPU where there is one.

        Raises:
            CairnError: a task's own, with the task's name in front, or a worker died. Other errors of a task
                pass, with a note that names it.
        """
        ...


@dataclass(frozen=True)
class LocalExecutor:
    """Processes of this machine; with one worker, this process itself.

    At most two tasks per worker are under way or waiting to be taken, so memory stays bounded.
    """

    spans_machines: ClassVar[bool] = False
    n_workers: int = 1

    def __post_init__(self) -> None:
        """Let what workers need be imported, once for all, while this process does other things."""
        if self.n_workers > 1:
            forkserver.set_forkserver_preload(list(PRELOADED))
            with _long_paths_explained():
                forkserver.ensure_running()

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        title: str | None = None,
        on_gpu: bool = False,
    ) -> Iterator[Result]:
        """See `Executor.map`."""
        run = self._here if min(self.n_workers, len(tasks)) <= 1 else self._in_processes
        return with_bar(run(function, tasks), len(tasks), title)

    def _here(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        return in_order(tasks, lambda task: lambda: function(task), lambda call: call(), 1)

    def _in_processes(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        # Not `fork`: this process has threads (Arrow, progress bars), and a forked lock stays locked.
        context = multiprocessing.get_context("forkserver")
        n_workers = min(self.n_workers, len(tasks))
        began = context.Event()
        pool = ProcessPoolExecutor(n_workers, context, initializer=begin, initargs=(began,))
        result_of = partial(_result_of, began)
        try:
            yield from in_order(tasks, lambda task: pool.submit(function, task), result_of, 2 * n_workers)
        finally:
            pool.shutdown(cancel_futures=True)


HERE = LocalExecutor()
"""This process."""


def in_order(
    tasks: Sequence[Task],
    submit: Callable[[Task], Pending],
    result: Callable[[Pending], Result],
    n_under_way: int,
) -> Iterator[Result]:
    """Results in the tasks' order; an error names its task.

    Args:
        tasks: what is to be done.
        submit: gives a task away.
        result: waits for what was given away.
        n_under_way: how many may be given away and not yet returned.
    """
    waiting = iter(tasks)
    under_way: deque[tuple[Task, Pending]] = deque()
    while True:
        for task in islice(waiting, n_under_way - len(under_way)):
            under_way.append((task, submit(task)))
        if not under_way:
            return
        task, pending = under_way.popleft()
        try:
            finished = result(pending)
        except CairnError as error:
            raise error.within(str(task)) from error
        except Exception as error:
            error.add_note(f"while working on {task}")
            raise
        yield finished


def with_bar(results: Iterator[Result], n_tasks: int, title: str | None) -> Iterator[Result]:
    """The same results under a progress bar; none without a title."""
    with tqdm(total=n_tasks, desc=title, unit=" tasks", disable=None if title else True) as bar:
        for result in results:
            bar.update()
            yield result


def _result_of(began: Event, future: Future[Result]) -> Result:
    try:
        return future.result()
    except BrokenProcessPool as error:
        memory = "for want of memory (lower executor.n_workers in params.yaml and run again)"
        raise CairnError(why_dead("a worker", began.is_set(), memory)) from error


@contextmanager
def _long_paths_explained() -> Iterator[None]:
    """The kernel takes about 100 bytes for the address of a socket, which lies in the folder for temporary files."""
    try:
        yield
    except OSError as error:
        if error.errno is not None or "too long" not in str(error):
            raise
        raise BadInput(
            f"the folder for temporary files has too long a path for the socket of worker processes: "
            f"{tempfile.gettempdir()}; set TMPDIR to a short path, such as /tmp"
        ) from error
