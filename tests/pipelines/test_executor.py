"""The executor: same results for any number of workers, and errors that name the task."""

import os
import time

import pytest

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.executors.local import LocalExecutor


def square(number: int) -> int:
    time.sleep(0.02 * (number % 3 == 0))
    return number * number


def fail(number: int) -> int:
    if number == 3:
        raise CairnError("this is wrong")
    if number == 4:
        raise KeyError("fault")
    if number == 5:
        os._exit(9)
    return number


@pytest.mark.parametrize("n_workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks(n_workers):
    assert list(LocalExecutor(n_workers).map(square, range(20))) == [number**2 for number in range(20)]
    assert list(LocalExecutor(n_workers).map(square, [])) == []


@pytest.mark.parametrize("n_workers", [1, 2])
def test_errors_name_the_task(n_workers):
    executor = LocalExecutor(n_workers)
    with pytest.raises(CairnError, match=r"^3: this is wrong"):
        list(executor.map(fail, [1, 3]))
    with pytest.raises(KeyError) as caught:
        list(executor.map(fail, [1, 4]))
    assert caught.value.__notes__ == ["while working on 4"]


def test_a_worker_that_dies_is_no_silence():
    with pytest.raises(CairnError, match="a worker died"):
        list(LocalExecutor(2).map(fail, [5, 5, 5]))


def test_tasks_are_taken_as_workers_come_free():
    taken = []

    class Tasks(list):
        def __iter__(self):
            for task in super().__iter__():
                taken.append(task)
                yield task

    results = LocalExecutor(2).map(square, Tasks(range(50)))
    next(results)
    assert len(taken) <= 6
    results.close()
