"""check: the contract of the published dataset, and that every listed image is accounted for."""

import json

from datasets_hub import check_dataset, describe
from hierarchies.files import write_text_atomic
from hierarchies.parse import read_json
from pipelines.stages import Context
from pipelines.stages.index import IndexCounts


def run(context: Context) -> None:
    """Check the hub folder against its contract and against the index; any violation fails."""
    counts = read_json(context.paths.index / "counts.json", IndexCounts).splits
    report = check_dataset(
        context.paths.hub, expected_listed={split: count["listed"] for split, count in counts.items()}
    )
    report.require_ok()
    splits = describe(context.paths.hub).stats.splits
    published = {
        name: {
            "listed": split.n_listed,
            "published": split.n_images,
            "quarantined": split.n_quarantined,
            "excluded": split.n_excluded,
        }
        for name, split in splits.items()
    }
    record = {**json.loads(report.to_json()), "counts": published}
    report.save_page(context.paths.look_alikes)
    path = context.paths.results("check") / "report.json"
    write_text_atomic(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    print(report)
