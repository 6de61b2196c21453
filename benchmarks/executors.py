"""The executor `ray` beside `local`: index and publish of the same tars, and once more while a worker is killed.

    python benchmarks/executors.py [--images 20000] [--n-workers 2] [--n-runs 3] [--folder DIR]

The source is that of build.py: images of about 100 KB in the official layout of GLDv2. Each run has a process of its
own; the clock starts when the executor does: `start_s` is what it takes to be ready (Ray starts its processes; on a
cluster they run already), `seconds` what the two stages take from then on. The fastest of the runs counts. In the run
`killed`, a Ray worker gets a SIGKILL while it writes a shard. All runs must give the same bytes. Prints ratios, writes
results/executors.json.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from build import QUIET_S, ROOT, Watch, build_with, context_of, make_source, tars, wait_for_quiet

KILL_AFTER_S = 1.0
"""How long a worker has been writing when it is killed."""


def run(kind: str, store: Path, out: Path, n_workers: int) -> dict[str, Any]:
    """Inside a run's own process."""
    from cairnhub.pipelines.settings.executor import Executor

    build = build_with(context_of(store, out, Executor(kind=kind, n_workers=n_workers)))
    start = time.perf_counter()
    if kind == "ray":
        from cairnhub.pipelines.executors.ray import RayExecutor

        RayExecutor(n_workers).connect()
    ready = time.perf_counter()
    build()
    end = time.perf_counter()
    return {
        "start_s": round(ready - start, 2),
        "seconds": round(end - ready, 2),
        "sha256": digest(out / "data"),
    }


def digest(folder: Path) -> str:
    """Of the names and bytes of all files that the stages made."""
    total = hashlib.sha256()
    for path in sorted(
        path for kind in ("index", "hub") for path in (folder / kind).rglob("*") if path.is_file()
    ):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder)} {content}\n".encode())
    return total.hexdigest()


def measure(kind: str, store: Path, scratch: Path, n_workers: int, kill: bool = False) -> dict[str, Any]:
    """One run, on warm tars and a quiet disk."""
    out = scratch / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    for path in tars(store):
        path.read_bytes()
    os.sync()
    wait_for_quiet(QUIET_S)
    command = [sys.executable, __file__, "--kind", kind, "--store", str(store), "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    watch, killed = Watch(), not kill
    with subprocess.Popen(
        [*command, "--n-workers", str(n_workers)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            watch.look(process.pid)
            killed = killed or kill_a_worker(process.pid)
            time.sleep(0.05)
        output = process.stdout.read().decode() if process.stdout else ""
    if process.returncode or not killed:
        raise SystemExit(
            f"{kind} failed" if process.returncode else "it ended before a worker could be killed"
        )
    shutil.rmtree(out)
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found | {
        "cpu_s": round(sum(watch.cpu_s.values()), 2),
        "peak_pss_mb": round(watch.pss_bytes / 1e6, 1),
    }


def kill_a_worker(driver: int) -> bool:
    """SIGKILL a Ray worker that has been writing for a while; whether there was one."""
    try:
        for process in psutil.Process(driver).children(recursive=True):
            if process.name().startswith("ray::write_partition") or "ray::write_partition" in " ".join(
                process.cmdline()
            ):
                time.sleep(KILL_AFTER_S)
                process.kill()
                return True
    except psutil.Error:
        pass
    return False


def compare(n_images: int, n_workers: int, n_runs: int, scratch: Path) -> dict[str, Any]:
    """Both executors in turn, `n_runs` times; then the run with a kill."""
    store = scratch / "source"
    make_source(store, n_images)
    best: dict[str, dict[str, Any]] = {}
    hashes = set()
    for number in range(n_runs + 1):
        for name in ("local", "ray") if number < n_runs else ("killed",):
            found = measure(
                "local" if name == "local" else "ray", store, scratch, n_workers, name == "killed"
            )
            print(name, found, flush=True)
            hashes.add(found.pop("sha256"))
            if name not in best or found["seconds"] < best[name]["seconds"]:
                best[name] = found
    if len(hashes) != 1:
        raise SystemExit(f"the runs gave different bytes: {hashes}")
    local, ray = best["local"], best["ray"]
    return {
        "n_images": n_images,
        "total_mb": round(sum(path.stat().st_size for path in tars(store)) / 1e6, 1),
        "n_workers": n_workers,
        "n_cpus": os.cpu_count(),
        "n_runs": n_runs,
        "runs": best,
        "same_bytes": True,
        "sha256": hashes.pop(),
        "ratios": {
            "speed of ray against local": round(local["seconds"] / ray["seconds"], 2),
            "with the start of Ray": round(local["seconds"] / (ray["start_s"] + ray["seconds"]), 2),
            "time with a worker killed against without": round(best["killed"]["seconds"] / ray["seconds"], 2),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--n-workers", type=int, default=2)
    parser.add_argument("--n-runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    for name in ("--kind", "--store", "--out"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.kind:
        print(json.dumps(run(options.kind, Path(options.store), Path(options.out), options.n_workers)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        result = compare(options.images, options.n_workers, options.n_runs, Path(scratch))
    target = Path(__file__).parent / "results" / "executors.json"
    target.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["ratios"], indent=1))


if __name__ == "__main__":
    main()
