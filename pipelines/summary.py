"""What the project's report shows, read from tracked results: nothing is computed anew."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hierarchies import CairnError
from hierarchies.pages.found import Found, Picture
from pipelines.config import SCALES

T = TypeVar("T")
Interval = tuple[float, float, float]  # value and both ends, percent
SYSTEMS = {"trained": "trained", "untrained": "untrained", "colour_histogram": "colour histogram"}


@dataclass(frozen=True)
class SplitCount:
    """A split: what the source lists, and what became of it."""

    name: str
    listed: int
    published: int
    quarantined: int
    excluded: int


@dataclass(frozen=True)
class Published:
    """A dataset that was published and checked.

    Attributes:
        levels: names per level, fine to coarse.
        quarantine: what was set aside, by reason.
        warnings: what the check warns of: the rule, and how often.
        tree_page: where the explorer lies, seen from the report.
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
    splits: tuple[SplitCount, ...]
    quarantine: Mapping[str, int]
    warnings: tuple[tuple[str, int], ...]
    fingerprint: str
    tree_page: str

    @property
    def n_lost(self) -> int:
        """Images listed and not published, for either reason."""
        return sum(split.quarantined + split.excluded for split in self.splits)


@dataclass(frozen=True)
class Reviewed:
    """A tree that was proposed from texts: its agreement with published labels, and its decisions.

    Attributes:
        agreement: measures by level and weighting, such as `category by images`.
        decisions: how many were applied, are stale, ...; empty before any review.
        pending: what waits for a person.
    """

    name: str
    scale: str
    agreement: Mapping[str, Mapping[str, float]]
    decisions: Mapping[str, int]
    pending: tuple[str, ...]


@dataclass(frozen=True)
class Protocol:
    """One way to evaluate: by metric (H-AP, then AP and R@1 per level) and system, in percent with intervals."""

    name: str
    levels: tuple[str, ...]
    values: Mapping[str, Mapping[str, Interval]]


@dataclass(frozen=True)
class Evaluated:
    """A trained model beside its baselines, with its training curve (epoch, loss) and some queries."""

    name: str
    scale: str
    loss: tuple[tuple[float, float], ...]
    protocols: tuple[Protocol, ...]
    levels: tuple[str, ...]
    found: tuple[Found, ...]


@dataclass(frozen=True)
class Effort:
    """Review effort on published landmark types: images rightly placed after so many decisions, by method."""

    n_types: int
    target: float
    decisions_to_target: Mapping[str, int]
    accuracy: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Summary:
    """All that was built."""

    datasets: tuple[Published, ...]
    reviewed: tuple[Reviewed, ...]
    evaluated: tuple[Evaluated, ...]
    effort: Effort


def read_summary(root: Path) -> Summary:
    """Read `results` and the benchmark of the review; datasets by scale and name.

    Raises:
        CairnError: a result is not what this version writes; the message names file and stage.
    """
    results = root / "results"
    datasets = tuple(_read(_published, file) for file in _files(results, "check", "report.json"))
    levels = {(found.scale, found.name): tuple(found.levels) for found in datasets}
    evaluated = tuple(
        _read(lambda file: _evaluated(file, levels[_key(file)]), file)
        for file in _files(results, "evaluate", "metrics.json")
    )
    reviewed = tuple(_read(_reviewed, file) for file in _files(results, "cluster", "agreement.json"))
    return Summary(
        datasets, reviewed, evaluated, _read(_effort, root / "benchmarks/results/review_effort.json")
    )


def _files(results: Path, stage: str, name: str) -> list[Path]:
    return [file for scale in SCALES for file in sorted((results / stage / scale).glob(f"*/{name}"))]


def _key(file: Path) -> tuple[str, str]:
    return file.parent.parent.name, file.parent.name


def _read(parse: Callable[[Path], T], file: Path) -> T:
    try:
        return parse(file)
    except (KeyError, TypeError, ValueError) as error:
        stage = file.parents[2].name
        raise CairnError(
            f"{file}: not what stage {stage!r} of this version writes ({type(error).__name__} {error}); "
            "run it again, or delete the folder if the dataset is no longer built"
        ) from error


def _load(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _published(file: Path) -> Published:
    (scale, name), content = _key(file), _load(file)
    card = content["published"]
    return Published(
        name=name,
        scale=scale,
        title=card["title"],
        licence=card["licence"],
        redistributable=card["redistributable"],
        annotation_origin=card["annotation_origin"],
        ok=content["ok"],
        n_images=content["n_images"],
        size_bytes=card["size_bytes"],
        levels=card["n_names"],
        splits=tuple(SplitCount(split, **count) for split, count in content["counts"].items()),
        quarantine=card["quarantine"],
        warnings=tuple((found["rule"], found["count"]) for found in content["warnings"]),
        fingerprint=card["fingerprint"],
        tree_page=f"../../data/report/{scale}/{name}/tree.html",
    )


def _reviewed(file: Path) -> Reviewed:
    scale, name = _key(file)
    report = file.parents[3] / "review" / scale / name / "report.json"
    content = _load(report) if report.is_file() else {"counts": {}, "pending": []}
    return Reviewed(name, scale, _load(file), content["counts"], tuple(content["pending"]))


def _evaluated(file: Path, levels: tuple[str, ...]) -> Evaluated:
    (scale, name), metrics = _key(file), _load(file)
    with (file.parent / "loss.csv").open(encoding="utf-8", newline="") as lines:
        loss = tuple((float(row["epoch"]), float(row["loss"])) for row in csv.DictReader(lines))
    protocols = tuple(_protocol(protocol, metrics, levels) for protocol in metrics["trained"])
    found = tuple(
        Found(
            row["heading"], Picture(**row["query"]), tuple(Picture(**picture) for picture in row["results"])
        )
        for row in _load(file.parent / "examples.json")
    )
    return Evaluated(name, scale, loss, protocols, levels, found)


def _protocol(name: str, metrics: Mapping[str, Any], levels: Sequence[str]) -> Protocol:
    measured = tuple(level for level in levels if f"ap_{level}" in metrics["trained"][name])
    headlines = {"h_ap": "H-AP"}
    for metric, words in (("ap", "AP"), ("r_at_1", "R@1")):
        headlines |= {f"{metric}_{level}": f"{words} {level}" for level in measured}
    values = {
        words: {
            label: _interval(metrics[system][name], metric)
            for system, label in SYSTEMS.items()
            if metric in metrics[system][name]
        }
        for metric, words in headlines.items()
    }
    return Protocol(name, measured, values)


def _interval(values: Mapping[str, float], metric: str) -> Interval:
    return 100 * values[metric], 100 * values[f"{metric}_low"], 100 * values[f"{metric}_high"]


def _effort(file: Path) -> Effort:
    content = _load(file)
    return Effort(
        content["n_types"],
        content["target"],
        content["decisions_to_target"],
        content["accuracy_after_decisions"],
    )
