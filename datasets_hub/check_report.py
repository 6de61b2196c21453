"""What a check found: for machines (JSON), for the terminal (text), for eyes (a page of look-alikes)."""

import base64
import html
import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cairnhub.core.errors import BrokenData, printable
from cairnhub.core.files import atomic_write, write_text_atomic


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
        thumbnails: both as small JPEG files.
    """

    first: str
    second: str
    distance: int | None
    conflicting: bool
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
        look_alikes: the first of them, to see.
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
        rows = "\n".join(_row(pair) for pair in self.look_alikes) or "<p>None found.</p>"
        write_text_atomic(path, _PAGE.format(title=html.escape(self.dataset), rows=rows))


def _row(pair: LookAlike) -> str:
    kind = "same file" if pair.distance is None else f"hashes differ in {pair.distance} of 64 bits"
    kind += ", with two labels" if pair.conflicting else ""
    figures = "".join(
        f'<figure><img alt="" src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}">'
        f"<figcaption>{html.escape(name)}</figcaption></figure>"
        for name, picture in zip((pair.first, pair.second), pair.thumbnails, strict=True)
    )
    return f"<section>{figures}<p>{kind}</p></section>"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Look-alikes: {title}</title>
<style>
body {{ font: 15px sans-serif; margin: 2em; }}
section {{ display: flex; gap: 1em; align-items: center; margin-bottom: 1em; }}
figure {{ margin: 0; }} figcaption {{ max-width: 20em; overflow-wrap: anywhere; }}
</style></head>
<body><h1>Images that are the same or look alike: {title}</h1>
{rows}
</body></html>
"""
