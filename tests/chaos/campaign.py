"""The fault campaign: `python -m tests.chaos.campaign` (long), `--short --output FILE` in the ordinary tests."""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.table import table

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results/chaos"


@contextmanager
def servers(seed: int) -> Iterator[dict[str, str]]:
    """Addresses of the other side of the network."""
    command = [sys.executable, "-m", "tests.chaos.servers", str(seed)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()  # not by the end of its input: children of this process have that open too
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few faults of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULTS / "campaign.json")
    parser.add_argument("--only", nargs="*", default=[], help="kinds, as the methods of Campaign are called")
    parser.add_argument("--stages", nargs="*", default=[], help="undertakings, as the table calls them")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    folder = Path(tempfile.mkdtemp(prefix="cairn-chaos-"))
    folder.chmod(0o755)
    os.environ.update(
        HF_HOME=str(folder / "cache"), HF_TOKEN="hf_test", HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_TELEMETRY="1",
        HF_HUB_DISABLE_PROGRESS_BARS="1", HF_DATASETS_DISABLE_PROGRESS_BARS="1", OMP_NUM_THREADS="1",
        CAIRN_PORTABLE="1",  # a stage computes in its own process, which is the one to kill
    )  # fmt: skip
    try:
        with servers(options.seed) as addresses:
            os.environ["HF_ENDPOINT"] = addresses["hub"]  # read when its library is imported
            from tests.chaos.faults import Campaign

            campaign = Campaign(folder, addresses, random.Random(options.seed), options.short)
            record = (
                known
                if (known := _read(options.output)) and options.only
                else {"seed": options.seed, "rows": []}
            )
            for row in campaign.run(options.only, options.stages):
                _put(record, row.to_json(), campaign.skipped)
                _write(record, options.output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    n_losses = sum(len(row["losses"]) for row in record["rows"])
    sys.exit(f"{n_losses} losses: see {options.output}" if n_losses else 0)


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _put(record: dict[str, Any], new: dict[str, Any], skipped: dict[str, str]) -> None:
    """A new row takes the place of an older one of the same fault and stage."""
    known = {(row["fault"], row["stage"]): row for row in record["rows"]}
    record["rows"] = list((known | {(new["fault"], new["stage"]): new}).values())
    record["n_kills"] = sum(row["endings"].get("killed", 0) for row in record["rows"])
    record["skipped"] = record.get("skipped", {}) | skipped


def _write(record: dict[str, Any], output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if output == RESULTS / "campaign.json":
        (RESULTS / "README.md").write_text(table(record), encoding="utf-8")


if __name__ == "__main__":
    main()
