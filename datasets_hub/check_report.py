"""What a check found: for machines (JSON), for the terminal (text), for eyes (a page of look-alikes)."""

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.core.data_uri import data_uri
from cairnhub.core.errors import BrokenData, printable
from cairnhub.core.files import atomic_write, write_text_atomic
from cairnhub.core.html import fill


@dataclass(frozen=True)
class Finding:
    """One rule that does not hold: how often, with the first examples."""

    rule: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        return printable(f"{self.rule}: {self.count:,}, such as {'; '.join(self.examples)}")


@dataclass(frozen=True)
class LookAlike:
    """Two images that look the same.

    Attributes:
        first: split and id, such as `train/abc`.
        second: the other.
        distance: bits by which their perceptual hashes differ; None if the files are the same byte for byte.
        conflicting: both have a label, and not the same.
        pixel_difference: mean difference of the small pictures, 0..1: hashes agree of pictures that are not alike, too.
        thumbnails: both as small JPEG files.
    """

    first: str
    second: str
    distance: int | None
    conflicting: bool
    pixel_difference: float
    thumbnails: tuple[bytes, bytes]


@dataclass(frozen=True)
class CheckResult:
    """The outcome of `check_dataset`.

    Attributes:
        dataset: name.
        n_images: images seen.
        violations: what breaks the contract.
        warnings: what a user should know, such as look-alikes across splits.
        duplicates: all pairs of images that are the same or look so, by `duplicate_table.SCHEMA`; conflicting labels
            first.
        look_alikes: the first of them, to see: two labels first, then the most alike.
    """

    dataset: str
    n_images: int
    violations: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    duplicates: pa.Table
    look_alikes: tuple[LookAlike, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the contract holds."""
        return not self.violations

    def require_ok(self) -> None:
        """Raise if the contract is broken.

        Raises:
            CairnError: with every violation and its examples.
        """
        if self.violations:
            listed = "\n".join(f"  - {finding}" for finding in self.violations)
            raise BrokenData(f"{self.dataset}: the published dataset breaks its contract:\n{listed}")

    def __str__(self) -> str:
        state = "the contract holds" if self.ok else f"{len(self.violations)} rule(s) broken"
        lines = [f"{self.dataset}: {self.n_images:,} images, {state}"]
        lines += [f"  violation - {finding}" for finding in self.violations]
        lines += [f"  warning - {finding}" for finding in self.warnings]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Stable JSON; the thumbnails are left out."""
        content = {
            "dataset": self.dataset,
            "ok": self.ok,
            "n_images": self.n_images,
            **{
                kind: [{"rule": f.rule, "count": f.count, "examples": list(f.examples)} for f in findings]
                for kind, findings in (("violations", self.violations), ("warnings", self.warnings))
            },
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def save_duplicates(self, path: Path) -> None:
        """Write all pairs as Parquet."""
        with atomic_write(path) as temporary:
            pq.write_table(self.duplicates, temporary)

    def save_page(self, path: Path) -> None:
        """Write a self-contained HTML page with the look-alikes side by side."""
        values = {
            "title": f"Look-alikes: {self.dataset}",
            "dataset": self.dataset,
            "pairs": [
                (
                    _kind(pair),
                    pair.conflicting,
                    [*zip((pair.first, pair.second), _sources(pair), strict=True)],
                )
                for pair in self.look_alikes
            ],
            "n_pairs": self.duplicates.num_rows,
        }
        template = Path(__file__).with_name("look_alikes.html")
        write_text_atomic(path, fill(template, values, styles=[template.with_name("look_alikes.css")]))


def _kind(pair: LookAlike) -> str:
    """How alike two images are, in words."""
    if pair.distance is None:
        return "the same file, byte for byte"
    pixels = f"pixels differ by {100 * pair.pixel_difference:.1f} % on average"
    return f"{pixels}, perceptual hashes in {pair.distance} of 64 bits"


def _sources(pair: LookAlike) -> list[str]:
    return [data_uri(jpeg) for jpeg in pair.thumbnails]
