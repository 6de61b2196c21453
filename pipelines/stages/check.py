"""check: the contract of the published dataset, and that every listed image is accounted for."""

import json

from datasets_hub import check_dataset
from hierarchies.files import write_text_atomic
from pipelines.stages import Context


def run(context: Context) -> None:
    """Check the hub folder against its contract and against the index; any violation fails."""
    counts = json.loads((context.paths.index / "counts.json").read_text(encoding="utf-8"))["splits"]
    report = check_dataset(
        context.paths.hub, expected_images={split: count["indexed"] for split, count in counts.items()}
    )
    report.require_ok()
    record = {**json.loads(report.to_json()), "counts": counts}
    path = context.paths.results("check") / "report.json"
    write_text_atomic(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    print(report)
