"""Fuzz every parser with coverage guidance; `make fuzz MINUTES=2` runs it.

    python -m tests.fuzz.run --minutes 2 tree decisions

Each target runs in a process of its own (libFuzzer ends the process). An exception other than `CairnError` is a
finding: it is recorded once per place, its input is kept under `build/fuzz/<target>/findings`, and fuzzing goes on. A
crash, a hang or too much memory ends the process and is a finding too. What was found so far is kept in
`build/fuzz/<target>/corpus` for the next run. The summary adds up over runs.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build/fuzz"
SUMMARY = ROOT / "results/fuzz/summary.json"
PACKAGES = [
    "cairnhub",
    "yaml",
    "tarfile",
    "zipfile",
    "csv",
    "PIL",
]
TIMEOUT_S, MEMORY_MB, MAX_BYTES = 25, 4096, 65536


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one target in this process; libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=PACKAGES):
        from cairnhub.core.errors import CairnError
        from tests.fuzz.targets import TARGETS
    target, corpus, findings = TARGETS[name], BUILD / name / "corpus", BUILD / name / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    for seed in [*target.seeds(), *(path.read_bytes() for path in findings.iterdir())]:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    for path in findings.iterdir():  # what is not mended is found again
        path.unlink()
    scratch = Path(tempfile.mkdtemp(prefix="cairn-fuzz-"))

    def one(content: bytes) -> None:
        folder = scratch / "x"
        folder.mkdir()
        try:
            target.parse(content, folder)
        except CairnError:
            pass
        except Exception as error:
            (findings / f"{_place(error)}.bin").write_bytes(content)
        finally:
            shutil.rmtree(folder)

    # A null pages device of the library's own: leaks are Python's to collect, forks are not ours to count.
    options = [f"-max_total_time={seconds}", f"-timeout={TIMEOUT_S}", f"-rss_limit_mb={MEMORY_MB}",
               f"-max_len={MAX_BYTES}", "-detect_leaks=0", "-print_final_stats=1",
               f"-artifact_prefix={BUILD / name}/crash-"]  # fmt: skip
    atheris.Setup([sys.argv[0], str(corpus), *options], one)
    atheris.Fuzz()


def _place(error: Exception) -> str:
    """Type of the error and the innermost line of ours, as a file name."""
    ours = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(ROOT)]
    inner = [f for f in ours if "/.venv/" not in f.filename][-1]
    where = Path(inner.filename).relative_to(ROOT).as_posix().replace("/", ".")
    return f"{type(error).__name__}-{where}-{inner.lineno}"


def supervise(name: str, seconds: int) -> dict[str, object]:
    """Run one target in a process and read what it reports."""
    start, before = time.monotonic(), os.times()
    command = [sys.executable, "-m", "tests.fuzz.run", "--one", name, "--seconds", str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    after = os.times()
    (BUILD / name).mkdir(parents=True, exist_ok=True)
    (BUILD / name / "log.txt").write_text(done.stderr, encoding="utf-8")
    executed = re.search(r"stat::number_of_executed_units:\s+(\d+)", done.stderr)
    covered = re.findall(r"cov: (\d+) ft: (\d+)", done.stderr)
    return {
        "executions": int(executed[1]) if executed else 0,
        "wall_s": round(time.monotonic() - start),
        "cpu_s": round(sum(after[2:4]) - sum(before[2:4])),
        "edges": int(covered[-1][0]) if covered else 0,
        "features": int(covered[-1][1]) if covered else 0,
        "ended": "in time" if done.returncode == 0 else f"with status {done.returncode}: see log.txt",
        "open": sorted(path.stem for path in (BUILD / name / "findings").glob("*.bin"))
        + sorted(path.name for path in (BUILD / name).glob("crash-*")),
    }


def add(report: dict[str, object], name: str) -> None:
    """Add one run to the summary."""
    summary = json.loads(SUMMARY.read_text(encoding="utf-8")) if SUMMARY.is_file() else {"targets": {}}
    before = summary["targets"].get(name, {})
    for key in ("executions", "wall_s", "cpu_s"):
        report[key] += before.get(key, 0)  # type: ignore[operator]
    for key in ("edges", "features"):
        report[key] = max(report[key], before.get(key, 0))  # type: ignore[call-overload]
    report["found"] = sorted({*before.get("found", []), *report["open"]})  # type: ignore[misc]
    summary["targets"][name] = report
    targets = summary["targets"].values()
    summary["total"] = {key: sum(t[key] for t in targets) for key in ("executions", "wall_s", "cpu_s")}
    SUMMARY.parent.mkdir(parents=True, exist_ok=True)
    SUMMARY.write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def replay() -> None:
    """Parse every kept finding again and take what is mended out of the summary's list of open ones."""
    from cairnhub.core.errors import CairnError
    from tests.fuzz.targets import TARGETS

    summary = json.loads(SUMMARY.read_text(encoding="utf-8"))
    for name, report in summary["targets"].items():
        for path in sorted((BUILD / name / "findings").glob("*.bin")):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    TARGETS[name].parse(path.read_bytes(), Path(folder))
                except CairnError:
                    pass
                except Exception as error:
                    print(name, path.stem, repr(error)[:200])
                    continue
            report["open"] = [found for found in report["open"] if found != path.stem]
            path.unlink()
    SUMMARY.write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("targets", nargs="*", help="all by default")
    parser.add_argument("--minutes", type=float, default=1.0, help="per target")
    parser.add_argument("--replay", action="store_true", help="only parse the findings of earlier runs again")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        fuzz(options.one, options.seconds)
        return
    if options.replay:
        replay()
        return
    names = options.targets
    if not names:
        from tests.fuzz.targets import TARGETS

        names = list(TARGETS)
    for name in names:
        report = supervise(name, round(60 * options.minutes))
        add(report, name)
        print(name, {key: value for key, value in report.items() if value}, flush=True)


if __name__ == "__main__":
    main()
