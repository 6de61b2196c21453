"""The short form of the fault campaign: a few faults of each kind, and not one loss."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cairnhub.core.errors import CairnError
from tests.chaos.table import table
from tests.project import ROOT

EXPLAINED = {error.__name__ for error in (CairnError, *CairnError.__subclasses__())}


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.xdist_group("ray")  # one cluster on the machine at a time
def test_nothing_is_lost(tmp_path: Path) -> None:
    output = tmp_path / "campaign.json"
    command = [sys.executable, "-m", "tests.chaos.campaign", "--short", "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{output.read_text() if output.exists() else ''}"
    record = json.loads(output.read_text())
    assert record["n_kills"] >= 5
    for row in record["rows"]:
        assert row["recovered"] == row["times"] > 0, row
        assert row["losses"] == []
        asked_for = {"KeyboardInterrupt"} if row["fault"] == "Ctrl-C" else set()
        explained = {"killed", "done", *EXPLAINED, *asked_for}
        assert set(row["endings"]) <= explained, f"not explained to the user: {row}"
        if "Ray" in row["fault"]:
            assert row["endings"] == {"done": row["times"]}, "a lost worker's task was not done again"
    assert sum(row["readings"] for row in record["rows"]) > 10
    assert "| kill -9 | publish |" in table(record)
