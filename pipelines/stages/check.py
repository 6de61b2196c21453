"""check: the contract of the published dataset, and that every listed image is accounted for."""

import json
from functools import partial

from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import read_json
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.pipelines.stages import Context
from cairnhub.pipelines.stages.index import IndexCounts


def run(context: Context) -> None:
    """Check the hub folder against its contract and against the index; any violation fails."""
    counts = read_json(context.paths.index / "counts.json", IndexCounts).splits
    report = check_dataset(
        context.paths.hub,
        expected_listed={split: count["listed"] for split, count in counts.items()},
        run_all=partial(context.executor.map, title=f"check {context.dataset}"),
    )
    report.require_ok()
    found = describe(context.paths.hub)
    published = {
        name: {
            "listed": split.n_listed,
            "published": split.n_images,
            "quarantined": split.n_quarantined,
            "excluded": split.n_excluded,
        }
        for name, split in found.stats.splits.items()
    }
    record = {**json.loads(report.to_json()), "counts": published, "published": _published(found)}
    report.save_page(context.paths.look_alikes)
    path = context.paths.results("check") / "report.json"
    write_text_atomic(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    print(report)


def _published(found: PublishedDataset) -> dict[str, object]:
    """What was checked: enough of card and counts for the project's report."""
    card, stats = found.card, found.stats
    return {
        "title": card.title,
        "licence": card.licence,
        "redistributable": card.redistributable,
        "annotation_origin": card.annotation_origin,
        "n_names": dict(stats.n_names),
        "quarantine": dict(stats.quarantine),
        "size_bytes": sum(file.size_bytes for file in stats.files),
        "fingerprint": stats.fingerprint,
        "tree_fingerprint": stats.tree_fingerprint,
    }
