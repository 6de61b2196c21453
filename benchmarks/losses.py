"""Rank losses, forward plus backward, beside the ways of the published code, in one run.

    python benchmarks/losses.py [--sizes 64 128 .. 4096] [--threads 2] [--repeats 5]
    python benchmarks/losses.py --device cuda [--sizes 256 512 .. 16384]

Batches of random unit vectors, d 512, four images per class: B/4 fine, 16 middle and 5 coarse labels. Methods:
`dense` and `per query` rank every item (B x B x B) or every positive (B x positives x B) with masked assignment, as
the papers' code does; `.. where` are the same with torch.where, which is faster; `PML` is pytorch-metric-learning's
SmoothAPLoss, where that is installed. Each measurement runs in a fresh process, once with glibc's default allocator
and once `warm`, its mmap and trim thresholds raised. Extra memory is the process's peak less what it held before.
Writes results/losses.{json,csv,png} beside this file.

On a GPU `cairn` runs the fused kernels and `cairn torch` does without; memory is what torch allocates there, and
`limit_s` what the arithmetic alone would take. That writes results/losses_cuda.*.
"""

import argparse
import csv
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from line_chart import line_chart
from torch import Tensor

from cairnhub.training.losses import SmoothAP, SupAP, SupHAP, ranking

RESULTS = Path(__file__).parent / "results"
WARM = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 36)}
WARM |= {"MALLOC_TOP_PAD_": str(1 << 26)}
WAYS = ("cairn", "per query", "per query where", "dense", "dense where")
BUDGET_S = 30.0  # a slow method is not repeated for longer
Step = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Row:
    """One method at one size."""

    loss: str
    method: str
    size: int
    allocator: str
    fastest_s: float
    median_s: float
    cpu_s: float  # of all threads: what a crowded machine does not distort
    first_s: float
    repeats: int
    extra_bytes: int
    value: float
    gradient_norm: float
    limit_s: float | None = None  # of Cairn on a GPU


def batch(size: int) -> tuple[Tensor, Tensor]:
    """Unit vectors (B, 512) and labels (B, 3) on the default device, the same numbers on each."""
    generator = torch.Generator().manual_seed(size)
    embeddings = F.normalize(torch.randn(size, 512, generator=generator, device="cpu"), dim=1)
    fine = torch.arange(size) // 4
    middle = fine * 16 // (size // 4)
    labels = torch.stack([fine, middle, middle * 5 // 16], 1)
    return embeddings.to(labels.device), labels


def step_by_masks(t: Tensor, less: Tensor) -> Tensor:
    """SupRank's step, each piece assigned under its mask."""
    out, positive, far = t.clone(), t > 0, t > 0.05
    out[~less] = torch.heaviside(t[~less].detach(), torch.ones(()))
    out[less & ~positive] = torch.sigmoid(t[less & ~positive] / 0.01)
    out[less & positive & ~far] = 0.5 + torch.sigmoid(t[less & positive & ~far] / 0.01)
    out[less & far] = 100 * (t[less & far] - 0.05) + 1.44
    return out


def step_by_where(t: Tensor, less: Tensor) -> Tensor:
    """The same with torch.where."""
    near = torch.sigmoid(t / 0.01) + 0.5 * (t > 0)
    return torch.where(less, torch.where(t > 0.05, 100 * (t - 0.05) + 1.44, near), (t >= 0).to(t.dtype))


def relevances(depth: Tensor, n_levels: int) -> Tensor:
    """H-AP's relevance of every item."""
    counts = torch.stack([(depth == level).sum(-1) for level in range(n_levels + 1)], -1)
    return (torch.arange(n_levels + 1) / n_levels / counts.clamp(min=1)).gather(-1, depth)


def dense(embeddings: Tensor, labels: Tensor, step: Step) -> Tensor:
    """B x B x B."""
    scores = embeddings @ embeddings.T
    depth = (labels[:, None] == labels[None]).sum(-1)
    rel = relevances(depth, labels.shape[1])
    t = scores[:, None, :] - scores[:, :, None]
    others = 1 - torch.eye(len(embeddings))
    rank = 1 + (step(t, depth[:, None, :] < depth[:, :, None]) * others).sum(-1)
    above = torch.heaviside(t.detach(), torch.ones(())) * others
    hrank = rel + (above * torch.minimum(rel[:, None, :], rel[:, :, None])).sum(-1)
    return (1 - (hrank / rank).sum(1) / rel.sum(1)).mean()


def per_query(embeddings: Tensor, labels: Tensor, step: Step) -> Tensor:
    """Positives x B, query by query."""
    losses = []
    for query, label in zip(embeddings, labels, strict=True):
        score, depth = embeddings @ query, (labels == label).sum(1)
        positive, rel = depth > 0, relevances(depth, labels.shape[1])
        t = score[None, :] - score[positive][:, None]
        others = torch.ones_like(t)
        others[torch.arange(len(t)), positive.nonzero()[:, 0]] = 0
        rank = 1 + (step(t, depth[None] < depth[positive][:, None]) * others).sum(1)
        above = torch.heaviside(t.detach(), torch.ones(())) * others
        hrank = rel[positive] + (above * torch.minimum(rel[None], rel[positive][:, None])).sum(1)
        losses.append(1 - (hrank / rank).sum() / rel.sum())
    return torch.stack(losses).mean()


def pml_smooth_ap(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Another library's Smooth-AP, of the finest level."""
    from pytorch_metric_learning.losses import SmoothAPLoss

    return SmoothAPLoss()(embeddings, labels[:, 0])


def named(method: str, loss: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss by a method."""
    if method.startswith("cairn"):
        ranking.KERNELS_ON = ("cuda",) if method == "cairn" else ()
        return {"SupAP": SupAP, "SupHAP": SupHAP, "SmoothAP": SmoothAP}[loss]()
    if method == "PML":
        return pml_smooth_ap
    step = step_by_where if method.endswith("where") else step_by_masks
    run = dense if method.startswith("dense") else per_query
    return lambda e, labels: run(e, labels[:, :1] if loss == "SupAP" else labels, step)


def resident(field: str) -> int:
    """VmRSS or VmHWM of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024


def memory(device: str, peak: bool) -> int:
    """Bytes that this process holds, or held at most since the peak was reset."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()
    return resident("VmHWM" if peak else "VmRSS")


def reset_peak(device: str) -> None:
    """Start to look for the peak again."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def limit_s(loss: str, labels: Tensor) -> float:
    """Seconds that the GPU's arithmetic takes for Cairn's way, if nothing else did.

    Each difference of a positive and an item that pushes it takes an exponential and a reciprocal in either kernel, 16
    a clock and multiprocessor; the scores and their gradient are three products of B x B x 512 in float32.
    """
    columns = labels[:, :1] if loss in ("SupAP", "SmoothAP") else labels
    at_least = torch.stack(
        [column.bincount()[column] for column in columns.T], 1
    )  # items that match as deeply
    at_depth = at_least.diff(dim=1, prepend=torch.zeros_like(at_least[:, :1]))
    pushing = len(labels) - at_least * loss.startswith("Sup")
    differences = (at_depth * pushing).sum().item()
    gpu = torch.cuda.get_device_properties()
    multiply_adds_a_clock = 64 if (gpu.major, gpu.minor) == (8, 0) else 128
    clocks = differences * 4 / 16 + 3 * len(labels) ** 2 * 512 / multiply_adds_a_clock
    return clocks / (gpu.multi_processor_count * gpu.clock_rate * 1e3)


def measure(
    loss: str, method: str, size: int, allocator: str, threads: int, repeats: int, device: str
) -> Row:
    """One row; runs in a process of its own."""
    torch.set_num_threads(threads)
    torch.set_default_device(device)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    embeddings, labels = batch(size)
    run = named(method, loss)
    run(*batch(16))  # imports and threads, not the allocator
    before = memory(device, peak=False)
    reset_peak(device)
    seconds: list[float] = []
    cpu: list[float] = []
    while len(seconds) <= repeats and (len(seconds) < 2 or sum(seconds) < BUDGET_S):
        x = embeddings.clone().requires_grad_()
        wait()
        start, cpu_start = time.perf_counter(), time.process_time()
        value = run(x, labels)
        value.backward()
        wait()
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
    first, *rest = seconds
    fast, middle, busy = min(rest), statistics.median(rest), statistics.median(cpu[1:])
    extra, norm = memory(device, peak=True) - before, x.grad.norm().item()
    times = (fast, middle, busy, first, len(rest))
    limit = limit_s(loss, labels) if device == "cuda" and method.startswith("cairn") else None
    return Row(loss, method, size, allocator, *times, extra, value.item(), norm, limit)


def measure_apart(
    loss: str, method: str, size: int, allocator: str, threads: int, repeats: int, device: str
) -> Row | None:
    """`measure` in a fresh process; None where that fails or would not fit."""
    available = int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]) * 1024
    if device == "cpu" and method.startswith("dense") and 25 * 4 * size**3 > available:
        return None
    root = str(Path(__file__).parents[1])
    env = os.environ | (WARM if allocator == "warm" else {})
    env["PYTHONPATH"] = os.pathsep.join([root, env.get("PYTHONPATH", "")])
    worker = ["--worker", loss, method, str(size), allocator, str(threads), str(repeats), device]
    done = subprocess.run(
        [sys.executable, __file__, *worker], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"{loss} {method} {size}: {done.stderr.strip().splitlines()[-1:]}", flush=True)
        return None
    return Row(**json.loads(done.stdout.splitlines()[-1]))


def largest(method: str, device: str) -> int:
    """Beyond this a method takes minutes, or does not fit."""
    if method.startswith("cairn"):
        return 1 << 20
    return (
        {"dense": 1024, "per query": 4096}.get(method.removesuffix(" where"), 512)
        if device == "cuda"
        else 512
    )


def compare(rows: list[Row]) -> list[dict[str, float | str | int]]:
    """How Cairn stands to each other method at the same size and allocator."""
    ours = {(row.loss, row.size, row.allocator): row for row in rows if row.method == "cairn"}
    pairs = [(row, ours[row.loss, row.size, row.allocator]) for row in rows if row.method != "cairn"]
    return [
        {
            "loss": row.loss,
            "method": row.method,
            "size": row.size,
            "allocator": row.allocator,
            "times_faster": round(row.median_s / mine.median_s, 1),
            "times_faster_by_fastest": round(row.fastest_s / mine.fastest_s, 1),
            "times_less_cpu": round(row.cpu_s / mine.cpu_s, 1),
            "times_less_memory": round(row.extra_bytes / max(mine.extra_bytes, 1), 1),
            "value_difference": abs(row.value - mine.value),
            "gradient_norm_difference": abs(row.gradient_norm / mine.gradient_norm - 1),
        }
        for row, mine in pairs
    ]


def write(rows: list[Row], threads: int, device: str) -> None:
    """JSON, CSV and the plot; prints the ratios."""
    name = "losses_cuda" if device == "cuda" else "losses"
    compared = compare(rows)
    about = {
        "torch": torch.__version__,
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": threads,
    }
    if device == "cuda":
        about["gpu"] = torch.cuda.get_device_name()
    about |= {"load_average_at_end": [round(x, 1) for x in os.getloadavg()]}
    result = {"about": about, "rows": [asdict(row) for row in rows], "ratios": compared}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    with (RESULTS / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(rows[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    for r in compared:
        print(
            f"{r['loss']} B={r['size']} {r['allocator']}: {r['times_faster']} times faster than {r['method']} "
            f"({r['times_faster_by_fastest']} by the fastest run, {r['times_less_cpu']} by CPU time), "
            f"{r['times_less_memory']} times less memory"
        )
    for row in rows:
        if row.limit_s is not None:
            print(
                f"{row.loss} B={row.size} {row.method}: {row.limit_s / row.median_s:.0%} of the arithmetic limit"
            )
    lines = {}
    for method in ways(device):
        of_method = [
            row for row in rows if (row.method, row.loss) == (method, "SupHAP") and row.allocator != "default"
        ]
        lines[method] = [(math.log2(row.size), math.log10(row.median_s * 1e3)) for row in of_method]
    title, axes = "SupHAP, forward plus backward", ("log2 of the batch size", "log10 of milliseconds")
    sizes, times = ((8, 14), (-1, 5)) if device == "cuda" else ((6, 12), (0, 5))
    line_chart(RESULTS / f"{name}.png", title, lines, *axes, sizes, times)


def ways(device: str) -> tuple[str, ...]:
    """The methods that are compared on a device."""
    return ("cairn", "cairn torch", *WAYS[1:]) if device == "cuda" else WAYS


def main() -> None:
    """Measure every method at every size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", help="batch sizes, of four or more")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--worker", nargs=7, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        loss, method, size, allocator, threads, repeats, device = args.worker
        row = measure(loss, method, int(size), allocator, int(threads), int(repeats), device)
        print(json.dumps(asdict(row)))
        return
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.exit(1, "no CUDA device is here: nothing was measured\n")
    on_gpu = args.device == "cuda"
    sizes = args.sizes or [1 << power for power in (range(8, 15) if on_gpu else range(6, 13))]
    plan = [(loss, way) for loss in ("SupAP", "SupHAP") for way in ways(args.device)]
    plan += [("SmoothAP", way) for way in (*ways(args.device)[: 1 + on_gpu], "PML")]
    rows: list[Row] = []
    for size in sizes:
        for loss, method in plan:
            allocators = ("cuda",) if on_gpu else ("warm", "default")
            for allocator in allocators if size <= largest(method, args.device) else ():
                row = measure_apart(loss, method, size, allocator, args.threads, args.repeats, args.device)
                if row is not None:
                    rows.append(row)
                    took = f"{row.median_s * 1e3:9.1f} ms {row.extra_bytes / (1 << 30):7.3f} GiB"
                    print(f"{size:5d} {loss:9s} {method:16s} {allocator:8s} {took}", flush=True)
    write(rows, args.threads, args.device)


if __name__ == "__main__":
    main()
