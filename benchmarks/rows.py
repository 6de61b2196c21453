"""SupHAP with its rows sorted beside SupHAP with one positive compared after the other, in one run.

    python benchmarks/rows.py [--sizes 128 256 512 1024] [--threads 2] [--repeats 3]

Batches as in losses.py: random unit vectors, d 512, four images per class, three levels. Forward plus backward, the
fastest of the repeats; `difference` is the largest of the gradients', relative to the largest gradient. Writes
results/rows.json beside this file.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch

from cairnhub.training.losses import SupHAP
from cairnhub.training.losses.backends import sorted as rows


def measure(
    embeddings: torch.Tensor, labels: torch.Tensor, worth_it: float, repeats: int
) -> tuple[float, torch.Tensor]:
    rows.WORTH_IT = worth_it
    fastest = math.inf
    for _ in range(repeats + 1):  # the first warms up
        points = embeddings.clone().requires_grad_()
        start = time.perf_counter()
        SupHAP()(points, labels).backward()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest, points.grad


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512, 1024])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    found = []
    for size in args.sizes:
        generator = torch.Generator().manual_seed(size)
        points = torch.nn.functional.normalize(torch.randn(size, 512, generator=generator), dim=1)
        fine = torch.arange(size) // 4
        labels = torch.stack([fine, fine % 16, fine % 16 % 5], 1)
        sorted_s, ours = measure(points, labels, 0, args.repeats)
        compared_s, theirs = measure(points, labels, math.inf, args.repeats)
        row = {
            "size": size,
            "sorted_s": round(sorted_s, 4),
            "compared_s": round(compared_s, 4),
            "ratio": round(compared_s / sorted_s, 2),
            "difference": float((ours - theirs).abs().max() / theirs.abs().max()),
        }
        print(row, flush=True)
        found.append(row)
    path = Path(__file__).parent / "results" / "rows.json"
    path.write_text(
        json.dumps({"threads": args.threads, "repeats": args.repeats, "rows": found}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
