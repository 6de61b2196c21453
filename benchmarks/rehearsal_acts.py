"""What people do on a dataset that was rehearsed, and what it costs them: results/rehearsal.json has it under `acts`.

    nice python benchmarks/rehearsal_acts.py --folder DIR [--dataset gldv2] [--fraction 1] [--reference DIR]

The folder is one of `rehearsal.py`, whose run is over. What an act changes is put back before the next.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import yaml
from mirror_gldv2 import IMAGES
from mirror_parts import Plan
from rehearsal import SOURCES, Rehearsal, contents, prepare, run, save, watched
from rehearsal_table import fill_table

LOAD = """
import json, sys, time
from cairnhub import label_array, load_dataset, load_tree
clock = time.process_time  # others work on the machine too
start = clock()
tree = load_tree(sys.argv[1])
images = load_dataset(sys.argv[1], split="train")
opened = clock()
labels = label_array(images, tree)
labelled = clock()
step = max(1, len(images) // 1000)
for row in range(0, len(images), step):
    images[row]["image"].load()
read = clock()
import datasets
stream = datasets.load_dataset(sys.argv[1], split="train", streaming=True)
n = sum(1 for _, row in zip(range(5000), stream))
print(json.dumps({
    "open_cpu_s": round(opened - start, 1), "labels_cpu_s": round(labelled - opened, 1),
    "image_at_random_cpu_ms": round((read - labelled) * 1000 / len(range(0, len(images), step)), 2),
    "images_streamed_a_cpu_second": round(n / (clock() - read)),
}))
"""
RANK = """
import json, sys, time, torch
from cairnhub.training.metrics import retrieval_metrics
torch.set_num_threads(2)
n_gallery, n_queries = int(sys.argv[1]), 256
generator = torch.Generator().manual_seed(0)
vectors = torch.nn.functional.normalize(torch.randn(n_gallery + n_queries, 128, generator=generator))
fine = torch.randint(0, 101302, (n_gallery + n_queries,), generator=generator)
labels = torch.stack([fine, fine % 80, fine % 2], 1)
times = []
for stop in (32, n_queries):
    start = time.process_time()
    retrieval_metrics(vectors[:stop], labels[:stop], vectors[n_queries:], labels[n_queries:])
    times.append(time.process_time() - start)
per_query = (times[1] - times[0]) / (n_queries - 32)
hours = round(per_query * int(sys.argv[2]) / 3600, 2)
print(json.dumps({"cpu_ms_a_query": round(1000 * per_query, 2), "cpu_hours_of_117577_queries": hours}))
"""
PATIENCE_S = 900


def cost_of(rehearsal: Rehearsal, *command: str) -> dict[str, Any]:
    """Seconds, CPU seconds and memory of a command."""
    cost, _ = watched(command, rehearsal)
    return {key: cost[key] for key in ("s", "cpu_s", "peak_mb")}


def status(rehearsal: Rehearsal) -> dict[str, Any]:
    """`dvc status` of a project where all is up to date."""
    return cost_of(rehearsal, "dvc", "status")


def push(rehearsal: Rehearsal) -> dict[str, Any]:
    """`dvc push` to a folder beside the project; the copy is removed."""
    remote = rehearsal.folder / "remote"
    run(rehearsal, "dvc", "remote", "modify", "--local", "beside", "url", str(remote))
    cost = cost_of(rehearsal, "dvc", "push", "--remote", "beside")
    size = sum(path.stat().st_size for path in remote.rglob("*") if path.is_file())
    shutil.rmtree(remote)
    return cost | {"mb": round(size / 1e6)}


def load(rehearsal: Rehearsal) -> dict[str, Any]:
    """`load_dataset`, labels, images at random, and a stream."""
    cost, said = watched([sys.executable, "-c", LOAD, f"data/hub/full/{rehearsal.dataset}"], rehearsal)
    return json.loads(said.splitlines()[-1]) | {key: cost[key] for key in ("peak_mb", "own_mb")}


def review_app(rehearsal: Rehearsal) -> dict[str, Any]:
    """From the command to the first question, and a question after it."""
    command = [
        "cairn",
        "review",
        rehearsal.dataset,
        "--scale",
        "full",
        "--app",
        "--no-open",
        "--author",
        "rehearsal",
    ]
    start = time.perf_counter()
    with subprocess.Popen(
        command, cwd=rehearsal.project, env=rehearsal.environment() | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
        stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        try:
            lines = iter(server.stdout.readline, "") if server.stdout else iter(())
            address = next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
            state = _asked(f"{address}api/state", PATIENCE_S)
            first = time.perf_counter() - start
            again = time.perf_counter()
            _asked(f"{address}api/state", PATIENCE_S)
            return {
                "to_the_first_question_s": round(first, 1),
                "state_s": round(time.perf_counter() - again, 2),
                "state_kb": round(len(state) / 1000, 1),
            }
        finally:
            server.send_signal(signal.SIGINT)


def _asked(url: str, patience_s: float) -> bytes:
    """What the app answers, once it listens."""
    request = urllib.request.Request(url, b"{}", {"Content-Type": "application/json"})
    end = time.perf_counter() + patience_s
    while True:
        try:
            with urllib.request.urlopen(request, timeout=patience_s) as answer:
                return bytes(answer.read())
        except OSError:
            if time.perf_counter() > end:
                raise
            time.sleep(0.2)


def decision(rehearsal: Rehearsal) -> dict[str, Any]:
    """A label is moved by a decision: review and publish again, and what `cairn datasets diff` says and costs."""
    hub, before = rehearsal.project / f"data/hub/full/{rehearsal.dataset}", rehearsal.folder / "before"
    shutil.rmtree(before, ignore_errors=True)
    shutil.copytree(hub, before, copy_function=os.link)
    decisions = rehearsal.project / f"decisions/{rehearsal.dataset}.jsonl"
    proposal = json.loads(
        (rehearsal.project / f"data/proposal/full/{rehearsal.dataset}/proposal.json").read_text()
    )
    group = next(entry["name"] for entry in proposal["groups"] if entry["level"] == "category")
    line = {"act": "rename", "level": "category", "label": group, "to": f"{group} (rehearsed)", "author": "rehearsal",
            "date": "2026-01-01T00:00:00Z", "reason": "a rehearsal"}  # fmt: skip
    decisions.write_text(json.dumps(line) + "\n")
    stages = {
        stage: cost_of(rehearsal, "dvc", "repro", "--single-item", f"{stage}@full-{rehearsal.dataset}")[
            "cpu_s"
        ]
        for stage in ("review", "publish")
    }
    cost, said = watched(["cairn", "datasets", "diff", str(before), str(hub)], rehearsal)
    if f"{group} (rehearsed)" not in said:
        raise SystemExit(f"the difference does not tell of the rename: {said[-2000:]}")
    decisions.write_text("")
    for stage in stages:
        run(rehearsal, "dvc", "repro", "--single-item", f"{stage}@full-{rehearsal.dataset}")
    shutil.rmtree(before)
    return {f"{stage}_cpu_s": spent for stage, spent in stages.items()} | {
        "diff_s": cost["s"],
        "diff_cpu_s": cost["cpu_s"],
        "diff_peak_mb": cost["peak_mb"],
    }


def killed(rehearsal: Rehearsal) -> dict[str, Any]:
    """A second build, each stage killed half-way and run again: CPU seconds then, over those of the first build.

    Raises:
        SystemExit: it has not all bytes of the first.
    """
    whole = json.loads((rehearsal.folder / "stages.json").read_text())
    second = Rehearsal(rehearsal.folder / "second", rehearsal.dataset, rehearsal.plan)
    prepare(second)
    found = {}
    for stage in SOURCES[rehearsal.dataset]["stages"]:
        with subprocess.Popen(
            ["cairn", "stage", stage, rehearsal.dataset, "full"],
            cwd=second.project, env=second.environment(), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            _wait_for_cpu(process, whole[stage]["cpu_s"] / 2)
            with suppress(ProcessLookupError):  # too short a stage
                os.killpg(process.pid, signal.SIGKILL)
        again = cost_of(second, "dvc", "repro", "--single-item", f"{stage}@full-{rehearsal.dataset}")
        found[f"{stage}_again"] = round(again["cpu_s"] / whole[stage]["cpu_s"], 2)
        print(stage, again, flush=True)
    first, other = contents(rehearsal.project), contents(second.project)
    differing = sorted(name for name in first.keys() | other.keys() if first.get(name) != other.get(name))
    if differing:
        raise SystemExit(f"{len(differing)} files differ from those of the first build: {differing[:9]}")
    shutil.rmtree(second.folder)
    return found | {"files_of_equal_bytes": len(first)}


def _wait_for_cpu(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Until it and its children have used so much, or it has ended."""
    one = psutil.Process(process.pid)
    while process.poll() is None:
        with suppress(psutil.Error):  # of a child that ended meanwhile
            used = sum(sum(each.cpu_times()[:2]) for each in (one, *one.children(recursive=True)))
            if used > seconds:
                return
        time.sleep(0.1)


def subset(rehearsal: Rehearsal) -> dict[str, Any]:
    """The first half of the training tars, then all: what the difference costs.

    Raises:
        SystemExit: then it has not all bytes of before.
    """
    path, before = rehearsal.project / "params.yaml", contents(rehearsal.project)
    whole = path.read_text()
    params = yaml.safe_load(whole)
    kept = params["sources"][rehearsal.dataset].setdefault("subset", {}).setdefault("full", {})
    n_archives = kept.get("n_archives", {"train": 500, "index": 100, "test": 20})
    kept["n_archives"] = n_archives | {"train": max(1, n_archives["train"] // 2)}
    targets = [f"{stage}@full-{rehearsal.dataset}" for stage in ("fetch", "index", "publish")]
    found = {}
    for name, text in (("half", yaml.safe_dump(params, sort_keys=False)), ("then_all", whole)):
        path.write_text(text)
        run(rehearsal, "cairn", "graph")
        for target in targets:
            cost = cost_of(rehearsal, "dvc", "repro", "--single-item", "--no-run-cache", target)
            found[f"{name}_{target.partition('@')[0]}_cpu_s"] = cost["cpu_s"]
    after = contents(rehearsal.project)
    if differing := sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    ):
        raise SystemExit(f"all of the tars do not give the bytes of before: {differing[:9]}")
    return found


def rank(rehearsal: Rehearsal) -> dict[str, Any]:
    """Metrics of random vectors, all test images against the index; extrapolated from 256 queries."""
    n_gallery = rehearsal.plan.part(IMAGES["index"])
    cost, said = watched([sys.executable, "-c", RANK, str(n_gallery), str(IMAGES["test"])], rehearsal)
    return json.loads(said.splitlines()[-1]) | {"gallery": n_gallery, "peak_mb": cost["peak_mb"]}


ACTS: dict[str, Callable[[Rehearsal], dict[str, Any]]] = {
    "dvc status": status,
    "load and stream": load,
    "review app": review_app,
    "metrics of random vectors": rank,
    "dvc push": push,
    "a decision, and the difference": decision,
    "half of the tars, then all": subset,
    "a second build, killed in each stage": killed,
}
OF_GLDV2 = {
    "review app",
    "a decision, and the difference",
    "half of the tars, then all",
    "metrics of random vectors",
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--dataset", default="gldv2")
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--n-workers", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=ACTS, default=list(ACTS))
    options = parser.parse_args()
    folder = options.folder.resolve()
    plan = Plan(folder / "mirror", options.fraction, 0, options.reference, options.n_workers)
    rehearsal = Rehearsal(folder, options.dataset, plan)
    kept = folder / "acts.json"
    acts: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    for name in options.only:
        if name not in acts and (options.dataset == "gldv2" or name not in OF_GLDV2):
            acts[name] = ACTS[name](rehearsal)
            print(rehearsal.name, name, acts[name], flush=True)
            kept.write_text(json.dumps(acts, indent=1) + "\n")
            save(rehearsal.name, {"acts": acts})
    fill_table()


if __name__ == "__main__":
    main()
