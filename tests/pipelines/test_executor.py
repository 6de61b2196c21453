"""The executor: same results for any number of workers, and errors that name the task."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.executors.local import LocalExecutor
from tests.project import ROOT


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
    with pytest.raises(CairnError, match=r"^5: a worker died, most likely for want of memory"):
        list(LocalExecutor(2).map(fail, [5, 5, 5]))


def run_script(path: Path, text: str, **environment: str) -> str:
    """What a script of a user's says; the tracker of its semaphores may have the last word."""
    path.write_text(f"from cairnhub.pipelines.executors import local\nlocal.PRELOADED = ()\n{text}\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    ran = subprocess.run([sys.executable, path], env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    return ran.stderr


def test_a_script_without_its_guard_is_told_so_first(tmp_path):
    said = run_script(tmp_path / "script.py", "print(list(local.LocalExecutor(2).map(abs, [1, -2, 3])))")
    assert re.search(
        r"1: a worker died before it began: most likely because .* no `if __name__ == '__main__':`", said
    )


def test_a_folder_for_temporary_files_that_is_too_deep_is_named(tmp_path):
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    said = run_script(tmp_path / "script.py", "local.LocalExecutor(2)", TMPDIR=str(deep))
    assert re.search(
        rf"too long a path for the socket of worker processes: {deep}; set TMPDIR to a short path", said
    )


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
