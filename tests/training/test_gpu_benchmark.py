"""The benchmark for a machine with a GPU: it runs here in small, goes on after a failure, and measures nothing."""

import importlib
import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from types import ModuleType

import pytest
import torch

from tests.project import ROOT

BENCHMARK = ROOT / "benchmarks/gpu.py"


@pytest.fixture
def module(monkeypatch) -> ModuleType:
    """The benchmark itself."""
    monkeypatch.syspath_prepend(str(BENCHMARK.parent))
    return importlib.import_module("gpu")


def test_every_section_runs_in_small(tmp_path):
    out = tmp_path / "gpu.json"
    command = [sys.executable, BENCHMARK, "--tiny", "--out", out]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(out.read_text())
    assert report["facts"]["is_tiny"]
    assert not [row for row in report["rows"] if "error" in row]
    assert not [row for row in report["rows"] if row.get("agree") is False]
    sections = {"correct", "losses", "huge batch", "tiles", "metrics", "steps", "input"}
    assert {row["section"] for row in report["rows"]} == sections
    skipped = {row["skipped"] for row in report["rows"] if "skipped" in row}
    if find_spec("triton"):
        assert report["facts"]["kernels"] == "interpreted"
        assert not skipped
    else:
        assert report["facts"]["kernels"] == "not run: triton is not installed"
        assert "triton" in report["facts"]["missing_wheels"]
        assert skipped == {"triton is not installed"}
    table = out.with_suffix(".md").read_text()
    assert table.startswith("# A trial on a CPU: no figures of a GPU\n")
    assert table.strip() == done.stdout.strip()


def test_a_failure_is_written_down_and_the_rest_goes_on(tmp_path, module):
    report = module.Report(
        tmp_path / "gpu.json", {"is_tiny": True}, section="losses", ends_at=time.monotonic() + 60
    )
    report.measure("fails", lambda: {"seconds": 1 / 0})
    report.measure("works", lambda: {"seconds": 2.0})
    report.ends_at = time.monotonic()
    report.measure("late", lambda: pytest.fail("no time was left"))
    written = module.Report.read(report.path)
    assert written.rows == [
        {"section": "losses", "name": "fails", "error": "ZeroDivisionError: division by zero"},
        {"section": "losses", "name": "works", "seconds": 2.0},
        {"section": "losses", "name": "late", "skipped": "no time left"},
    ]
    assert "| works |  | 2 |  |" in module.table(written)


def test_the_budgets_are_eight_minutes(module):
    assert sum(budget_s for budget_s, _ in module.SECTIONS.values()) <= module.LIMIT_S < 480


@pytest.mark.skipif(torch.cuda.is_available(), reason="here it would measure")
def test_without_a_gpu_nothing_is_measured(module, capsys):
    with pytest.raises(SystemExit) as ended:
        module.main([])
    assert ended.value.code == 1
    assert (
        "no CUDA device is here: nothing was measured. Wheels that are missing: " in capsys.readouterr().err
    )
