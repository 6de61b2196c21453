"""Faults of whole `dvc repro` runs, in a copy of the repository with one dataset."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.chaos.trials import Row
from tests.project import Project, copy_repository

BUILT = ("data", "models", ".dvc/cache", "dvc.lock", "results/*/*/", "results/report/index.html")
COMPARED = ("data/hub", "data/tree", "data/index", "data/report", "results")


def two_at_once_and_killed(
    folder: Path, chance: random.Random
) -> Iterator[tuple[str, Callable[[Row], None]]]:
    """Each fault and what tries it."""
    folder.mkdir()
    project = copy_repository(folder)
    project.edit_params(
        lambda raw: raw.update(
            datasets=["crockery"], tree_from_data=["crockery"], tree_from_text=[], train_on=[]
        )
    )
    started = time.monotonic()
    project.repro()
    seconds, expected = time.monotonic() - started, _contents(project)
    yield "two `dvc repro` at once", partial(_two, project, expected)
    yield "kill -9 of `dvc repro` and its stage", partial(_killed, project, expected, chance, seconds)


def _two(project: Project, expected: dict[str, bytes], row: Row) -> None:
    for _ in range(1):
        _clear(project)
        runs = [start(project), start(project)]
        ends = [(run.communicate()[1], run.returncode) for run in runs]
        for errors, code in ends:
            refused = "lock" in errors.lower()
            how = "done" if code == 0 else "refused: locked" if refused else "failed"
            row.endings[how] = row.endings.get(how, 0) + 1
            row.losses += [] if code == 0 or refused else [errors[-300:]]
        _again(project, expected, row)


def _killed(
    project: Project, expected: dict[str, bytes], chance: random.Random, seconds: float, row: Row
) -> None:
    for _ in range(2):
        _clear(project)
        run = start(project)
        time.sleep(chance.uniform(0.2, 0.9) * seconds)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        row.endings["killed"] = row.endings.get("killed", 0) + 1
        _again(project, expected, row)


def _again(project: Project, expected: dict[str, bytes], row: Row) -> None:
    row.times += 1
    done = project.repro(check=False)
    if done.returncode:
        row.losses.append(f"the run after it failed: {done.stderr[-300:]}")
    elif _contents(project) != expected:
        row.losses.append("other files than undisturbed")
    else:
        row.recovered += 1


def _contents(project: Project) -> dict[str, bytes]:
    return {name: content for folder in COMPARED for name, content in project.contents(folder).items()}


def _clear(project: Project) -> None:
    for path in [path for pattern in BUILT for path in project.root.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def start(project: Project) -> "subprocess.Popen[str]":
    """`dvc repro` in the copy, in a session of its own that can be killed whole."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(project.root),
        "DVC_NO_ANALYTICS": "1",
    }
    return subprocess.Popen(
        ["dvc", "repro"], cwd=project.root, env=environment, text=True, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
