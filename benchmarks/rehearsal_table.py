"""The rehearsal's tables in docs/scale.md, from results/rehearsal.json."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from capacity import fit

HERE = Path(__file__).parent
RESULTS = HERE / "results/rehearsal.json"
PAGE = HERE.parent / "docs/scale.md"
BEGIN, END = "<!-- rehearsal: made by benchmarks/rehearsal.py -->", "<!-- end of rehearsal -->"
HEADER = (
    "stage",
    "s",
    "CPU s",
    "foretold",
    "memory, MB",
    "of its own",
    "written, MB",
    "files",
    "largest in git, kB",
)


def fill_table() -> None:
    """Put the tables where the page has room for them."""
    runs: dict[str, Any] = json.loads(RESULTS.read_text())
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    if not rest or not tail:
        raise SystemExit(f"{PAGE} has no place for the tables: {BEGIN} ... {END}")
    text = "\n\n".join(_of_run(name, run, runs) for name, run in sorted(runs.items(), key=_by_size))
    PAGE.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}", encoding="utf-8")


def _by_size(entry: tuple[str, Mapping[str, Any]]) -> tuple[str, float]:
    _, run = entry
    return run["dataset"], -run["fraction"]


def _of_run(name: str, run: Mapping[str, Any], runs: Mapping[str, Any]) -> str:
    """One dataset at one size."""
    published, mirror, machine = run["published"], run["mirror"], run["machine"]
    n_images, labels = sum(published["images"].values()), published["labels"]
    facts = (
        f"**{name}**: {_n(sum(published['listed'].values()))} images listed, {_n(n_images)} published "
        f"({published['hub_mb']:,.0f} MB) with {', '.join(f'{_n(count)} {level}' for level, count in labels.items())}; "
        f"mirror of {_n(mirror['n_files'])} files, {mirror['gb']:.2f} GB; {machine['n_workers']} workers on "
        f"{machine['n_cpus']} CPUs."
    )
    smaller = [
        other
        for other in runs.values()
        if other["dataset"] == run["dataset"] and other["fraction"] < run["fraction"]
    ]
    foretold = {stage: _foretold(stage, run, smaller) for stage in run["stages"]}
    rows = [_row(stage, cost, foretold[stage]) for stage, cost in run["stages"].items()]
    table = _table(HEADER, [*rows, _all(run["stages"], foretold.values())])
    acts = "".join(f"\n- {line}" for line in _acts(run.get("acts", {})))
    return f"{facts}\n\n{table}" + (f"\n{acts}" if acts else "")


def _row(stage: str, cost: Mapping[str, Any], foretold: float | None) -> list[str]:
    outputs = cost["outputs"]
    largest = max(outputs["in_git"].values(), default=0)
    return [
        stage,
        f"{cost['s']:,.0f}",
        f"{cost['cpu_s']:,.0f}",
        "" if foretold is None else f"{foretold:,.0f}",
        _n(cost["peak_mb"]),
        _n(cost["own_mb"]),
        f"{outputs['mb']:,.1f}",
        _n(outputs["n_files"]),
        f"{largest / 1000:,.1f}" if largest else "",
    ]


def _all(stages: Mapping[str, Any], foretold: Iterable[float | None]) -> list[str]:
    total = {key: sum(cost[key] for cost in stages.values()) for key in ("s", "cpu_s")}
    peaks = [max(cost[key] for cost in stages.values()) for key in ("peak_mb", "own_mb")]
    together = _n(sum(known)) if (known := [each for each in foretold if each is not None]) else ""
    return ["all", f"{total['s']:,.0f}", f"{total['cpu_s']:,.0f}", together, *map(_n, peaks), "", "", ""]


def _foretold(stage: str, run: Mapping[str, Any], smaller: Sequence[Mapping[str, Any]]) -> float | None:
    """CPU seconds by the law through smaller sizes of the same mirror; None with fewer than two of them.

    Of n log n: what is known of all images is sorted and searched, and more of it lies farther from the processor.
    """
    points = [(_n_listed(other), 0.0, other["stages"][stage]["cpu_s"]) for other in smaller]
    return fit(points, ("base", "per_image_log"))(_n_listed(run), 0.0) if len(points) > 1 else None


def _n_listed(run: Mapping[str, Any]) -> int:
    return int(sum(run["published"]["listed"].values()))


def _acts(acts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for what, cost in acts.items():
        numbers = ", ".join(f"{value:,} {key.replace('_', ' ')}" for key, value in cost.items())
        yield f"{what}: {numbers}"


def _n(number: float) -> str:
    return f"{number:,.0f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
