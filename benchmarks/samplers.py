"""The samplers at the published numbers of images and classes: what an epoch draws, and what it costs.

    python benchmarks/samplers.py

Labels are those of `tests/training/published_counts.py`. `build_s` is the CPU time to make a sampler, `epoch_s` that
of one epoch's batches, each the median of three. Writes results/samplers.json.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cairnhub.training.recipes.settings import Batch  # noqa: E402
from cairnhub.training.samplers import make_sampler  # noqa: E402
from tests.training.published_counts import COUNTS, drawn, published_labels  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "samplers.json"
N_TIMES = 3
SAMPLERS: dict[str, list[dict[str, int | str]]] = {
    "sop": [
        {"sampler": "super_pairs", "size": 256, "n_superclasses": 2, "n_batches_per_pair": 5},
        {"sampler": "super_pairs", "size": 128, "n_superclasses": 2, "n_batches_per_pair": 10},
        {"sampler": "classes", "size": 256, "n_superclasses": 2},
    ],
    "cub": [{"sampler": "without_repeats", "size": 256}, {"sampler": "classes", "size": 256}],
    "inat2018": [
        {"sampler": "without_repeats", "size": 256},
        {"sampler": "without_repeats", "size": 384},
        {"sampler": "classes", "size": 256},
    ],
    "gldv2": [
        {"sampler": "without_repeats", "size": 256, "max_images_per_class": 8},
        {"sampler": "random_classes", "size": 256, "n_batches": 1000},
        {"sampler": "classes", "size": 256, "max_images_per_class": 8},
    ],
}


def measure(name: str) -> list[dict[str, object]]:
    """Every sampler on a dataset's labels."""
    labels, rows = published_labels(name), []
    for settings in SAMPLERS[name]:
        batch = Batch.model_validate(settings)
        build_s = cpu_s(lambda batch=batch: make_sampler(labels, batch))
        sampler = make_sampler(labels, batch)
        epoch_s = cpu_s(lambda sampler=sampler: sampler.batches(0))
        found = drawn(labels, sampler.batches(0))
        rows.append(
            {
                **settings,
                "n_batches": found.n_batches,
                "share_seen": round(found.share_seen, 3),
                "share_of_largest_tenth": round(found.share_of_largest, 3),
                "build_s": build_s,
                "epoch_s": epoch_s,
            }
        )
        print(name, rows[-1])
    return rows


def cpu_s(work: Callable[[], object]) -> float:
    """Median CPU time of a call, in seconds."""
    times = []
    for _ in range(N_TIMES):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return round(statistics.median(times), 3)


def main() -> None:
    found = {
        name: {
            "n_classes": counts.n_classes,
            "n_images": counts.n_images,
            "samplers": measure(name),
        }
        for name, counts in COUNTS.items()
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
