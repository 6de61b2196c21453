"""What a GPU does with losses, metrics, training steps and input, in one command of eight minutes at most.

    python benchmarks/gpu.py                    on a machine with one H100 or H200 and the installed package
    python benchmarks/gpu.py --tiny [--out F]   the same code on a CPU in seconds: proves that it runs, measures nothing

Each section runs in a process of its own with a budget of seconds; a measurement that fails is written down with its
error, one that no longer fits is said to be skipped, and the rest goes on. Writes results/gpu.json beside this file
after every measurement, results/gpu.md at the end, and prints that table. `--sections` names some of them alone. With
`--tiny` all run in this process, Triton in its interpreter where it is installed; that goes to a temporary file.
"""

import argparse
import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import asdict
from pathlib import Path

from gpu_report import STOP_EARLY_S, TINY, Plan, Report, Row, table

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results"
LIMIT_S = 470.0  # of all; the table is printed after it
SECTIONS = {  # budget in seconds, start of the process included, and where the measurements are
    "correct": (60.0, "gpu_losses.correct"),
    "losses": (110.0, "gpu_losses.losses"),
    "huge batch": (60.0, "gpu_losses.huge_batch"),
    "tiles": (50.0, "gpu_losses.tiles"),
    "metrics": (50.0, "gpu_losses.metrics"),
    "steps": (90.0, "gpu_training.steps"),
    "input": (50.0, "gpu_training.input_pipeline"),
}
WANTED = ("bare", "build", "train", "metric-learning")  # extras that the measurements and the tests need


def missing_wheels() -> list[str]:
    """Requirements of the package and of the extras in `WANTED` that are not installed, and a compiler."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"bare": project["dependencies"], **project["optional-dependencies"]}
    lines = [line for extra in WANTED for line in groups[extra]] + ["triton"]
    names = sorted({re.split(r"[^\w.-]", line)[0] for line in lines})
    missing = [name for name in names if not _version(name)]
    return missing + (
        [] if shutil.which("cc") or shutil.which("gcc") else ["a C compiler, which triton calls"]
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def facts(plan: Plan) -> Row:
    """The machine and what is installed."""
    import torch

    found: Row = {
        "is_tiny": plan is TINY,
        "device": platform.processor() or platform.machine(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "triton": _version("triton") or None,
        "missing_wheels": missing_wheels(),
    }
    if not _version("triton"):
        found["kernels"] = "not run: triton is not installed"
    elif plan is TINY:
        found["kernels"] = "interpreted"
    if plan.device == "cuda":
        gpu = torch.cuda.get_device_properties(0)
        found |= {"device": gpu.name, "memory_gib": round(gpu.total_memory / 2**30, 1)}
        found |= {
            "compute_capability": f"{gpu.major}.{gpu.minor}",
            "multiprocessors": gpu.multi_processor_count,
        }
        found |= _driver()
    return found


def _driver() -> Row:
    """What nvidia-smi knows."""
    asked = (
        "driver_version",
        "clocks.sm",
        "clocks.max.sm",
        "clocks.max.memory",
        "power.limit",
        "pstate",
        "mig.mode.current",
    )
    command = ["nvidia-smi", f"--query-gpu={','.join(asked)}", "--format=csv,noheader", "--id=0"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        return {"nvidia_smi": repr(error)}
    return dict(zip(asked, (value.strip() for value in done.stdout.splitlines()[0].split(",")), strict=False))


def run_section(name: str, plan: Plan, report: Report, budget_s: float) -> None:
    """Measure one section in this process."""
    report.section, report.ends_at = name, time.monotonic() + budget_s
    try:
        module, function = SECTIONS[name][1].split(".")
        getattr(importlib.import_module(module), function)(plan, report)
    except Exception as error:  # what it needs for all of its measurements
        report.add(name="all", error=f"{type(error).__name__}: {str(error)[:400]}")


def run_apart(name: str, report: Report, budget_s: float) -> Report:
    """Measure one section in a process that is killed after its budget; gives the report with its rows."""
    command = [sys.executable, __file__, "--worker", name, str(budget_s), "--out", str(report.path)]
    with (report.path.with_suffix(".log")).open("a") as log:
        try:
            code = subprocess.run(
                command, timeout=budget_s, check=False, stderr=log, env=environment()
            ).returncode
            fault = f"the process ended with code {code}; see {log.name}" if code else ""
        except subprocess.TimeoutExpired:
            fault = f"killed after {budget_s:.0f} s"
    report = Report.read(report.path)
    if fault:
        report.section = name
        report.add(name="all", error=fault)
    return report


def environment() -> dict[str, str]:
    """Of a section: it finds the package, and memory that others left in pieces can be used."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path, "PYTORCH_ALLOC_CONF": "expandable_segments:True"}


def main(arguments: list[str] | None = None) -> None:
    """Measure all sections, or be the process of one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="small sizes, on a CPU")
    parser.add_argument("--out", type=Path, help="the JSON; the table lies beside it")
    parser.add_argument("--sections", nargs="+", help="these alone")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        name, budget_s = options.worker
        run_section(name, Plan(), Report.read(options.out), float(budget_s))
        return
    started = time.monotonic()
    if options.tiny:
        os.environ.setdefault("TRITON_INTERPRET", "1")
    plan = TINY if options.tiny else Plan()
    out = options.out or (
        Path(tempfile.gettempdir()) / "gpu_tiny.json" if options.tiny else RESULTS / "gpu.json"
    )
    import torch

    if not options.tiny and not torch.cuda.is_available():
        missing = ", ".join(missing_wheels()) or "none"
        parser.exit(1, f"no CUDA device is here: nothing was measured. Wheels that are missing: {missing}\n")
    unknown = sorted(set(options.sections or ()) - SECTIONS.keys())
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    report = Report(out, facts(plan) | {"plan": asdict(plan)})
    report.write()
    for name in options.sections or SECTIONS:
        budget_s = min(SECTIONS[name][0], LIMIT_S - (time.monotonic() - started))
        if options.tiny:
            run_section(name, plan, report, SECTIONS[name][0])
        elif budget_s > STOP_EARLY_S:
            report = run_apart(name, report, budget_s)
    report.facts["seconds"] = round(time.monotonic() - started, 1)
    report.write()
    shown = table(report)
    out.with_suffix(".md").write_text(shown)
    print(shown)


if __name__ == "__main__":
    main()
