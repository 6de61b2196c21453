"""What each data stage costs at several sizes, the law behind it, and what it says for GLDv2 and beyond.

    nice python benchmarks/scale.py [--sizes 1000 10000 100000] [--held-out 30000] [--large 4000] [--again] --folder DIR

The sources are synthetic GLDv2 in the official layout: small images of about 3 kB, all of them different, and, for
the cost per byte, large ones of about 100 kB. A landmark per 20 images, a type per 5 landmarks; a twentieth of the
images are queries, a fifth the gallery (`encode`: the rest; `rank`: a hundredth against a fifth). Every stage runs in
a process of its own: once alone, in which what is given to the executor is timed task by task, and once with two
workers. CPU seconds are those of all its processes; memory is the highest sum of PSS (shared pages count once), looked
at 20 times a second; beside it what no file backs, for pages of mapped files go when others need the room. Bytes read
and written are those that passed the system calls. Each result is kept in the folder, so that a killed run goes on;
results/scale.json has them all, the laws, how well they foretell the size that was held out, and what they foretell.
See docs/scale.md.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from build import ROOT, TAR_IMAGES, Watch, context_of, kilobytes, make_source, tars
from capacity import Law, Machines, as_json, as_markdown, fit, simulate, stage_s

SPREAD = ("index", "publish", "check", "encode")
"""Stages that are timed task by task and run with two workers too."""
WHOLLY_SPREAD = ("fetch",)
"""Stages that are all tasks, of one file each, however they were run here."""
STAGES = (
    "fetch",
    "index",
    "embed",
    "cluster",
    "review",
    "publish",
    "check",
    "encode",
    "rank",
    "near_duplicates",
)
QUADRATIC = ("rank", "near_duplicates")
OF_LABELS = ("embed", "cluster", "review")
"""Stages that read no image."""
PAIRS_ONLY = {300_000: QUADRATIC, 1_000_000: QUADRATIC, 5_000_000: ("near_duplicates",)}
"""Sizes at which quadratic stages are measured by themselves: what they square shows only there."""
TYPE_WORDS = (
    ("old", "royal", "northern", "small", "wooden", "stone", "municipal", "railway", "coastal", "former"),
    ("castle", "church", "bridge", "waterfall", "mountain", "museum", "square", "garden", "station", "tower"),
    ("", " in France", " in Peru", " in Japan", " in Kenya", " by the sea", " of 1900", " on a hill", " ruin", " site"),
)  # fmt: skip
N_RUNS, LONG_S = 3, 15.0
BUFFERS_FULL = 10_000
"""Images from which on every worker has whole shards and row groups to hold; memory laws start there."""
GLDV2 = (5_012_248, 595.0)
DATASETS = {"GLDv2": GLDV2, "100 million": (100e6, 100e6 * 118.7e-6), "1 billion": (1e9, 1e9 * 118.7e-6)}
MACHINES = (
    Machines("one, 8 cores, 32 GB, 1 Gbit/s", 1, 8, 32, 1, 1),
    Machines("one, 64 cores, 256 GB, 25 Gbit/s", 1, 64, 256, 25, 25),
    Machines("16 of 64 cores, 256 GB, 25 Gbit/s; storage 100 Gbit/s", 16, 64, 256, 25, 100),
)


@dataclass(frozen=True)
class Case:
    """One source."""

    n_images: int
    kind: str

    @property
    def name(self) -> str:
        """Its folder."""
        return f"{self.n_images}-{self.kind}"


@dataclass
class TimedExecutor:
    """Runs tasks here and notes the CPU seconds of each."""

    spans_machines = False
    tasks_s: list[float] = field(default_factory=list)

    def map(self, function: Callable, tasks: Sequence, title: str | None = None) -> Iterator:
        """See `Executor.map`."""
        for task in tasks:
            start = time.process_time()
            done = function(task)
            self.tasks_s.append(round(time.process_time() - start, 4))
            yield done


# ---- the sources ---------------------------------------------------------------------------------------------


def small_image(name: str) -> bytes:
    """A JPEG of about 3 kB of coarse noise: every image differs from every other to the eye."""
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(int(name, 16)).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).resize((128, 96)).save(out, "JPEG", quality=85)
    return out.getvalue()


def prepare(case: Case, folder: Path) -> Path:
    """The source of a case, made once."""
    source = folder / case.name / "source"
    if not (source / "made").exists():
        shutil.rmtree(source, ignore_errors=True)
        n_landmarks = max(20, case.n_images // 20)
        types = [f"{a} {b}{c}" for c in TYPE_WORDS[2] for b in TYPE_WORDS[1] for a in TYPE_WORDS[0]]
        types = types[: max(5, n_landmarks // 5)]
        image_of = small_image if case.kind == "small" else None
        make_source(source, case.n_images, image_of, n_landmarks, types)
        (source / "made").touch()
    return source


# ---- one stage, in a process of its own ------------------------------------------------------------------------


def run_stage(stage: str, case: Case, work: Path, n_workers: int) -> dict[str, Any]:
    """Run a stage; with one worker its tasks are timed."""
    sys.path.insert(0, str(ROOT))
    import importlib

    from cairnhub.pipelines.context import Context
    from cairnhub.pipelines.params import PerScale
    from cairnhub.pipelines.settings.executor import Executor
    from cairnhub.pipelines.settings.publish import Publish

    timed = TimedExecutor()
    if n_workers == 1:
        Context.executor = property(lambda _: timed)  # type: ignore[assignment, method-assign]
    context = context_of(work.parent / "source", work, Executor(n_workers=n_workers))
    publish = Publish(shard_size_mb=20)
    params = context.params.model_copy(update={"publish": PerScale[Publish](sample=publish, full=publish)})
    context = Context(context.dataset, context.scale, params, context.paths)
    context.paths.decisions.parent.mkdir(parents=True, exist_ok=True)
    context.paths.decisions.touch()
    parts = {"fetch": _fetch, "encode": _encode, "rank": _rank, "near_duplicates": _near_duplicates}
    start, start_cpu = time.perf_counter(), time.process_time()
    if stage in parts:
        parts[stage](context, case)
    else:
        importlib.import_module(f"cairnhub.pipelines.stages.{stage}").run(context)
    return {
        "wall_s": round(time.perf_counter() - start, 3),
        "process_cpu_s": round(time.process_time() - start_cpu, 3),
        "tasks_s": timed.tasks_s,
    }


def _fetch(context: Any, case: Case) -> None:
    from cairnhub.pipelines.sources.download_registry import fetch_all
    from cairnhub.pipelines.sources.registry import RegistryRow

    store = context.paths.store
    files = [path for path in sorted(store.rglob("*")) if path.is_file()]
    rows = [
        RegistryRow(path.relative_to(store).as_posix(), path.name, path.stat().st_size, None)
        for path in files
    ]
    target = context.paths.root / "fetched"
    shutil.rmtree(target, ignore_errors=True)
    fetch_all(rows, target, str(store), n_connections=1)
    shutil.rmtree(target)


def _encode(context: Any, case: Case) -> None:
    from cairnhub.datasets_hub.open_split import open_split
    from cairnhub.training.data import ImageDataset
    from cairnhub.training.embedding import embed_blocks, untrained_encoder
    from cairnhub.training.recipes.settings import Network

    network = Network(backbone="small_cnn")
    images = ImageDataset(
        open_split(context.paths.hub, "train"),
        network.decoded_side_px,
        network.ground,
        network.fit,
        network.interpolation,
    )
    embed_blocks(images, partial(untrained_encoder, network, 0), 256, context.executor.map)


def _rank(context: Any, case: Case) -> None:
    import torch

    from cairnhub.training.metrics import retrieval_metrics

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    n_gallery, n_queries = case.n_images // 5, max(10, case.n_images // 100)
    vectors = torch.nn.functional.normalize(torch.randn(n_gallery + n_queries, 128, generator=generator))
    fine = torch.randint(0, max(20, case.n_images // 20), (n_gallery + n_queries,), generator=generator)
    labels = torch.stack([fine, fine // 5, fine // 100], 1)
    retrieval_metrics(vectors[:n_queries], labels[:n_queries], vectors[n_queries:], labels[n_queries:])


def _near_duplicates(context: Any, case: Case) -> None:
    import numpy as np

    from cairnhub.datasets_hub.duplicates import LAYOUT_SIZE, MAX_ALIKE, near_pairs

    rng = np.random.default_rng(0)
    hashes = rng.integers(1, 2**63, case.n_images, dtype=np.uint64)
    layouts = rng.integers(0, 256, (case.n_images, LAYOUT_SIZE), dtype=np.uint8)
    near_pairs(hashes, layouts, MAX_ALIKE)


# ---- measuring -------------------------------------------------------------------------------------------------


@dataclass
class Traffic(Watch):
    """What a process tree has used; bytes through system calls too, and memory without mapped files."""

    moved: dict[int, tuple[int, int]] = field(default_factory=dict)
    own_bytes: int = 0

    def look(self, pid: int) -> None:
        """See `Watch.look`."""
        super().look(pid)
        own = 0
        for process in self.cpu_s:
            try:
                lines = Path(f"/proc/{process}/io").read_text().split()
                memory = Path(f"/proc/{process}/smaps_rollup")
                own += 1024 * (kilobytes(memory, "Pss_Anon:") + kilobytes(memory, "Pss_Shmem:"))
            except OSError:
                continue
            self.moved[process] = int(lines[1]), int(lines[3])
        self.own_bytes = max(own, self.own_bytes)


def measure(stage: str, case: Case, folder: Path, n_workers: int, again: bool) -> dict[str, Any]:
    """One stage of one source; from the folder where it was measured before.

    Short ones are run again, and the fastest counts: machines that are shared have slow minutes.
    """
    kept = folder / case.name / f"{stage}-{n_workers}.json"
    before = [json.loads(kept.read_text())] if kept.exists() else []
    if before and not again:
        return before[0]
    runs: list[dict[str, Any]] = []
    while len(runs) < N_RUNS and sum(run["cpu_s"] for run in runs) < LONG_S:
        runs.append(measure_once(stage, case, folder, n_workers))
    runs += before
    found = min(runs, key=lambda run: run["cpu_s"])
    found["own_mb"] = max(run["own_mb"] for run in runs)
    kept.write_text(json.dumps(found) + "\n")
    shown = {key: value for key, value in found.items() if key != "tasks_s"}
    print(case.name, stage, n_workers, shown, f"fastest of {len(runs)}", flush=True)
    return found


def measure_once(stage: str, case: Case, folder: Path, n_workers: int) -> dict[str, Any]:
    """One run in a process of its own."""
    work = folder / case.name / "work"
    command = [sys.executable, __file__, "--stage", stage, "--case", str(case.n_images), case.kind,
               "--work", str(work), "--n-workers", str(n_workers)]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    watch = Traffic()
    with (
        (folder / case.name / "stderr").open("w+b") as said,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=said) as process,
    ):
        while process.poll() is None:
            watch.look(process.pid)
            time.sleep(0.05)
        output = process.stdout.read().decode() if process.stdout else ""
        said.seek(0)
        if process.returncode:
            raise SystemExit(f"{stage} of {case.name} failed: {said.read().decode(errors='replace')[-2000:]}")
    found = json.loads(output.splitlines()[-1])
    made = {"index": "data/index", "publish": "data/hub"}.get(stage)
    size = sum(path.stat().st_size for path in (work / made).rglob("*") if path.is_file()) if made else 0
    found |= {
        "cpu_s": round(sum(watch.cpu_s.values()), 2),
        "peak_mb": round(watch.pss_bytes / 1e6, 1),
        "own_mb": round(watch.own_bytes / 1e6, 1),
        "read_mb": round(sum(read for read, _ in watch.moved.values()) / 1e6, 1),
        "written_mb": round(sum(written for _, written in watch.moved.values()) / 1e6, 1),
        "output_mb": round(size / 1e6, 1),
    }
    return found


def measure_case(
    case: Case, folder: Path, stages: Sequence[str], again: Sequence[str] = ()
) -> dict[str, Any]:
    """All stages of one source, alone and, where work is spread, with two workers; some of them once more."""
    done = folder / case.name / "all.json"
    if done.exists() and not again:
        return json.loads(done.read_text())
    measured: dict[str, Any] = {}
    if set(stages) - set(QUADRATIC):
        prepare(case, folder)
    (folder / case.name / "source").mkdir(parents=True, exist_ok=True)
    for stage in stages:
        measured[stage] = {"1": measure(stage, case, folder, 1, stage in again)}
        if stage in SPREAD:
            measured[stage]["2"] = measure(stage, case, folder, 2, stage in again)
    gigabytes = sum(path.stat().st_size for path in tars(folder / case.name / "source")) / 1e9
    result = {"n_images": case.n_images, "gigabytes": round(gigabytes, 4), "stages": measured}
    done.write_text(json.dumps(result) + "\n")
    for name in ("source", "work"):
        shutil.rmtree(folder / case.name / name, ignore_errors=True)
    return result


# ---- the model ---------------------------------------------------------------------------------------------------


Run = tuple[float, float, dict[str, Any]]  # images, gigabytes, what was measured
LINEAR = ("base", "per_image", "per_gigabyte")
SQUARE = ("base", "per_image", "per_image_squared")


def laws_of(cases: Sequence[dict[str, Any]], held_out: dict[str, Any]) -> dict[str, dict[str, Law]]:
    """Per stage: CPU seconds in all, in the tasks, in the driving process alone; memory, start, bytes moved.

    The size that is held out helps with memory only.
    """
    found = {}
    for stage in STAGES:
        runs = [(c["n_images"], c["gigabytes"], c["stages"][stage]) for c in cases if stage in c["stages"]]
        held = [(held_out["n_images"], held_out["gigabytes"], held_out["stages"][stage])]
        full = [run for run in [*runs, *held] if run[0] >= BUFFERS_FULL]
        terms = SQUARE if stage in QUADRATIC else LINEAR[:2] if stage in OF_LABELS else LINEAR

        def alone_s(run: dict[str, Any], stage: str = stage) -> float:
            return run["1"]["cpu_s"] - _tasks_s(stage, run)

        found[stage] = {
            "cpu_s": _law(runs, lambda run: run["1"]["cpu_s"], terms),
            "tasks_s": _law(runs, partial(_tasks_s, stage), terms),
            "alone_s": _law(runs, alone_s, terms),
            "start_s": _law(runs, _start_s, ("base",)),
            "own_mb": _law(full, _own_mb, ("base", "per_image")),
            "moved_gb": _law(runs, _moved_gb, LINEAR),
        }
    return found


def _law(runs: Sequence[Run], value: Callable[[dict[str, Any]], float], terms: Sequence[str]) -> Law:
    return fit([(n, gigabytes, max(value(run), 1e-3)) for n, gigabytes, run in runs], terms)


def _moved_gb(run: dict[str, Any]) -> float:
    return (run["1"]["read_mb"] + run["1"]["written_mb"]) / 1000


def _own_mb(run: dict[str, Any]) -> float:
    """Of two workers where there were two."""
    return run.get("2", run["1"])["own_mb"]


def _tasks_s(stage: str, run: dict[str, Any]) -> float:
    """CPU seconds of what is spread."""
    return run["1"]["process_cpu_s"] if stage in WHOLLY_SPREAD else sum(run["1"]["tasks_s"])


def _start_s(run: dict[str, Any]) -> float:
    """CPU seconds until a worker takes its first task: what two workers cost beyond one process, for each."""
    return max(0.0, run["2"]["cpu_s"] - run["1"]["cpu_s"]) / 2 if "2" in run else 0.0


def foretold(laws: dict[str, dict[str, Law]], held_out: dict[str, Any]) -> dict[str, Any]:
    """What the laws say of a size that they were not fitted to, beside what was measured."""
    table = {}
    for stage, runs in held_out["stages"].items():
        said = laws[stage]["cpu_s"](held_out["n_images"], held_out["gigabytes"])
        found = runs["1"]["cpu_s"]
        table[stage] = {
            "foretold_cpu_s": round(said, 2),
            "measured_cpu_s": found,
            "error": round(said / found - 1, 3),
        }
    said = sum(row["foretold_cpu_s"] for row in table.values())
    found = sum(row["measured_cpu_s"] for row in table.values())
    return {"stages": table, "all": {"foretold_cpu_s": round(said, 2), "measured_cpu_s": round(found, 2),
            "error": round(said / found - 1, 3)}}  # fmt: skip


def simulated(case: dict[str, Any]) -> dict[str, Any]:
    """What the simulation says of one and of two workers, beside the clock; tasks as they were timed alone."""
    table = {}
    for stage in SPREAD:
        run = case["stages"][stage]
        tasks = run["1"]["tasks_s"]
        if len(tasks) < 2:
            continue
        alone = run["1"]["process_cpu_s"] - sum(tasks)
        table[stage] = {
            f"{n}_workers": {
                "simulated_s": round(alone + simulate(tasks, n, _start_s(run) * (n > 1)), 2),
                "measured_s": run[str(n)]["wall_s"],
            }
            for n in (1, 2)
        }
    return table


def flatness(small: dict[str, Any], large: dict[str, Any]) -> dict[str, float]:
    """Memory of each stage over that of a size before."""
    peaks = [{stage: _own_mb(run) for stage, run in case["stages"].items()} for case in (small, large)]
    return {stage: round(peak / peaks[0][stage], 2) for stage, peak in peaks[1].items()}


def outlook(laws: dict[str, dict[str, Law]], case: dict[str, Any]) -> dict[str, Any]:
    """Hours and gigabytes of memory of every stage on every machine, for every dataset."""
    found: dict[str, Any] = {}
    for name, (n_images, gigabytes) in DATASETS.items():
        for machines in MACHINES:
            rows = {}
            for stage in STAGES:
                law = laws[stage]
                tasks = case["stages"][stage]["1"]["tasks_s"] or [1.0]
                mean = sum(tasks) / len(tasks)
                if stage in SPREAD + WHOLLY_SPREAD:
                    jitter = [task / mean for task in tasks]
                    seconds = stage_s(law, n_images, gigabytes, machines, jitter)
                else:
                    seconds = law["cpu_s"](n_images, gigabytes)
                memory_gb = law["own_mb"](n_images, gigabytes) / 1000
                rows[stage] = {
                    "hours": float(f"{seconds / 3600:.3g}"),
                    "memory_gb": float(f"{memory_gb:.3g}"),
                }
            found.setdefault(name, {})[machines.name] = rows
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, BUFFERS_FULL, 100_000])
    parser.add_argument("--held-out", type=int, default=30_000)
    parser.add_argument("--large", type=int, nargs="*", default=[4_000])
    parser.add_argument(
        "--folder", type=Path, required="--stage" not in sys.argv, help="for sources and results so far"
    )
    parser.add_argument(
        "--again", action="store_true", help="what is short, at another time: the fastest counts"
    )
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--n-workers", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        case = Case(int(options.case[0]), options.case[1])
        print(json.dumps(run_stage(options.stage, case, options.work, options.n_workers)))
        return
    folder = options.folder.resolve()
    again = STAGES[: STAGES.index("encode")] if options.again else ()
    sizes = [*options.sizes, options.held_out]
    small = {n: measure_case(Case(n, "small"), folder, STAGES, again) for n in sizes}
    large = [measure_case(Case(n, "large"), folder, STAGES[:-2]) for n in options.large]
    pairs = [measure_case(Case(n, "pairs"), folder, stages) for n, stages in PAIRS_ONLY.items()]
    known = [small[n] for n in options.sizes] + large + pairs
    laws = laws_of(known, small[options.held_out])
    largest = small[max(options.sizes)]
    result = {
        "n_cpus": os.cpu_count(),
        "tar_images": TAR_IMAGES,
        "machines": [asdict(machines) for machines in MACHINES],
        "laws": {stage: {name: as_json(law) for name, law in found.items()} for stage, found in laws.items()},
        "held_out": {"n_images": options.held_out} | foretold(laws, small[options.held_out]),
        "simulation": {str(n): simulated(small[n]) for n in (options.held_out, max(options.sizes))},
        "memory_of_the_largest_over_10_000": flatness(small[BUFFERS_FULL], small[max(small)]),
        "outlook": outlook(laws, largest),
        "measured": [_without_tasks(case) for case in [*known, small[options.held_out]]],
    }
    target = Path(__file__).parent / "results" / "scale.json"
    target.write_text(json.dumps(result, indent=1) + "\n")
    target.with_suffix(".md").write_text(as_markdown(result))
    print(json.dumps({"held_out": result["held_out"], "simulation": result["simulation"]}, indent=1))


def _without_tasks(case: dict[str, Any]) -> dict[str, Any]:
    """Numbers of tasks for their times."""
    stages = {
        stage: {n: {**run, "tasks_s": len(run["tasks_s"])} for n, run in runs.items()}
        for stage, runs in case["stages"].items()
    }
    return {**case, "stages": stages}


if __name__ == "__main__":
    main()
