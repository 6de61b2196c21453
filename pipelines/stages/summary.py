"""summary: the project's report, `results/report/index.html`, over all datasets and scales that were built."""

import logging
from pathlib import Path

from cairnhub.core.files import write_text_atomic
from cairnhub.core.html import PAGES as SHARED
from cairnhub.core.html import fill
from cairnhub.pipelines.charts import interval_chart, line_chart, share_bar
from cairnhub.pipelines.report_data import (
    DatasetSummary,
    Effort,
    ModelSummary,
    ProtocolSummary,
    Summary,
    links_in_git,
    read_summary,
)
from cairnhub.training.retrieved import ShownQuery

log = logging.getLogger(__name__)

PAGES = Path(__file__).parents[1] / "pages"


def run(root: Path) -> None:
    """Write the page from what the other stages left in `results`."""
    path = root / "results/report/index.html"
    write_text_atomic(path, report_page(read_summary(root, links_in_git(root))))
    log.info(str(path))


def report_page(summary: Summary) -> str:
    """The page as HTML."""
    values = {
        "title": "Cairn: what was built",
        "summary": summary,
        "tiles": _tiles(summary),
        "opening": _opening(summary),
        "effort_chart": _effort_chart(summary.effort) if summary.effort else "",
        "loss_chart": _loss_chart,
        "level_chart": _level_chart,
        "split_bar": _split_bar,
    }
    return fill(PAGES / "report.html", values, styles=[SHARED / "retrieved.css", PAGES / "report.css"])


def _tiles(summary: Summary) -> list[tuple[str, str]]:
    """The numbers that come first."""
    datasets = summary.datasets
    return [
        (f"{len(datasets):,}", "datasets published and checked"),
        (f"{sum(dataset.n_images for dataset in datasets):,}", "images"),
        (
            f"{sum(next(iter(dataset.levels.values())) for dataset in datasets):,}",
            "labels of the finest level",
        ),
        (f"{sum(sum(dataset.quarantine.values()) for dataset in datasets):,}", "images in quarantine"),
        (f"{sum(dataset.decisions.get('applied', 0) for dataset in summary.reviews):,}", "decisions applied"),
        (f"{len(summary.models):,}", "models trained and measured"),
    ]


def _opening(summary: Summary) -> list[tuple[str, ShownQuery]]:
    """What the report opens with: of each model whose images may be shown, the query of median H-AP."""
    return [
        (model.name, query)
        for model in summary.models
        for query in model.queries
        if query.query.src and query.heading.startswith("Median")
    ]


def _effort_chart(effort: Effort) -> str:
    lines = {
        name: list(enumerate(100 * a for a in accuracy))
        for name, accuracy in effort.accuracy_after_decisions.items()
    }
    lowest = min(value for line in lines.values() for _, value in line)
    return line_chart(
        f"Images placed rightly after each decision, for {len(lines)} ways to propose and to ask",
        lines,
        "decisions made",
        "images placed rightly, %",
        (5 * (lowest // 5), 100),
    )


def _loss_chart(model: ModelSummary) -> str:
    first, last = model.loss[0][1], model.loss[-1][1]
    label = f"Training loss of {model.name}: from {first:.3f} to {last:.3f} in {model.loss[-1][0]:g} epochs"
    return line_chart(label, {"loss": model.loss}, "epoch", "loss")


def _level_chart(model: ModelSummary, protocol: ProtocolSummary) -> str:
    rows = [(name, systems) for name, systems in protocol.values.items() if not name.startswith("R@1")]
    label = f"H-AP and AP per level of {model.name}, {protocol.name}; the numbers are in the table below"
    return interval_chart(label, rows)


def _split_bar(dataset: DatasetSummary) -> str:
    shares = {name: split.published for name, split in dataset.splits.items()}
    return share_bar(", ".join(f"{name} {n:,}" for name, n in shares.items()), shares)
