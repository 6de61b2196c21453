"""Readers that count rows by wide globs, hidden folders too, or by the folder, beside one publication after another."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_toy import die_at, toy_row, toy_tree, write_toy

from cairnhub.datasets_hub.records import RowList
from cairnhub.datasets_hub.stats import Stats
from tests.project import ROOT

N_PUBLICATIONS, N_KILLS = 50, 20
N_ROWS = {"few": 24, "many": 36}

COUNT = {
    "cairnhub": "describe(folder).stats.n_images if load_dataset(folder, 'train').num_rows == 12 else -1",
    "datasets": "sum(split.num_rows for split in datasets.load_dataset(folder).values())",
    "datasets, globs": "sum(1 for _ in datasets.load_dataset('parquet', data_files=pattern, split='train', "
    "streaming=True))",
    "pyarrow": "sum(pq.read_metadata(p).num_rows for p in glob.glob(pattern, recursive=True, include_hidden=True))",
    "duckdb": "duckdb.sql(f\"select count(*) from '{pattern}'\").fetchall()[0][0]",
    "polars": "pl.scan_parquet(pattern).select(pl.len()).collect().item()",
}
IMPORTS = {
    "cairnhub": "from cairnhub import describe, load_dataset",
    "datasets": "import datasets",
    "datasets, globs": "import datasets",
    "pyarrow": "import glob, pyarrow.parquet as pq",
    "duckdb": "import duckdb",
    "polars": "import polars as pl",
}
READER = """
import json, logging, pathlib, sys, time
{imports}
logging.disable()
patterns, folder, stop = sys.argv[1:3], sys.argv[3], pathlib.Path(sys.argv[4])
counts, errors = dict(), dict()
while not stop.exists():
    pattern, other = patterns = patterns[::-1]
    try:
        count = {count}
        counts[count] = counts.get(count, 0) + 1
    except Exception as error:  # a file that was listed may be gone: said, not miscounted
        said = f"{{type(error).__name__}}: {{error}}"[:200]
        errors[said] = errors.get(said, 0) + 1
    time.sleep(0.005)
print(json.dumps([counts, errors]))
"""


def write_rows(folder: Path, which: str) -> Stats:
    """A dataset of many small shards, of which those of `train` are always the same."""
    train = [toy_row("train", i) for i in range(12)]
    test = [toy_row("test", i) for i in range(N_ROWS[which] - 12)]
    return write_toy(
        folder, tree=toy_tree(200), partitions=[RowList(train), RowList(test)], shard_size_bytes=9_000
    )


def write_rows_killed(folder: Path, which: str, step: int) -> None:
    die_at(step)
    write_rows(folder, which)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("engine", COUNT)
def test_no_reader_counts_rows_that_were_never_published(
    engine: str, tmp_path: Path, run_killed: Callable[..., bool]
) -> None:
    hub, stop = tmp_path / "hub", tmp_path / "stop"
    folder = hub / "sample/toy"
    write_rows(folder, "few")
    code = READER.format(imports=IMPORTS[engine], count=COUNT[engine])
    patterns = [hub / "*/*/data/*.parquet", hub / "**/data/*.parquet"]  # which goes into hidden folders
    arguments = [str(argument) for argument in (*patterns, folder, stop)]
    environment = {
        "PYTHONPATH": str(ROOT),
        "HF_HOME": str(tmp_path / "cache"),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    reader = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    chance, n_kills = random.Random(0), 0
    time.sleep(3)
    for number in range(N_PUBLICATIONS):
        which = ("many", "few")[number % 2]
        if n_kills < N_KILLS:
            n_kills += run_killed(write_rows_killed, folder, which, chance.randint(1, 60))
        write_rows(folder, which)
    stop.touch()
    output, said = reader.communicate(timeout=120)
    assert reader.returncode == 0, said
    counts, errors = json.loads(output)
    assert n_kills == N_KILLS
    published = {str(n) for n in N_ROWS.values()}
    if (
        engine == "datasets, globs"
    ):  # the file system below it leaves out what vanishes while it lists: docs/faults.md
        short = {count: n for count, n in counts.items() if count not in published}
        assert all(int(count) < max(N_ROWS.values()) for count in short), "never two publications together"
        assert sum(short.values()) <= 0.02 * sum(counts.values()), counts
        counts = {count: n for count, n in counts.items() if count in published}
    assert set(counts) == published, (counts, errors)
    assert engine != "cairnhub" or not errors, errors
    assert sum(errors.values()) < sum(counts.values()), errors
