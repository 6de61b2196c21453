"""What `gpu.py` measures, in which sizes, and how it is written down."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STOP_EARLY_S = 8.0  # before the end of its budget a section begins nothing new
Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Sizes of everything that is measured."""

    device: str = "cuda"
    checked: int = 256
    """Batch on which kernels, torch and the dense way are compared."""
    batches: tuple[int, ...] = (256, 512, 1024, 2048, 4096, 8192, 16384)
    torch_up_to: int = 8192
    dense_up_to: int = 512
    dim: int = 512
    huge: int = 65536
    huge_at_most_s: float = 40.0
    tiled: int = 4096
    tiles: tuple[int, ...] = (1024, 2048)
    tile_positives: tuple[tuple[int, int], ...] = ((16, 2), (8, 2), (32, 4))
    warps: tuple[int, ...] = (4, 8)
    retrievals: tuple[tuple[int, int], ...] = ((60502, 60502), (10000, 1000000))
    backbone: str = "resnet50"
    side_px: int = 224
    step: int = 256
    cached: int = 4096
    compiled_by: str = "inductor"
    n_photos: int = 1500
    n_workers: tuple[int, ...] = (8, 16)
    repeats_s: float = 0.3
    """A measurement is repeated until it took so long."""


TINY = Plan(
    device="cpu", checked=12, batches=(8,), dense_up_to=8, dim=4, huge=8, huge_at_most_s=1e9, tiled=8, tiles=(64,),
    tile_positives=((4, 2),), warps=(4,), retrievals=((20, 40),), backbone="small_cnn", side_px=16, step=8, cached=16,
    compiled_by="eager", n_photos=8, n_workers=(0,), repeats_s=0.0,
)  # fmt: skip


@dataclass
class Report:
    """Rows of measurements, written after each."""

    path: Path
    facts: Row = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    section: str = ""
    ends_at: float = float("inf")

    @classmethod
    def read(cls, path: Path) -> "Report":
        """What another process wrote."""
        written = json.loads(path.read_text())
        return cls(path, written["facts"], written["rows"])

    def write(self) -> None:
        """At once or not at all: the process may be killed at any time."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps({"facts": self.facts, "rows": self.rows}, indent=1) + "\n")
        part.replace(self.path)

    def add(self, **row: Any) -> None:
        """Keep a row of the section."""
        self.rows.append({"section": self.section, **row})
        self.write()

    def measure(self, name: str, function: Callable[[], Row]) -> Row:
        """Keep what a measurement gives, or its error, or that no time is left; says which."""
        if time.monotonic() > self.ends_at - STOP_EARLY_S:
            row: Row = {"skipped": "no time left"}
        else:
            try:
                row = function()
            except Exception as error:  # of any kind: the others shall be measured
                row = {"error": f"{type(error).__name__}: {str(error)[:400]}"}
        self.add(name=name, **row)
        return row


def table(report: Report) -> str:
    """All rows in Markdown, a table per section."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield from (
        "# Measured on a GPU" if not report.facts["is_tiny"] else "# A trial on a CPU: no figures of a GPU",
        "",
    )
    yield from (f"- {name}: {_shown(value)}" for name, value in report.facts.items())
    for section in dict.fromkeys(row["section"] for row in report.rows):
        rows = [row for row in report.rows if row["section"] == section]
        columns = [key for key in dict.fromkeys(key for row in rows for key in row) if key != "section"]
        yield from (
            "",
            f"## {section[0].upper()}{section[1:]}",
            "",
            f"| {' | '.join(columns)} |",
            "|---" * len(columns) + "|",
        )
        yield from (f"| {' | '.join(_shown(row.get(column, '')) for column in columns)} |" for row in rows)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    text = ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
    return " ".join(text.replace("|", "/").split())
