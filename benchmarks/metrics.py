"""Exact metrics of large retrievals, beside the published per-batch way, in one run.

    python benchmarks/metrics.py [--queries 60502] [--gallery 60502] [--slice 512] [--threads 2]

Random unit vectors, d 512, three levels (five images per fine label, 60 middle, 12 coarse). On a slice of queries
against the whole gallery: `published` sorts each batch of 256 with top-k, makes one plane per level and gives H-AP,
NDCG, ASI and, per level, AP, mAP@R, P@1, R@1, R@10; `cairn` gives all its metrics; `floor` is one product and one sort
of the scores. Then `cairn` on every query. PML's AccuracyCalculator and torchmetrics score a smaller slice where they
are installed. Each runs in a process of its own; extra memory is the peak less what the inputs take. Writes
results/metrics_<queries>x<gallery>.json and a CSV.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from cairnhub.training.metrics import retrieval_metrics

RESULTS = Path(__file__).parent / "results"
_NAMES = {"h_ap": "h_ap_published"}  # theirs counts the query among the relevances
BATCH = 256


@dataclass(frozen=True)
class Row:
    """One method on some queries."""

    method: str
    queries: int
    gallery: int
    seconds: float
    cpu_s: float
    extra_bytes: int
    values: dict[str, float]


def inputs(queries: int, gallery: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries are the first items of the gallery."""
    generator = torch.Generator().manual_seed(0)
    items = torch.empty(gallery, 512)
    for part in items.split(1 << 16):
        part.copy_(F.normalize(torch.randn(len(part), 512, generator=generator), dim=1))
    fine = torch.arange(gallery) // 5
    middle = fine * 60 // (int(fine[-1]) + 1)
    labels = torch.stack([fine, middle, middle * 12 // 60], 1)
    order = torch.randperm(gallery, generator=generator)  # queries of every class
    labels = labels[order]
    return items[:queries], labels[:queries], items, labels


def cairn(query: Tensor, query_labels: Tensor, gallery: Tensor, labels: Tensor) -> dict[str, float]:
    """Everything in one call."""
    found = retrieval_metrics(query, query_labels, gallery, labels, exclude_self=True, ks=(1, 10, 100))
    return {str(key): value for key, value in found.values.items()}


def floor(query: Tensor, query_labels: Tensor, gallery: Tensor, labels: Tensor) -> dict[str, float]:
    """What any exact ranking costs: one product and one sort of the scores, row by row and in place."""
    for some in query.split(BATCH):
        for row in (some @ gallery.T).numpy():
            row.sort()
    return {}


def published(query: Tensor, query_labels: Tensor, gallery: Tensor, labels: Tensor) -> dict[str, float]:
    """The per-batch way: a full top-k, then planes of the size of the batch's ranking."""
    sums: dict[str, float] = {}
    for start in range(0, len(query), BATCH):
        some, own = query[start : start + BATCH], query_labels[start : start + BATCH]
        table = relevance_table(own, labels)
        index = (some @ gallery.T).topk(len(gallery)).indices[:, 1:]
        depth = (own[:, None] == labels[index]).sum(-1)
        batch = multi_level(depth, table) | {
            f"{name}_level{level}": value
            for level in range(3)
            for name, value in binary((own[:, None, level] == labels[index][:, :, level]).float()).items()
        }
        for name, value in batch.items():
            sums[name] = sums.get(name, 0.0) + value.sum().item()
    return {name: total / len(query) for name, total in sums.items()}


def relevance_table(own: Tensor, labels: Tensor) -> Tensor:
    """Relevance by depth of each query, row by row."""
    depth = (own[:, None] == labels).sum(-1)
    table = torch.zeros(len(own), 4)
    for row, line in zip(table, depth, strict=True):
        value, count = line.unique(return_counts=True)
        row[value] = (value / 2) / count
    return table


def multi_level(depth: Tensor, table: Tensor) -> dict[str, Tensor]:
    """H-AP, NDCG, ASI."""
    rank = torch.arange(1, depth.shape[1] + 1)
    rel = table.gather(1, depth)
    met = (rel[:, None] == table[:, 1:, None]).cumsum(-1)
    hrank = (torch.minimum(rel[:, None], table[:, 1:, None]) * met).sum(1)
    gain = 2.0**depth - 1
    place = 1 + gain.argsort(1, descending=True).argsort(1)
    ideal = depth.sort(1, descending=True).values
    both = torch.minimum(*((x[:, None] == torch.arange(4)[:, None]).cumsum(-1) for x in (depth, ideal))).sum(
        1
    )
    return {
        "h_ap": (hrank / rank).sum(1) / rel.sum(1),
        "ndcg": (gain / torch.log2(1 + rank)).sum(1) / (gain / torch.log2(1 + place)).sum(1),
        "asi": (both / rank * ideal.bool()).sum(1) / ideal.bool().sum(1),
    }


def binary(hit: Tensor) -> dict[str, Tensor]:
    """One level's metrics."""
    rank = torch.arange(1, hit.shape[1] + 1)
    n = hit.sum(1)
    precision = hit.cumsum(1) * hit / rank
    return {
        "ap": precision.sum(1) / n,
        "map_at_r": (precision * (rank <= n[:, None])).sum(1) / n,
        "p_at_1": hit[:, 0],
        "r_at_1": hit[:, :1].amax(1),
        "r_at_10": hit[:, :10].amax(1),
    }


def pml(query: Tensor, query_labels: Tensor, gallery: Tensor, labels: Tensor) -> dict[str, float]:
    """Another library's AccuracyCalculator, level by level, with its torch search."""
    from pytorch_metric_learning.distances import DotProductSimilarity
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    names = ("mean_average_precision", "mean_average_precision_at_r", "precision_at_1")
    knn = CustomKNN(DotProductSimilarity(normalize_embeddings=False), batch_size=BATCH)
    values = {}
    for level in range(3):
        calculator = AccuracyCalculator(
            include=names, k=len(gallery) - 1, knn_func=knn, device=torch.device("cpu")
        )
        got = calculator.get_accuracy(query, query_labels[:, level], gallery, labels[:, level], True)
        ours = ("ap", "map_at_r", "p_at_1")
        values |= {f"{mine}_level{level}": float(got[name]) for mine, name in zip(ours, names, strict=True)}
    return values


def torchmetrics(query: Tensor, query_labels: Tensor, gallery: Tensor, labels: Tensor) -> dict[str, float]:
    """Another library's AP, query by query; scores moved above 0, for it ignores positives below."""
    from torchmetrics.functional.retrieval import retrieval_average_precision

    values = {}
    for level in range(3):
        scores = []
        for q, (vector, label) in enumerate(zip(query, query_labels, strict=True)):
            others = torch.arange(len(gallery)) != q
            hit = (labels[:, level] == label[level])[others]
            scores.append(float(retrieval_average_precision((gallery @ vector + 2)[others], hit)))
        values[f"ap_level{level}"] = sum(scores) / len(scores)
    return values


METHODS = {"cairn": cairn, "floor": floor, "published": published, "PML": pml, "torchmetrics": torchmetrics}


def resident(field: str) -> int:
    """VmRSS or VmHWM of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024


def measure(method: str, queries: int, gallery: int, threads: int) -> Row:
    """One row; runs in a process of its own."""
    torch.set_num_threads(threads)
    METHODS[method](*inputs(20, 200))  # imports and threads
    data = inputs(queries, gallery)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again
    start, cpu_start = time.perf_counter(), time.process_time()
    values = METHODS[method](*data)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    return Row(method, queries, gallery, seconds, cpu, resident("VmHWM") - before, values)


def measure_apart(method: str, queries: int, gallery: int, threads: int) -> Row | None:
    """`measure` in a fresh process; None where that fails."""
    root = str(Path(__file__).parents[1])
    env = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, __file__, "--worker", method, str(queries), str(gallery), str(threads)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{method}: {done.stderr.strip().splitlines()[-1:]}", flush=True)
        return None
    row = Row(**json.loads(done.stdout.splitlines()[-1]))
    took = f"{row.seconds:8.1f} s {row.cpu_s:8.1f} s CPU {row.extra_bytes / (1 << 30):6.2f} GiB"
    print(f"{method:12s} {queries:6d} x {gallery:7d} {took}", flush=True)
    return row


def compare(rows: list[Row]) -> list[dict[str, float | str]]:
    """Each other method against Cairn on the same queries."""
    ours = {(row.queries, row.gallery): row for row in rows if row.method == "cairn"}
    return [
        {
            "method": row.method,
            "queries": row.queries,
            "times_faster": row.seconds / ours[row.queries, row.gallery].seconds,
            "times_less_cpu": row.cpu_s / ours[row.queries, row.gallery].cpu_s,
            "largest_difference": max(
                (
                    abs(value - ours[row.queries, row.gallery].values[_NAMES.get(name, name)])
                    for name, value in row.values.items()
                ),
                default=0.0,
            ),
        }
        for row in rows
        if row.method != "cairn"
    ]


def main() -> None:
    """Measure the slice by every method, then all queries by Cairn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queries", type=int, default=60502)
    parser.add_argument("--gallery", type=int, default=60502)
    parser.add_argument("--slice", type=int, default=512)
    parser.add_argument("--small", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        method, *sizes = args.worker
        print(json.dumps(asdict(measure(method, *map(int, sizes)))))
        return
    plan = [("cairn", args.slice), ("floor", args.slice), ("published", args.slice), ("cairn", args.small)]
    plan += [("PML", args.small)]
    plan += [("torchmetrics", args.small), ("cairn", args.queries)]
    found = [measure_apart(method, n, args.gallery, args.threads) for method, n in plan if n]
    rows = [row for row in found if row is not None]
    result = {"torch": torch.__version__, "threads": args.threads, "load_average": os.getloadavg()}
    result |= {"rows": [asdict(row) for row in rows], "ratios": compare(rows)}
    name = f"metrics_{args.queries}x{args.gallery}"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    with (RESULTS / f"{name}.csv").open("w", newline="") as file:
        columns = ["method", "queries", "gallery", "seconds", "cpu_s", "extra_bytes"]
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    for ratio in result["ratios"]:
        print(ratio)


if __name__ == "__main__":
    main()
