"""The capacity model: a law per stage from what was measured, and a simulation of the scheduler.

`fit` finds the law of least relative squares with no negative coefficient; `simulate` plays the executor: workers in a
heap, tasks taken in order, results handed back in order, at most two tasks per worker given away.
"""

import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

TERMS = {
    "base": lambda n, gigabytes: 1.0,
    "per_image": lambda n, gigabytes: n,
    "per_image_log": lambda n, gigabytes: n * np.log(max(n, 1.0)),
    "per_gigabyte": lambda n, gigabytes: gigabytes,
    "per_image_squared": lambda n, gigabytes: n * n,
}


@dataclass(frozen=True)
class Law:
    """A sum of terms: `base + per_image n + per_image_log n ln n + per_gigabyte g + per_image_squared n^2`."""

    coefficients: Mapping[str, float]

    def __call__(self, n_images: float, gigabytes: float) -> float:
        """What it says for so many images of so many gigabytes together."""
        return sum(value * TERMS[name](n_images, gigabytes) for name, value in self.coefficients.items())

    def without_base(self, n_images: float, gigabytes: float) -> float:
        """The part that grows."""
        return self(n_images, gigabytes) - self(0, 0)


def fit(points: Sequence[tuple[float, float, float]], terms: Sequence[str]) -> Law:
    """The law through points (images, gigabytes, value); every point counts by its relative error.

    >>> fit([(10, 0, 30.0), (100, 0, 210.0)], ("base", "per_image")).coefficients
    {'base': 10.0, 'per_image': 2.0}
    """
    values = np.array([value for _, _, value in points])
    rows = np.array(
        [[TERMS[term](n, gigabytes) for term in terms] for n, gigabytes, _ in points], dtype=float
    )
    scale = np.abs(rows).max(axis=0)
    scale[scale == 0] = 1.0
    found, _ = nnls(rows / scale / values[:, None], np.ones(len(values)))
    return Law({term: float(f"{x:.6g}") for term, x in zip(terms, found / scale, strict=True)})


def simulate(tasks_s: Sequence[float], n_workers: int, start_s: float = 0.0, window: int = 2) -> float:
    """Seconds until the last result is back.

    Args:
        tasks_s: how long each task takes a worker, in order.
        n_workers: side by side.
        start_s: until a worker takes its first task.
        window: tasks per worker that may be given away and not yet handed back in order.

    >>> simulate([3, 1, 1, 1], 2), simulate([1] * 8, 4, start_s=0.5)
    (3.0, 2.5)
    """
    free = [start_s] * n_workers
    heapq.heapify(free)
    given: deque[float] = deque()
    handed_back = 0.0  # results come back in order, so one that waits holds back those behind it
    for seconds in tasks_s:
        earliest = 0.0
        if len(given) == window * n_workers:
            handed_back = max(handed_back, given.popleft())
            earliest = handed_back
        end = max(heapq.heappop(free), earliest) + seconds
        heapq.heappush(free, end)
        given.append(end)
    return max([handed_back, *given])


@dataclass(frozen=True)
class Machines:
    """What a build runs on; cores are like the one that was measured.

    Attributes:
        name: for people.
        n_machines: alike.
        n_workers: on each, one per core.
        memory_gb: of each.
        network_gbit_s: of each, to the shared storage.
        storage_gbit_s: of the storage, for all together.
    """

    name: str
    n_machines: int
    n_workers: int
    memory_gb: float
    network_gbit_s: float
    storage_gbit_s: float

    def task_s(self, cpu_s: float, moved_gb: float) -> float:
        """How long a task takes where all workers run: its computing, or its share of the lines if that is longer."""
        all_workers = self.n_machines * self.n_workers
        gbit_s = min(self.network_gbit_s / self.n_workers, self.storage_gbit_s / all_workers)
        return max(cpu_s, 8 * moved_gb / gbit_s)


def stage_s(
    laws: Mapping[str, Law], n_images: float, gigabytes: float, machines: Machines, jitter: Sequence[float]
) -> float:
    """Seconds of a stage: what one process does alone, and the tasks that are spread, one per shard of 400 MB.

    Args:
        laws: `tasks_s` and `alone_s`, CPU seconds; `start_s` of a worker; `moved_gb`, read and written.
        n_images: of the dataset.
        gigabytes: of all images.
        machines: where.
        jitter: a task's time over the mean, as measured; used by turns.
    """
    n_tasks = max(1, round(gigabytes / 0.4))
    cpu_s = laws["tasks_s"].without_base(n_images, gigabytes) / n_tasks
    mean_s = machines.task_s(cpu_s, laws["moved_gb"].without_base(n_images, gigabytes) / n_tasks)
    tasks = [mean_s * jitter[i % len(jitter)] for i in range(n_tasks)]
    workers = machines.n_machines * machines.n_workers
    return laws["alone_s"](n_images, gigabytes) + simulate(tasks, workers, laws["start_s"](0, 0))


def as_json(law: Law) -> dict[str, Any]:
    """Its coefficients, without those that amount to nothing."""
    return {name: value for name, value in law.coefficients.items() if value > 1e-15}


def as_markdown(result: Mapping[str, Any]) -> str:
    """What `scale.py` found, as tables for people."""
    stages = list(result["laws"])
    parts = ["# What scale costs", "Made by `benchmarks/scale.py`; see `docs/scale.md`.", "## Laws"]
    laws = [
        [stage, _law(found["cpu_s"]), _law(found["own_mb"]), _flat(result, stage)]
        for stage, found in result["laws"].items()
    ]
    parts.append(_table(["stage", "CPU s", "memory, MB", "memory, largest over 10,000"], laws))
    held_out = result["held_out"]
    parts.append(f"## Foretold: {held_out['n_images']:,} images, which no law was fitted to")
    rows = [(stage, *row.values()) for stage, row in held_out["stages"].items()]
    rows.append(("all", *held_out["all"].values()))
    parts.append(_table(["stage", "foretold CPU s", "measured CPU s", "error"], rows))
    for dataset, machines in result["outlook"].items():
        parts.append(f"## {dataset}: hours, and memory in GB")
        rows = [
            [
                stage,
                *(
                    f"{found[stage]['hours']:,} h, {found[stage]['memory_gb']:,} GB"
                    for found in machines.values()
                ),
            ]
            for stage in stages
        ]
        rows.append(
            ["all", *(f"{sum(row['hours'] for row in found.values()):,.3g} h" for found in machines.values())]
        )
        parts.append(_table(["stage", *machines], rows))
    return "\n\n".join(parts) + "\n"


def _law(coefficients: Mapping[str, float]) -> str:
    units = {
        "base": "",
        "per_image": " n",
        "per_image_log": " n ln n",
        "per_gigabyte": " GB",
        "per_image_squared": " n²",
    }
    return " + ".join(f"{value:.3g}{units[name]}" for name, value in coefficients.items()) or "0"


def _flat(result: Mapping[str, Any], stage: str) -> float:
    ratio: float = result["memory_of_the_largest_over_10_000"][stage]
    return ratio


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
