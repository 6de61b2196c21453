"""What the project's report shows, read from tracked results: nothing is computed anew."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cairnhub.core.errors import NotFound
from cairnhub.core.parse import read_json
from cairnhub.hierarchies.agreement import Agreement
from cairnhub.pipelines.artifacts.agreement import read_agreement
from cairnhub.pipelines.artifacts.check_report import CheckReport, SplitCounts
from cairnhub.pipelines.artifacts.evaluation import Evaluation, Metrics
from cairnhub.pipelines.artifacts.review_report import ReviewReport
from cairnhub.pipelines.params import SCALES
from cairnhub.training.metrics.keys import H_AP, H_AP_PUBLISHED, MetricKey
from cairnhub.training.retrieved import ShownQuery

PercentInterval = tuple[float, float, float]  # value and both ends, percent
Links = Callable[[str, str], Mapping[str, str]]
"""By scale and name of a dataset: addresses by words."""
SYSTEMS = {
    "trained": "trained",
    "whitened": "trained, whitened",
    "off_the_shelf": "off the shelf",
    "untrained": "untrained",
    "colour_histogram": "colour histogram",
}


@dataclass(frozen=True)
class DatasetSummary:
    """A dataset that was published and checked.

    Attributes:
        levels: names per level, fine to coarse.
        splits: what the source lists of each, and what became of it.
        quarantine: what is quarantined, by reason.
        warnings: what the check warns of: the rule, and how often.
        links: addresses of what shows more of it, seen from the report, by words.
    """

    name: str
    scale: str
    title: str
    licence: str
    redistributable: bool
    annotation_origin: str
    ok: bool
    n_images: int
    size_bytes: int
    levels: Mapping[str, int]
    splits: Mapping[str, SplitCounts]
    quarantine: Mapping[str, int]
    warnings: tuple[tuple[str, int], ...]
    fingerprint: str
    links: Mapping[str, str]

    @property
    def n_lost(self) -> int:
        """Images listed and not published, for either reason."""
        return sum(split.quarantined + split.excluded for split in self.splits.values())


@dataclass(frozen=True)
class ReviewSummary:
    """A tree that was proposed from texts: its agreement with published labels, and its decisions.

    Attributes:
        agreement: measures by level and weighting, such as `category by images`.
        decisions: how many were applied, are stale, ...; empty before any review.
        pending: what waits for a person.
    """

    name: str
    scale: str
    agreement: Mapping[str, Agreement]
    decisions: Mapping[str, int]
    pending: tuple[str, ...]


@dataclass(frozen=True)
class ProtocolSummary:
    """One way to evaluate: by metric (both H-APs, then AP and R@1 per level) and system, in percent with intervals."""

    name: str
    levels: tuple[str, ...]
    values: Mapping[str, Mapping[str, PercentInterval]]

    @property
    def systems(self) -> tuple[str, ...]:
        """Those with a value."""
        return tuple(dict.fromkeys(system for by_system in self.values.values() for system in by_system))


@dataclass(frozen=True)
class ModelSummary:
    """A trained model beside its baselines, with its training curve (epoch, loss) and some queries.

    Attributes:
        benchmark: mAP@100 in percent by the benchmark's own answers, by system and part of the queries; empty where it
            has none.
    """

    name: str
    scale: str
    loss: tuple[tuple[float, float], ...]
    protocols: tuple[ProtocolSummary, ...]
    levels: tuple[str, ...]
    queries: tuple[ShownQuery, ...]
    benchmark: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Effort:
    """Review effort on published landmark types, by method.

    Attributes:
        n_types: how many types.
        target: a share of images rightly placed.
        decisions_to_target: decisions made until it is reached.
        accuracy_after_decisions: that share after 0, 1, 2 ... decisions.
    """

    n_types: int
    target: float
    decisions_to_target: dict[str, int]
    accuracy_after_decisions: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Summary:
    """All that was built; `effort` where the project holds the benchmark of the review."""

    datasets: tuple[DatasetSummary, ...]
    reviews: tuple[ReviewSummary, ...]
    models: tuple[ModelSummary, ...]
    effort: Effort | None


def links_in_git(root: Path) -> Links:
    """Links from `results/report/index.html` to what a clone has: the tree as text, and tables."""

    def links(scale: str, name: str) -> dict[str, str]:
        tree, table = f"report/{scale}/{name}/tree.txt", f"evaluate/{scale}/{name}/table.md"
        has_table = (root / "results" / table).is_file()
        return {"tree as text": f"../{tree}"} | ({"table of metrics": f"../{table}"} if has_table else {})

    return links


def read_summary(root: Path, links: Links) -> Summary:
    """Read `results` and the benchmark of the review; datasets by scale and name.

    Args:
        root: of the project.
        links: to pages of a dataset, by scale and name.

    Raises:
        CairnError: a result is not what this version writes; the message names file and key.
    """
    results, effort = root / "results", root / "benchmarks/results/review_effort.json"
    datasets = tuple(_dataset_summary(file, links) for file in _files(results, "check", "report.json"))
    levels = {(dataset.scale, dataset.name): tuple(dataset.levels) for dataset in datasets}
    return Summary(
        datasets,
        tuple(_review_summary(file) for file in _files(results, "cluster", "agreement.json")),
        tuple(_model_summary(file, levels) for file in _files(results, "evaluate", "metrics.json")),
        read_json(effort, Effort) if effort.is_file() else None,
    )


def _files(results: Path, stage: str, name: str) -> list[Path]:
    return [file for scale in SCALES for file in sorted((results / stage / scale).glob(f"*/{name}"))]


def _key(file: Path) -> tuple[str, str]:
    return file.parent.parent.name, file.parent.name


def _dataset_summary(file: Path, links: Links) -> DatasetSummary:
    scale, name = _key(file)
    check = CheckReport.load(file)
    card = check.published
    return DatasetSummary(
        name=name,
        scale=scale,
        title=card.title,
        licence=card.licence,
        redistributable=card.redistributable,
        annotation_origin=card.annotation_origin,
        ok=check.ok,
        n_images=check.n_images,
        size_bytes=card.size_bytes,
        levels=card.n_names,
        splits=check.counts,
        quarantine=card.quarantine,
        warnings=tuple((warning.rule, warning.count) for warning in check.warnings),
        fingerprint=card.fingerprint,
        links=links(scale, name),
    )


def _review_summary(file: Path) -> ReviewSummary:
    scale, name = _key(file)
    path = file.parents[3] / "review" / scale / name / "report.json"
    review = ReviewReport.load(path)
    return ReviewSummary(name, scale, read_agreement(file), review.counts, review.pending)


def _model_summary(file: Path, levels: Mapping[tuple[str, str], tuple[str, ...]]) -> ModelSummary:
    scale, name = _key(file)
    if (scale, name) not in levels:
        raise NotFound(f"{file.parent}: no such dataset in results/check; remove this folder, or run `check`")
    evaluation = Evaluation.load(file)
    with (file.parent / "loss.csv").open(encoding="utf-8", newline="") as lines:
        loss = tuple((float(row["epoch"]), float(row["loss"])) for row in csv.DictReader(lines))
    measured = {system: evaluation.protocols(system) for system in SYSTEMS if system in evaluation.systems}
    protocols = tuple(
        summarise_protocol(
            protocol,
            {system: by_protocol[protocol] for system, by_protocol in measured.items()},
            levels[scale, name],
        )
        for protocol in measured["trained"]
    )
    queries = read_json(file.parent / "examples.json", tuple[ShownQuery, ...])
    benchmark = {
        SYSTEMS[system]: {part: 100 * nested["overall"]["map_at"]["100"] for part, nested in parts.items()}
        for system in measured
        if (parts := evaluation.systems[system].benchmark)
    }
    return ModelSummary(name, scale, loss, protocols, levels[scale, name], queries, benchmark)


def summarise_protocol(name: str, metrics: Mapping[str, Metrics], levels: Sequence[str]) -> ProtocolSummary:
    """What the report shows of a protocol.

    Args:
        name: its name.
        metrics: values and intervals, by system.
        levels: of the tree; those that are measured come first, then what others have in the place of levels.
    """
    named = {key.level: None for key in metrics["trained"][0] if key.name == "ap" and key.level}
    measured = (
        *(level for level in levels if level in named),
        *(each for each in named if each not in levels),
    )
    headlines = {H_AP: "H-AP", H_AP_PUBLISHED: "H-AP as published"}
    headlines |= {MetricKey("ap", level): f"AP {level}" for level in measured}
    headlines |= {MetricKey("r_at", level, 1): f"R@1 {level}" for level in measured}
    shown = {
        words: {
            SYSTEMS[system]: (100 * values[key], 100 * ends[key].low, 100 * ends[key].high)
            for system, (values, ends) in metrics.items()
            if key in ends
        }
        for key, words in headlines.items()
    }
    return ProtocolSummary(name, measured, {words: systems for words, systems in shown.items() if systems})
