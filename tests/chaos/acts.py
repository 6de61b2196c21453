"""What children of the campaign do, and who their workers are."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cairnhub.core.files import write_text_atomic
from cairnhub.hierarchies.review.decisions import append_decision
from cairnhub.pipelines.settings.executor import Executor
from tests.chaos.world import context, planned_decisions, run_stage

NOBODY = 65_534
DAY_S = 86_400


def as_nobody(run: Callable[[Path], None], root: Path) -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    run(root)


def at_another_time(run: Callable[[Path], None], days: int, root: Path) -> None:
    real, moved = time.time, int((time.time() + days * DAY_S) * 1e9)
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, ns=(moved, moved))
    time.time = lambda: real() + days * DAY_S
    run(root)


def leave_what_ada_planned(root: Path) -> None:
    """What an undisturbed run leaves."""
    paths = context(root).paths
    lines = [decision.to_line() + "\n" for decision in planned_decisions(paths.proposal, "ada")]
    write_text_atomic(paths.decisions, "".join(lines))


def decide_as(author: str, root: Path) -> None:
    paths = context(root).paths
    for decision in planned_decisions(paths.proposal, author):
        append_decision(paths.decisions, decision)


def publish_with_ray(root: Path) -> None:
    import ray

    try:
        run_stage("publish", root, executor=Executor(kind="ray", n_workers=2))
    finally:
        ray.shutdown()


def grandchildren(pid: int) -> list[int]:
    """The local executor's workers are children of its fork server."""
    parents = _processes_by_parent()
    return [grandchild for child in parents.get(pid, []) for grandchild in parents.get(child, [])]


def working_for_ray(pid: int) -> list[int]:
    """Ray's workers are children of its `raylet`, and are called by what they do."""
    return [worker for worker in grandchildren(pid) if _name(worker).startswith("ray::write")]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def _processes_by_parent() -> dict[int, list[int]]:
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    return parents
