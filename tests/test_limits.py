"""Limits of a process end in one message, as a full disk does."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT

WRITES = {
    "python": "pathlib.Path('x').write_bytes(bytes(10**6))",
    "parquet": "pq.write_table(pa.table({'a': list(range(10**6))}), 'x', compression='none')",
    "many open files": "kept = [open(f'x{i}', 'w') for i in range(10**4)]",
}


@pytest.mark.parametrize("name", WRITES)
def test_a_limit_is_one_message(name: str, tmp_path: Path) -> None:
    code = f"""
import pathlib, pyarrow as pa, pyarrow.parquet as pq
from cairnhub.core.errors import run_command_line
def work():
    {WRITES[name]}
run_command_line(work)
"""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, preexec_fn=limit,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: "), done.stderr
    assert "raise the limit (`ulimit -" in done.stderr
    assert done.stderr.count("\n") == 1
