"""The whole graph at the true number of images: a mirror in the upstream layout, `dvc repro`, what each stage costs.

    nice python benchmarks/rehearsal.py --folder DIR [--dataset gldv2] [--fraction 1] [--reference DIR]

Pictures are tiny (`tiny_pictures.py`), all else is as upstream (`upstream_mirrors.py`). The checkout is copied to
DIR, its `params.yaml` builds the dataset at scale `full`, and each stage runs by `dvc repro --single-item`, in the
order of the graph; what is measured is not run again, so that a killed run goes on. Memory is the highest sum of PSS
over the processes of a stage, shared pages counted once, looked at every second and more often at first; beside it
what no file backs, for pages of mapped files go when others need the room. At a fraction the source is declared a
subset, and so not held against the registered counts. results/rehearsal.json has all runs, docs/scale.md their tables.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from build import ROOT
from mirror_gldv2 import TARS
from mirror_parts import Plan
from rehearsal_table import RESULTS, fill_table
from scale import Traffic
from upstream_mirrors import make

LOOKED_AT_OFTEN_S = 20
FROM_TEXT = ("fetch", "index", "embed", "cluster", "review", "publish", "check", "report")
FROM_DATA = ("fetch", "index", "taxonomy", "publish", "check", "report")
SOURCES: dict[str, dict[str, Any]] = {
    "gldv2": {"stages": FROM_TEXT, "tree": "tree_from_text"},
    "inat2018": {"stages": FROM_DATA, "tree": "tree_from_data"},
    "sop": {"stages": FROM_DATA, "tree": "tree_from_data"},
    "dyml_product": {"stages": FROM_DATA, "tree": "tree_from_data"},
}


@dataclass(frozen=True)
class Rehearsal:
    """One dataset at one size.

    Attributes:
        folder: with the mirror, the project and what stands beside it.
        dataset: of `SOURCES`.
        plan: of the mirror.
    """

    folder: Path
    dataset: str
    plan: Plan

    @property
    def project(self) -> Path:
        """A copy of the checkout."""
        return self.folder / "project"

    @property
    def name(self) -> str:
        """As the results call it."""
        return f"{self.dataset} 1/{round(1 / self.plan.fraction)}" if self.plan.fraction < 1 else self.dataset

    def environment(self) -> dict[str, str]:
        """So that the copy runs its own code."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PYTHONPATH": str(self.project), "PATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        taken = {"CAIRN_STORE", "CAIRN_HUB"}
        return {key: value for key, value in os.environ.items() if key not in taken} | own

    def params(self, params: dict[str, Any]) -> dict[str, Any]:
        """Those of the checkout, for this dataset alone."""
        source = params["sources"][self.dataset]
        if self.plan.fraction < 1:
            part: dict[str, Any] = {"splits": ["train", "test"]}
            if self.dataset == "gldv2":
                part = {"n_archives": {split: self.plan.part(count) for split, count in TARS.items()}}
            source = source | {"subset": {"full": part}}
        tree = SOURCES[self.dataset]["tree"]
        params["fetch"]["full"] |= {
            "mirrors": {self.dataset: str(self.plan.folder)},
            "n_connections": self.plan.n_workers,
        }
        params["executor"]["full"] = {"kind": "local", "n_workers": self.plan.n_workers}
        return params | {
            "scales": ["full"],
            "datasets": [self.dataset],
            "tree_from_data": [],
            "tree_from_text": [],
            tree: [self.dataset],
            "train_on": [],
            "sources": {self.dataset: source},
        }


def prepare(rehearsal: Rehearsal) -> None:
    """The mirror, and the project beside it with the registered hashes of its files, in git."""
    make(rehearsal.plan, rehearsal.dataset)
    project = rehearsal.project
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if name.startswith(("results/", "benchmarks/results/")) or name == "dvc.lock":
            continue
        target = project / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (target.exists() or target.is_symlink()) or (
            not target.is_symlink() and target.read_bytes() != (ROOT / name).read_bytes()
        ):
            shutil.copyfile(ROOT / name, target, follow_symlinks=False)
    text = yaml.safe_dump(
        rehearsal.params(yaml.safe_load((ROOT / "params.yaml").read_text())), sort_keys=False
    )
    (project / "params.yaml").write_text(text)
    _register(rehearsal)
    (project / f"decisions/{rehearsal.dataset}.jsonl").touch()
    if not (project / ".git").exists():
        run(rehearsal, "git", "init", "--quiet")
        run(rehearsal, "git", "add", "--all")
        run(rehearsal, "git", *_AUTHOR, "commit", "--quiet", "--message", "The checkout")
    run(rehearsal, "cairn", "graph")
    run(rehearsal, "dvc", "repro", "--quiet", "plan")


_AUTHOR = ("-c", "user.name=rehearsal", "-c", "user.email=rehearsal@localhost")


def _register(rehearsal: Rehearsal) -> None:
    """Files whose hashes upstream has published have those of the mirror here."""
    registry = rehearsal.project / f"pipelines/sources/registries/{rehearsal.dataset}.tsv"
    lines = []
    for line in registry.read_text().splitlines():
        name, *rest = line.split("\t")
        if rest and rest[-1].startswith("md5:"):
            rest[-1] = f"md5:{hashlib.md5((rehearsal.plan.folder / name).read_bytes()).hexdigest()}"
        lines.append("\t".join([name, *rest]))
    registry.write_text("\n".join(lines) + "\n")


def run(rehearsal: Rehearsal, *command: str) -> str:
    """What a command in the project prints.

    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run(
        command,
        cwd=rehearsal.project,
        env=rehearsal.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout + done.stderr


# ---- measuring -----------------------------------------------------------------------------------------------


@dataclass
class StageWatch(Traffic):
    """What a process tree uses, and how long the stage itself lives in it."""

    began: float | None = None
    ended: float = 0.0

    def look(self, pid: int) -> None:
        """See `Watch.look`."""
        super().look(pid)
        try:
            alive = [one.cmdline() for one in psutil.Process(pid).children(recursive=True)]
        except psutil.Error:
            return
        if any("stage" in words for words in alive):
            self.began = self.began or time.perf_counter()
            self.ended = time.perf_counter()


def watched(command: Sequence[str], rehearsal: Rehearsal) -> tuple[dict[str, Any], str]:
    """Run a command in the project; what it cost, and what it said."""
    watch, start = StageWatch(), time.perf_counter()
    log = rehearsal.folder / "last.log"
    with (
        log.open("w") as said,
        subprocess.Popen(
            command, cwd=rehearsal.project, env=rehearsal.environment(), stdout=said, stderr=subprocess.STDOUT
        ) as process,
    ):
        while process.poll() is None:
            watch.look(process.pid)
            time.sleep(0.2 if time.perf_counter() - start < LOOKED_AT_OFTEN_S else 1.0)
    text = log.read_text(errors="replace")
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: {text[-4000:]}")
    return {
        "s": round(time.perf_counter() - start, 1),
        "stage_s": round(watch.ended - watch.began, 1) if watch.began else 0.0,
        "cpu_s": round(sum(watch.cpu_s.values()), 1),
        "peak_mb": round(watch.pss_bytes / 2**20),
        "own_mb": round(watch.own_bytes / 2**20),
        "read_mb": round(sum(read for read, _ in watch.moved.values()) / 1e6),
        "written_mb": round(sum(written for _, written in watch.moved.values()) / 1e6),
    }, text


def files_below(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Paths below a folder of data or results, without the store."""
    for path in folder.rglob("*"):
        if path.is_file() and "store" not in path.relative_to(folder).parts[:1]:
            yield path.relative_to(folder.parent).as_posix(), path.stat()


def contents(project: Path) -> dict[str, str]:
    """SHA-256 of all that stages have written, by path."""
    hashes = {}
    for kind in ("data", "results"):
        for name, _ in files_below(project / kind):
            with (project / name).open("rb") as file:
                hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


def outputs(project: Path, since: float) -> dict[str, Any]:
    """What a stage has written since a moment."""
    made = {
        name: status.st_size
        for kind in ("data", "results")
        for name, status in files_below(project / kind)
        if status.st_mtime >= since and not name.endswith(".gitignore")
    }
    in_git = {name: size for name, size in made.items() if name.startswith("results/")}
    return {
        "n_files": len(made),
        "mb": round(sum(made.values()) / 1e6, 2),
        "in_git": dict(sorted(in_git.items())),
    }


def measure(rehearsal: Rehearsal, again: bool = False) -> dict[str, Any]:
    """Every stage, those from an earlier run too."""
    kept = rehearsal.folder / "stages.json"
    stages: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() and not again else {}
    for stage in SOURCES[rehearsal.dataset]["stages"]:
        if stage in stages:
            continue
        since, target = time.time(), f"{stage}@full-{rehearsal.dataset}"
        cost, said = watched(["dvc", "repro", "--single-item", target], rehearsal)
        print(rehearsal.name, stage, cost, flush=True)
        stages[stage] = cost | {"outputs": outputs(rehearsal.project, since)}
        (rehearsal.folder / f"{stage}.log").write_text(said)
        kept.write_text(json.dumps(stages, indent=1) + "\n")
    return stages


def published(rehearsal: Rehearsal) -> dict[str, Any]:
    """What the check report says was built."""
    path = rehearsal.project / f"results/check/full/{rehearsal.dataset}/report.json"
    report = json.loads(path.read_text())
    checked = report["published"]
    return {
        "listed": {name: split["listed"] for name, split in report["counts"].items()},
        "images": {name: split["published"] for name, split in report["counts"].items()},
        "labels": checked["n_names"],
        "hub_mb": round(checked["size_bytes"] / 1e6, 1),
        "fingerprint": checked["fingerprint"],
        "warnings": {warning["rule"]: warning["count"] for warning in report["warnings"]},
        "violations": len(report["violations"]),
    }


def mirror_size(folder: Path) -> dict[str, Any]:
    """Files and gigabytes of a mirror."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {"n_files": len(files), "gb": round(sum(path.stat().st_size for path in files) / 1e9, 3)}


def machine() -> dict[str, Any]:
    """On what it ran."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "unknown")
    return {"cpu": model, "n_cpus": os.cpu_count(), "memory_gb": round(psutil.virtual_memory().total / 1e9)}


def save(name: str, result: dict[str, Any]) -> None:
    """Into the results, beside those of other sizes."""
    known: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known[name] = known.get(name, {}) | result
    RESULTS.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, help="for mirror, project and results so far")
    parser.add_argument("--dataset", choices=SOURCES, default="gldv2")
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--reference", type=Path, help="folder with the published types and species")
    parser.add_argument("--n-workers", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="measure stages that were measured before")
    parser.add_argument("--table", action="store_true", help="only write the tables of docs/scale.md")
    options = parser.parse_args()
    if not options.table:
        folder = options.folder.resolve()
        plan = Plan(folder / "mirror", options.fraction, 0, options.reference, options.n_workers)
        rehearsal = Rehearsal(folder, options.dataset, plan)
        prepare(rehearsal)
        stages = measure(rehearsal, options.again)
        save(
            rehearsal.name,
            {
                "dataset": options.dataset,
                "fraction": options.fraction,
                "machine": machine() | {"n_workers": options.n_workers},
                "mirror": mirror_size(plan.folder),
                "published": published(rehearsal),
                "stages": stages,
            },
        )
    fill_table()


if __name__ == "__main__":
    main()
