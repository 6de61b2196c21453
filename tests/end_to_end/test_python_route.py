"""`docs/python.md`, pasted block by block: from a CSV to a dataset, a model, its metrics and a push."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cairnhub.datasets_hub.loader import load_dataset
from tests.installed import draw_classes
from tests.project import ROOT

NAMES = [
    f"{colour} {bird}"
    for bird in ("owl", "hawk", "duck", "gull")
    for colour in ("red", "blue", "grey", "black")
]
BLOCKS = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs/python.md").read_text(encoding="utf-8"), re.M | re.S
)


def draw_photos(folder: Path) -> None:
    """The photos and the table with which the page begins."""
    draw_classes(folder / "photos", NAMES)
    lines = [
        f"photos/{name}/{nth}.jpg,{name},{name.split()[1]},{'test' if 'grey' in name or 'red' in name else 'train'}"
        for name in NAMES
        for nth in range(4)
    ]
    (folder / "labels.csv").write_text("\n".join(["path,species,kind,split", *lines]), encoding="utf-8")


@pytest.mark.slow
def test_the_page_leads_from_a_csv_to_a_pushed_dataset(tmp_path: Path) -> None:
    draw_photos(tmp_path)
    (tmp_path / "route.py").write_text("\n".join(BLOCKS), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "route.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "h_ap" in done.stdout
    assert len(load_dataset(str(tmp_path / "shared/birds"), "train")) == 32
