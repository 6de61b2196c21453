"""Any little table goes in and comes out: labels, splits, pixels and counts, or a reason in the quarantine."""

import csv
import io
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cairnhub.datasets_hub.decoding import decode_image
from cairnhub.datasets_hub.loader import describe, label_array, load_dataset
from tests.odd_images import encoded, photo, turned
from tests.pipelines.table_project import HEADER, TableProject

SPLITS = ["train", "test", "val", "query", "gallery", "été", "x_1"]
# No control characters, surrogates and line breaks: a label with one ends `index` with a message.
LABELS = st.text(
    st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")), min_size=1, max_size=12
).map(lambda label: " ".join(label.split()))
NAMES = st.text(st.sampled_from("abAÄé日 .-_,\"'()%&#"), min_size=1, max_size=10).map(lambda name: f"{name}x")
PLACEHOLDER = re.compile(r"(na|n/a|nan|none|null|not assigned|unassigned)?", re.IGNORECASE)


def _sixteen_bits(seed: int) -> bytes:
    values = np.random.default_rng(seed).integers(0, 65_536, (32, 48), dtype=np.uint16)
    return encoded(Image.fromarray(values), "PNG")


def _floats(seed: int) -> bytes:
    values = np.random.default_rng(seed).random((32, 48), dtype=np.float32)
    return encoded(Image.fromarray(values), "TIFF")


def _icon(seed: int) -> bytes:
    alpha = photo(seed).convert("L")
    icon = Image.new("RGBA", alpha.size, (0, 0, 0, 0))
    icon.putalpha(alpha)
    return encoded(icon, "PNG")


GOOD: dict[str, Callable[[int], bytes]] = {
    "JPEG": lambda seed: encoded(photo(seed), "JPEG"),
    "grey JPEG": lambda seed: encoded(photo(seed).convert("L"), "JPEG"),
    "CMYK JPEG": lambda seed: encoded(photo(seed).convert("CMYK"), "JPEG"),
    "turned JPEG": lambda seed: turned(photo(seed), 2 + seed % 7),
    "turned PNG": lambda seed: turned(photo(seed), 2 + seed % 7, "PNG"),
    "1 bit": lambda seed: encoded(photo(seed).convert("1"), "PNG"),
    "palette": lambda seed: encoded(photo(seed).convert("P"), "PNG"),
    "alpha": _icon,
    "16 bits": _sixteen_bits,
    "floats": _floats,
    "WebP": lambda seed: encoded(photo(seed), "WEBP"),
    "AVIF": lambda seed: encoded(photo(seed), "AVIF"),
    "PPM": lambda seed: encoded(photo(seed), "PPM"),
}
BAD: dict[str, Callable[[int], bytes | None]] = {
    "cut": lambda seed: encoded(photo(seed), "JPEG")[:-200],
    "empty": lambda seed: b"",
    "a page": lambda seed: b"<html>not here</html>",
    "missing": lambda seed: None,
}


@dataclass(frozen=True)
class Row:
    """A row of the table and its file."""

    path: str
    fine: str
    split: str
    kind: str
    content: bytes | None


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Row], dict[str, str]]:
    """Rows, and the coarse label of each fine one; every split has a good image."""
    fine = draw(st.lists(LABELS.filter(bool), min_size=1, max_size=5, unique=True))
    tops = draw(
        st.lists(
            LABELS.filter(lambda name: not PLACEHOLDER.fullmatch(name)), min_size=1, max_size=3, unique=True
        )
    )
    coarse = {label: draw(st.sampled_from(tops)) for label in fine}
    splits = draw(st.lists(st.sampled_from(SPLITS), min_size=1, max_size=4, unique=True))
    names = draw(st.lists(NAMES, min_size=len(splits), max_size=12, unique_by=str.casefold))
    rows = []
    for number, name in enumerate(names):
        is_first = number < len(splits)
        kinds = GOOD if is_first else GOOD | BAD
        kind = draw(st.sampled_from(sorted(kinds)))
        split = splits[number] if is_first else draw(st.sampled_from(splits))
        rows.append(Row(f"photos/{name}.img", draw(st.sampled_from(fine)), split, kind, kinds[kind](number)))
    return rows, coarse


def build(root: Path, rows: list[Row], coarse: Mapping[str, str]) -> TableProject:
    """A project whose stages ran up to `check`."""
    project = TableProject(root, [], HEADER, twins="keep", protocols=[])
    for row in rows:
        if row.content is not None:
            (project.mirror / row.path).write_bytes(row.content)
    lines = [[row.path, row.fine, coarse[row.fine], row.split] for row in rows]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([HEADER.split(","), *lines])
    (project.mirror / "labels.csv").write_text(text.getvalue(), encoding="utf-8")
    project.stage("fetch", "index", "taxonomy", "publish", "check")
    return project


def goes_through(table: tuple[list[Row], dict[str, str]]) -> None:
    """Build a table, load what was published, and hold it against what went in."""
    rows, coarse = table
    root = Path(tempfile.mkdtemp(prefix="table"))
    try:
        project = build(root, rows, coarse)
        hub = project.at("data/hub")
        tree = describe(hub).tree()
        good = {row.path: row for row in rows if row.kind in GOOD}
        seen = {}
        for split, loaded in load_dataset(hub).items():
            raw = loaded.cast_column("image", datasets.Image(decode=False))
            labels = label_array(loaded, tree)
            for i, (decoded, stored) in enumerate(zip(loaded, raw, strict=True)):
                row = good[stored["image_id"]]
                seen[row.path] = row
                assert split == row.split
                assert stored["image"]["bytes"] == row.content
                picture = np.asarray(decode_image(row.content))
                np.testing.assert_array_equal(np.asarray(decode_image(decoded["image"])), picture)
                names = [tree.names[rank][code] for rank, code in enumerate(labels[i])]
                assert names == [row.fine, coarse[row.fine]]
        assert seen.keys() == good.keys()
        stats = describe(hub).stats
        for split, counts in stats.splits.items():
            assert counts.n_listed == sum(row.split == split for row in rows)
            assert counts.n_images == sum(row.split == split for row in good.values())
        quarantined = load_dataset(hub, "train", config="quarantine") if len(good) < len(rows) else []
        assert {row["image_id"] for row in quarantined} == {row.path for row in rows} - good.keys()
        assert all(row["reason"] for row in quarantined)
    finally:
        shutil.rmtree(root)


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=SLOW)
@given(tables())
def test_what_goes_in_comes_out(quiet: None, table: tuple[list[Row], dict[str, str]]) -> None:
    goes_through(table)


@pytest.mark.long
@pytest.mark.timeout(7_200)
@settings(max_examples=2_000, deadline=None, suppress_health_check=SLOW)
@given(tables())
def test_whatever_goes_in_comes_out(quiet: None, table: tuple[list[Row], dict[str, str]]) -> None:
    goes_through(table)
