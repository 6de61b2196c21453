"""Write and read 20,000 images: Cairn's writer beside `datasets`' own, a published dataset beside an imagefolder.

    python benchmarks/hub.py [--n-images 20000] [--n-workers 2] [--folder DIR]

Every method runs in a process of its own on the same files, which lie in the page cache. Memory is the highest sum
of PSS over a method's processes, sampled every 50 ms; `idle_mb` is the same process after its imports. Readers are
timed by their CPU, writers by the clock: let the machine be quiet.
Prints ratios, writes results/hub.json beside this file.
"""

import argparse
import io
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cairnhub.datasets_hub.records import ImageRow

N_LABELS = 200
SHARD_BYTES = 100_000_000


def make_images(folder: Path, n_images: int) -> None:
    """Drawn JPEGs of 30 to 100 KB; every file is different."""
    from PIL import Image

    rng = np.random.default_rng(0)
    pool = []
    for i in range(100):
        noise = rng.integers(0, 256, (40 + i % 40, 60 + i % 40, 3), dtype=np.uint8)
        out = io.BytesIO()
        Image.fromarray(noise).resize((640, 480)).save(out, "JPEG", quality=85 + i % 10)
        pool.append(out.getvalue())
    for i in range(n_images):
        path = folder / "images" / f"label_{i % N_LABELS:03d}" / f"{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pool[i % len(pool)] + i.to_bytes(8, "big"))


def image_paths(folder: Path) -> list[Path]:
    return sorted((folder / "images").glob("*/*.jpg"))


@dataclass(frozen=True)
class Files:
    """A part of the dataset: some of the files."""

    paths: tuple[Path, ...]
    size_bytes: int
    splits: tuple[str, ...] = ("train",)

    @property
    def name(self) -> str:
        """Its first file."""
        return self.paths[0].name

    @property
    def fingerprint(self) -> str:
        """Which files."""
        return str(self.paths)

    def read(self) -> "Iterator[ImageRow]":
        """The files' bytes."""
        from cairnhub.datasets_hub.records import ImageRow

        for path in self.paths:
            yield ImageRow(path.read_bytes(), path.name, path.stem, "train", path.parent.name)


def write_cairn(folder: Path, out: Path, n_workers: int) -> None:
    import numpy as np
    import pandas as pd

    from cairnhub.datasets_hub.card import Card
    from cairnhub.datasets_hub.writer import write_dataset
    from cairnhub.hierarchies.label_tree.tree import LabelTree
    from cairnhub.pipelines.artifacts.index import shuffle_keys
    from cairnhub.pipelines.executors.local import LocalExecutor
    from cairnhub.pipelines.index_parts import cut_runs

    executor = LocalExecutor(n_workers)
    paths = np.array(image_paths(folder))
    keys = shuffle_keys(pd.Series([path.stem for path in paths]))
    order = np.argsort(keys)
    paths, keys = paths[order], keys[order]
    sizes = np.array([path.stat().st_size for path in paths])
    parts = [
        Files(tuple(paths[start:stop]), int(sizes[start:stop].sum()))
        for start, stop in cut_runs(keys, sizes, SHARD_BYTES)
    ]
    labels = [f"label_{i:03d}" for i in range(N_LABELS)]
    tree = LabelTree.from_table(pd.DataFrame({"fine": labels}), ["fine"])
    card = Card(
        name="benchmark",
        title="Benchmark",
        description="Drawn images.",
        licence="CC0-1.0",
        redistributable=True,
        levels=("fine",),
        annotation_origin="given",
    )
    write_dataset(out, card, tree, parts, shard_size_bytes=SHARD_BYTES, run_all=executor.map)


def as_dataset(folder: Path):
    from datasets import ClassLabel, Dataset, Features, Image, Value

    paths = image_paths(folder)
    labels = ClassLabel(names=[f"label_{i:03d}" for i in range(N_LABELS)])
    features = Features({"image": Image(), "image_id": Value("string"), "fine": labels})
    columns = {
        "image": [str(path) for path in paths],
        "image_id": [path.stem for path in paths],
        "fine": [path.parent.name for path in paths],
    }
    return Dataset.from_dict(columns, features=features)


def embedded(dataset, **options: object):
    """What `push_to_hub` does first: the files' bytes into the table."""
    from datasets.table import embed_table_storage

    return dataset.with_format("arrow").map(embed_table_storage, batched=True, batch_size=100, **options)


def write_to_parquet(folder: Path, out: Path, n_workers: int) -> None:
    out.mkdir()
    cache = str(out / "cache-{rank}.arrow")
    dataset = embedded(as_dataset(folder), num_proc=n_workers, cache_file_name=cache.replace("-{rank}", ""))
    dataset.to_parquet(out / "train.parquet")


def _write_shard(job: tuple[Path, Path, int, int]) -> None:
    folder, out, index, n_shards = job
    shard = as_dataset(folder).shard(n_shards, index, contiguous=True)
    embedded(shard, keep_in_memory=True).to_parquet(out / f"train-{index:05d}-of-{n_shards:05d}.parquet")


def write_push_style(folder: Path, out: Path, n_workers: int) -> None:
    out.mkdir()
    n_shards = int(sum(path.stat().st_size for path in image_paths(folder)) / SHARD_BYTES) + 1
    jobs = [(folder, out, index, n_shards) for index in range(n_shards)]
    with multiprocessing.get_context("fork").Pool(n_workers) as pool:
        pool.map(_write_shard, jobs, chunksize=1)


WRITERS: dict[str, Callable[[Path, Path, int], None]] = {
    "cairn": write_cairn,
    "to_parquet": write_to_parquet,
    "push_to_hub style": write_push_style,
}


def pss_bytes(pid: int) -> int:
    """PSS of a process and those it started."""
    import psutil

    total = 0
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0
    for process in processes:
        try:
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
        except (OSError, StopIteration):
            continue
    return total


def measure_writer(method: str, folder: Path, out: Path, n_workers: int) -> dict[str, float]:
    """Runs inside the method's own process."""
    import datasets

    import cairnhub.datasets_hub.writer  # noqa: F401

    datasets.disable_progress_bars()
    idle = pss_bytes(os.getpid())
    start = time.perf_counter()
    WRITERS[method](folder, out, n_workers)
    seconds = time.perf_counter() - start
    size = sum(path.stat().st_size for path in image_paths(folder))
    return {
        "seconds": round(seconds, 2),
        "mb_per_s": round(size / seconds / 1e6, 1),
        "idle_mb": round(idle / 1e6, 1),
    }


def measure_reader(method: str, folder: Path, published: Path) -> dict[str, float]:
    import datasets

    datasets.disable_progress_bars()
    start = time.process_time()
    if method == "cairn":
        loaded = datasets.load_dataset(str(published), split="train")
    else:
        loaded = datasets.load_dataset("imagefolder", data_dir=str(folder / "images"), split="train")
    prepared = time.process_time()
    if method == "cairn":
        raw = loaded.cast_column("image", datasets.Image(decode=False))
        n_bytes = sum(len(row["image"]["bytes"]) for row in raw)
    else:
        raw = loaded.cast_column("image", datasets.Image(decode=False))
        n_bytes = sum(len(Path(row["image"]["path"]).read_bytes()) for row in raw)
    sequential = time.process_time()
    rows = np.random.default_rng(1).integers(0, len(loaded), 2_000).tolist()
    for row in rows:
        image = raw[row]["image"]
        _ = image["bytes"] if method == "cairn" else Path(image["path"]).read_bytes()
    random_bytes = time.process_time()
    for row in rows[:500]:
        loaded[row]["image"].convert("RGB")
    random_decoded = time.process_time()
    return {
        "prepare_s": round(prepared - start, 2),
        "sequential_mb_per_s": round(n_bytes / (sequential - prepared) / 1e6, 1),
        "random_images_per_s": round(len(rows) / (random_bytes - sequential), 1),
        "random_decoded_images_per_s": round(500 / (random_decoded - random_bytes), 1),
    }


def in_own_process(arguments: list[str], home: Path) -> dict[str, float]:
    """Run this file for one method, and watch its memory from outside."""
    environment = {**os.environ, "HF_HOME": str(home), "USE_TORCH": "0", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    command = [sys.executable, __file__, *arguments]
    peak = 0
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak = max(peak, pss_bytes(process.pid))
            time.sleep(0.05)
        output = process.stdout.read() if process.stdout else ""
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return {**found, "peak_mb": round(peak / 1e6, 1)}


def warm(folder: Path) -> None:
    for path in image_paths(folder):
        path.read_bytes()


def run(n_images: int, n_workers: int, scratch: Path, n_runs: int) -> dict[str, object]:
    make_images(scratch, n_images)
    size = sum(path.stat().st_size for path in image_paths(scratch))
    result: dict[str, object] = {
        "n_images": n_images,
        "total_mb": round(size / 1e6, 1),
        "n_workers": n_workers,
        "n_cpus": os.cpu_count(),
    }
    writers: dict[str, dict[str, float]] = {}
    for _ in range(n_runs):  # interleaved, the fastest counts: other work on the machine only ever slows
        for method in WRITERS:
            out = scratch / "out" / method.replace(" ", "-")
            shutil.rmtree(out, ignore_errors=True)
            out.parent.mkdir(exist_ok=True)
            warm(scratch)
            found = in_own_process(
                ["--write", method, "--folder", str(scratch), "--n-workers", str(n_workers)], scratch / "home"
            )
            print(method, found, flush=True)
            best = writers.get(method)
            writers[method] = found if best is None or found["seconds"] < best["seconds"] else best
    readers: dict[str, dict[str, float]] = {}
    for turn in range(n_runs):
        for method in ("cairn", "imagefolder"):
            warm(scratch)
            home = scratch / "home" / str(turn)  # a cache of its own: preparing is measured too
            found = in_own_process(["--read", method, "--folder", str(scratch)], home)
            print(method, found, flush=True)
            best = readers.get(method, found)
            readers[method] = {
                kind: (min if kind.endswith("_s") and "per_s" not in kind else max)(value, best[kind])
                for kind, value in found.items()
            }
    ours = writers["cairn"]
    ratios = {
        f"{kind} against {method}": round(value, 2)
        for method, theirs in writers.items()
        if method != "cairn"
        for kind, value in {
            "speed": ours["mb_per_s"] / theirs["mb_per_s"],
            "peak memory": ours["peak_mb"] / theirs["peak_mb"],
        }.items()
    }
    ratios |= {
        f"{kind} against imagefolder": round(value / readers["imagefolder"][kind], 2)
        for kind, value in readers["cairn"].items()
        if kind != "peak_mb"
    }
    return {**result, "writers": writers, "readers": readers, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-images", type=int, default=20_000)
    parser.add_argument("--n-workers", type=int, default=2)
    parser.add_argument("--n-runs", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--write", choices=WRITERS)
    parser.add_argument("--read")
    options = parser.parse_args()
    if options.write:
        out = options.folder / "out" / options.write.replace(" ", "-")
        print(json.dumps(measure_writer(options.write, options.folder, out, options.n_workers)))
    elif options.read:
        print(json.dumps(measure_reader(options.read, options.folder, options.folder / "out" / "cairn")))
    else:
        with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
            result = run(options.n_images, options.n_workers, Path(scratch), options.n_runs)
        target = Path(__file__).parent / "results" / "hub.json"
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(result, indent=1) + "\n")
        print(json.dumps(result["ratios"], indent=1))


if __name__ == "__main__":
    main()
