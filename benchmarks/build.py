"""From tars to a published dataset: Cairn beside what `datasets` offers, on a synthetic GLDv2 in the official layout.

    python benchmarks/build.py [--images 20000] [--n-workers 2] [--n-runs 3] [--folder DIR]

Every method starts from the same tars, in a process of its own, with the same number of workers; the tars lie in the
page cache. `cairn` runs the stages index and publish (checks, hashes, tree, card and all), judging JPEGs by their
structure; `cairn_decoding` decodes every image too and looks for look-alikes, as params.yaml has it; `imagefolder`
extracts, loads and writes Parquet; `webdataset` loads the tars and writes Parquet; `sequential` reads, hashes
(SHA-256, as Cairn does) and writes the same bytes, one file after the other. The clock starts after a method's
imports; `cpu_s` is that of all its processes, imports too. Memory is the highest sum of VmHWM over a method's
processes; beside it that of PSS, which counts shared pages once. The fastest of the runs counts: other work on the
machine only ever slows; `others_cpus` is how many CPUs it took. Prints ratios, writes results/build.json beside this
file.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cairnhub.pipelines.context import Context
    from cairnhub.pipelines.settings.executor import Executor

ROOT = Path(__file__).parents[1]
TAR_IMAGES = 500
QUIET_S = 20
N_BASES = 200
N_LANDMARKS = 300
TYPES = ("castle", "church", "bridge", "waterfall", "mountain", "museum")


# ---- the source ---------------------------------------------------------------------------------------------


def make_source(
    store: Path,
    n_images: int,
    image_of: Callable[[str], bytes] | None = None,
    n_landmarks: int = N_LANDMARKS,
    types: Sequence[str] = TYPES,
) -> None:
    """Write JPEGs in the layout of the authors' server; every file is different.

    Args:
        store: the folder to write to.
        n_images: of all splits together.
        image_of: draws the image of an id; by default about 100 KB.
        n_landmarks: of train and of index each.
        types: of the landmarks, by turns.
    """
    image_of = image_of or _photograph_maker()
    n_test, n_index = n_images // 20, n_images // 5
    counts = {"train": n_images - n_index - n_test, "index": n_index, "test": n_test}
    ids = {
        split: sorted(hashlib.md5(f"{split}{i}".encode()).hexdigest()[:16] for i in range(count))
        for split, count in counts.items()
    }
    for split, names in ids.items():
        for number, start in enumerate(range(0, len(names), TAR_IMAGES)):
            _write_tar(
                store / split / f"images_{number:03d}.tar", names[start : start + TAR_IMAGES], image_of
            )
    _write_tables(store, ids, n_landmarks, types)


def _photograph_maker() -> Callable[[str], bytes]:
    """One of a few large images by turns, made unique by a comment that holds the id."""
    bases = _base_images()

    def photograph(name: str) -> bytes:
        base, comment = bases[int(name, 16) % len(bases)], name.encode()
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        return base[:2] + segment + base[2:]

    return photograph


def _base_images() -> list[bytes]:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    bases = []
    for i in range(N_BASES):
        noise = Image.fromarray(rng.integers(0, 256, (90 + i % 60, 120 + i % 80, 3), dtype=np.uint8))
        out = io.BytesIO()
        noise.resize((600, 450)).save(out, "JPEG", quality=84 + i % 5)
        bases.append(out.getvalue())
    return bases


def _write_tar(path: Path, names: Iterable[str], image_of: Callable[[str], bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name in names:
            data = image_of(name)
            info = tarfile.TarInfo("/".join((*name[:3], f"{name}.jpg")))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _write_tables(store: Path, ids: dict[str, list[str]], n_landmarks: int, types: Sequence[str]) -> None:
    def landmark(name: str) -> int:
        return int(name, 16) // 1000 % n_landmarks

    page = "https://commons.wikimedia.org/wiki/File:"
    train, index, test = ids["train"], ids["index"], ids["test"]
    _table(store, "metadata/train.csv", "id,url,landmark_id", [(i, f"{page}{i}", landmark(i)) for i in train])
    _table(
        store,
        "metadata/train_attribution.csv",
        "id,url,author,license,title",
        [(i, f"{page}{i}", f"Author {landmark(i)}", "CC BY-SA 4.0", f"File:{i}.jpg") for i in train],
    )
    _table(store, "metadata/index.csv", "id", [(i,) for i in index])
    _table(store, "metadata/index_image_to_landmark.csv", "id,landmark_id", [(i, landmark(i)) for i in index])
    _table(store, "metadata/test.csv", "id", [(i,) for i in test])
    for space in ("train", "index"):
        marks = [
            (i, f"http://commons.wikimedia.org/wiki/Category:{space}_{i}", i) for i in range(n_landmarks)
        ]
        _table(store, f"metadata/{space}_label_to_category.csv", "landmark_id,category",
               [mark[:2] for mark in marks])  # fmt: skip
        _table(
            store,
            f"metadata/{space}_label_to_hierarchical.csv",
            "landmark_id,category,supercategory,hierarchical_label,natural_or_human_made",
            [(i, url, types[i % len(types)], types[i % len(types)], "human-made") for i, url, _ in marks],
        )
    truth = [(i, index[landmark(i) % len(index)], "Public") for i in test]
    _table(store, "ground_truth/retrieval_solution_v2.1.csv", "id,images,Usage", truth)


def _table(store: Path, name: str, header: str, rows: Iterable[tuple[object, ...]]) -> None:
    path = store / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


def tars(store: Path) -> list[Path]:
    return sorted(store.glob("*/images_*.tar"))


# ---- the methods: each returns what it does, after its imports -----------------------------------------------


def context_of(store: Path, out: Path, executor: "Executor", *, decode_images: bool = False) -> "Context":
    """A project in `out` whose files, in `store`, count as fetched."""
    from cairnhub.core.hashing import sha256_of
    from cairnhub.pipelines.context import Context
    from cairnhub.pipelines.params import PerScale, load_params
    from cairnhub.pipelines.paths import Paths
    from cairnhub.pipelines.settings.executor import Executor
    from cairnhub.pipelines.settings.publish import Publish
    from cairnhub.pipelines.settings.sources import GLDv2Source, GLDv2Subset, GLDv2Subsets
    from cairnhub.pipelines.sources.ledger import FetchedFile
    from cairnhub.pipelines.sources.manifest import write_manifest
    from cairnhub.pipelines.stages import index, publish

    splits = GLDv2Subset(splits=("train", "index", "test"))  # a subset is not held against registered counts
    source = GLDv2Source(format="gldv2", subset=GLDv2Subsets(full=splits))
    publishing = Publish(decode_images=decode_images)
    params = load_params(ROOT / "params.yaml").model_copy(
        update={
            "executor": PerScale[Executor](sample=executor, full=executor),
            "publish": PerScale[Publish](sample=publishing, full=publishing),
            "sources": {"gldv2": source},
        }
    )
    paths = Paths(out, "full", "gldv2")
    index.require_fetched = publish.require_fetched = lambda _: None  # the store is no download
    if paths.manifest.exists():
        return Context("gldv2", "full", params, paths)
    paths.store.parent.mkdir(parents=True)
    paths.store.symlink_to(store.resolve())
    files = [
        FetchedFile(path.relative_to(store).as_posix(), path.stat().st_size, sha256_of(path), None)
        for path in sorted(store.rglob("*"))
        if path.is_file()
    ]
    write_manifest(paths.manifest, paths.loose_images, "gldv2", "full", files)
    return Context("gldv2", "full", params, paths)


def cairn(store: Path, out: Path, n_workers: int) -> Callable[[], None]:
    from cairnhub.pipelines.settings.executor import Executor

    return build_with(context_of(store, out, Executor(n_workers=n_workers)))


def cairn_decoding(store: Path, out: Path, n_workers: int) -> Callable[[], None]:
    from cairnhub.pipelines.settings.executor import Executor

    return build_with(context_of(store, out, Executor(n_workers=n_workers), decode_images=True))


def build_with(context: "Context") -> Callable[[], None]:
    """Index and publish, with a tree that the index gives."""
    import pandas as pd

    from cairnhub.hierarchies.label_tree.tree import LabelTree
    from cairnhub.pipelines.stages import index, publish

    def build() -> None:
        paths = context.paths
        index.run(context)
        labels = pd.read_parquet(paths.index / "images.parquet", columns=["landmark", "type"])
        labels = labels.drop_duplicates().assign(category=lambda t: t["type"], kind="human-made")
        tree = LabelTree.from_table(labels, ["landmark", "category", "kind"])
        paths.tree.parent.mkdir(parents=True)
        tree.save(paths.tree)
        publish.run(context)

    return build


def imagefolder(store: Path, out: Path, n_workers: int) -> Callable[[], None]:
    import datasets
    from datasets.table import embed_table_storage

    datasets.disable_progress_bars()

    def extract(path: Path) -> None:
        folder = out / "files" / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["tar", "-xf", str(path), "-C", str(folder)], check=True)

    def build() -> None:
        with ThreadPoolExecutor(n_workers) as pool:
            list(pool.map(extract, tars(store)))
        loaded = datasets.load_dataset("imagefolder", data_dir=str(out / "files"), drop_labels=True,
                                       num_proc=n_workers, cache_dir=str(out / "cache"))  # fmt: skip
        for split, images in loaded.items():
            whole = images.with_format("arrow").map(
                embed_table_storage, batched=True, batch_size=100, num_proc=n_workers
            )
            whole.to_parquet(out / f"{split}.parquet")

    return build


def webdataset(store: Path, out: Path, n_workers: int) -> Callable[[], None]:
    import datasets

    datasets.disable_progress_bars()

    def build() -> None:
        files = {split: [str(path) for path in tars(store) if path.parent.name == split]
                 for split in ("train", "index", "test")}  # fmt: skip
        loaded = datasets.load_dataset("webdataset", data_files=files, num_proc=n_workers,
                                       cache_dir=str(out / "cache"))  # fmt: skip
        for split, images in loaded.items():
            images.to_parquet(out / f"{split}.parquet")

    return build


def sequential(store: Path, out: Path, n_workers: int) -> Callable[[], None]:
    def build() -> None:
        out.mkdir(parents=True, exist_ok=True)
        for number, path in enumerate(tars(store)):
            digest = hashlib.sha256()
            with path.open("rb") as source, (out / f"{number}").open("wb") as target:
                while chunk := source.read(1 << 20):
                    digest.update(chunk)
                    target.write(chunk)

    return build


METHODS = {
    "cairn": cairn,
    "cairn_decoding": cairn_decoding,
    "imagefolder": imagefolder,
    "webdataset": webdataset,
    "sequential": sequential,
}


# ---- measuring ------------------------------------------------------------------------------------------------


@dataclass
class Watch:
    """What a process and those it started have used so far."""

    high_bytes: int = 0
    pss_bytes: int = 0
    cpu_s: dict[int, float] = field(default_factory=dict)

    def look(self, pid: int) -> None:
        """Sample the processes that live now."""
        import psutil

        high = pss = 0
        try:
            processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        except psutil.Error:
            return
        for process in processes:
            try:
                high += kilobytes(Path(f"/proc/{process.pid}/status"), "VmHWM:") * 1024
                pss += kilobytes(Path(f"/proc/{process.pid}/smaps_rollup"), "Pss:") * 1024
                times = process.cpu_times()
                self.cpu_s[process.pid] = times.user + times.system
            except (OSError, psutil.Error):
                continue
        self.high_bytes, self.pss_bytes = max(high, self.high_bytes), max(pss, self.pss_bytes)


def kilobytes(path: Path, key: str) -> int:
    """What a file of /proc says under `key`."""
    lines = path.read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), 0)


def _busy_s() -> float:
    """CPU time that all CPUs have worked so far, or that the host has kept back."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(at_most_s: float) -> None:
    """Wait for a second in which the machine does nothing else."""
    end = time.perf_counter() + at_most_s
    while time.perf_counter() < end:
        before = _busy_s()
        time.sleep(1)
        if _busy_s() - before < 0.15:
            return


def measure(method: str, store: Path, scratch: Path, n_workers: int) -> dict[str, float]:
    """One method in its own process, on warm tars and a quiet disk."""
    out = scratch / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    for path in tars(store):
        path.read_bytes()
    os.sync()
    wait_for_quiet(QUIET_S)
    environment = {
        **os.environ,
        "HF_HOME": str(out / "home"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    environment |= {"USE_TORCH": "0", "HF_HUB_OFFLINE": "1"}
    environment.pop("CAIRN_STORE", None)
    command = [sys.executable, __file__, "--method", method, "--store", str(store), "--out", str(out)]
    watch = Watch()
    start, busy = time.perf_counter(), _busy_s()
    log = scratch / "stderr.txt"
    command += ["--n-workers", str(n_workers)]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        while process.poll() is None:
            watch.look(process.pid)
            time.sleep(0.05)
        output = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"{method} failed:\n{log.read_text()[-2000:]}")
    others = (_busy_s() - busy - sum(watch.cpu_s.values())) / (time.perf_counter() - start)
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    shutil.rmtree(out)
    return {
        **found,
        "cpu_s": round(sum(watch.cpu_s.values()), 2),
        "peak_mb": round(watch.high_bytes / 1e6, 1),
        "peak_pss_mb": round(watch.pss_bytes / 1e6, 1),
        "others_cpus": round(others, 2),
        "load_average": round(os.getloadavg()[0], 2),
    }


def run_method(method: str, store: Path, out: Path, n_workers: int) -> dict[str, float]:
    """Inside a method's own process."""
    build = METHODS[method](store, out, n_workers)
    start = time.perf_counter()
    build()
    seconds = time.perf_counter() - start
    n_bytes = sum(path.stat().st_size for path in tars(store))
    return {"seconds": round(seconds, 2), "mb_per_s": round(n_bytes / seconds / 1e6, 1)}


def compare(n_images: int, n_workers: int, n_runs: int, scratch: Path) -> dict[str, Any]:
    """Every method in turn, `n_runs` times; Cairn on a quarter of the images too."""
    stores = {"all": scratch / "all", "quarter": scratch / "quarter"}
    make_source(stores["all"], n_images)
    make_source(stores["quarter"], n_images // 4)
    jobs = {method: (method, stores["all"]) for method in METHODS} | {"quarter": ("cairn", stores["quarter"])}
    best: dict[str, dict[str, float]] = {}
    for _ in range(n_runs):
        for name, (method, store) in jobs.items():
            found = measure(method, store, scratch, n_workers)
            print(name, found, flush=True)
            if name not in best or found["seconds"] < best[name]["seconds"]:
                best[name] = found
    ours, quarter = best["cairn"], best.pop("quarter")
    return {
        "n_images": n_images,
        "total_mb": round(sum(path.stat().st_size for path in tars(stores["all"])) / 1e6, 1),
        "n_workers": n_workers,
        "n_cpus": os.cpu_count(),
        "has_sha_instructions": "sha_ni" in Path("/proc/cpuinfo").read_text(),
        "n_runs": n_runs,
        "methods": best,
        "cairn_on_a_quarter": quarter,
        "ratios": {
            "speed against imagefolder": round(best["imagefolder"]["seconds"] / ours["seconds"], 2),
            "speed against webdataset": round(best["webdataset"]["seconds"] / ours["seconds"], 2),
            "peak memory against webdataset": round(ours["peak_mb"] / best["webdataset"]["peak_mb"], 2),
            "speed against sequential": round(best["sequential"]["seconds"] / ours["seconds"], 2),
            "speed decoding against sequential": round(
                best["sequential"]["seconds"] / best["cairn_decoding"]["seconds"], 2
            ),
            "time against a quarter of the images": round(ours["seconds"] / quarter["seconds"], 2),
            "peak memory against a quarter of the images": round(ours["peak_mb"] / quarter["peak_mb"], 2),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--n-workers", type=int, default=2)
    parser.add_argument("--n-runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    for name in ("--method", "--store", "--out"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.method:
        found = run_method(options.method, Path(options.store), Path(options.out), options.n_workers)
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        result = compare(options.images, options.n_workers, options.n_runs, Path(scratch))
    target = Path(__file__).parent / "results" / "build.json"
    target.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["ratios"], indent=1))


if __name__ == "__main__":
    main()
