"""check: the contract of the published dataset, and that every listed image is accounted for."""

import logging
from functools import partial

from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.pipelines.artifacts.check_report import CheckedDataset, CheckReport, SplitCounts
from cairnhub.pipelines.artifacts.index import IndexFolder
from cairnhub.pipelines.context import Context

log = logging.getLogger(__name__)


def run(context: Context) -> None:
    """Check the hub folder against its contract and against the index; any violation fails."""
    counts = IndexFolder(context.paths.index).counts().splits
    report = check_dataset(
        context.paths.hub,
        expected_listed={split: count["listed"] for split, count in counts.items()},
        run_all=partial(context.executor.map, title=f"check {context.dataset}"),
    )
    report.require_ok()
    published = describe(context.paths.hub)
    splits = {
        name: SplitCounts(split.n_listed, split.n_images, split.n_quarantined, split.n_excluded)
        for name, split in published.stats.splits.items()
    }
    report.save_page(context.paths.look_alikes)
    report.save_duplicates(context.paths.duplicates)
    CheckReport(
        report.dataset,
        report.ok,
        report.n_images,
        report.violations,
        report.warnings,
        splits,
        _checked(published),
    ).save(context.paths.check_report)
    log.info(str(report))


def _checked(published: PublishedDataset) -> CheckedDataset:
    card, stats = published.card, published.stats
    return CheckedDataset(
        title=card.title,
        licence=card.licence,
        redistributable=card.redistributable,
        annotation_origin=card.annotation_origin,
        n_names=dict(stats.n_names),
        quarantine=dict(stats.quarantine),
        size_bytes=sum(file.size_bytes for file in stats.files),
        fingerprint=stats.fingerprint,
        tree_fingerprint=stats.tree_fingerprint,
    )
