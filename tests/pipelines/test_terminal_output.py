"""What commands show: heads that stay whole, bars only where somebody sees them, names to type as they stand."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cairnhub.core.console import text_console
from cairnhub.core.errors import NotFound
from cairnhub.pipelines.cli.options import table_of
from cairnhub.pipelines.retrieval_commands import find_model
from cairnhub.pipelines.stage_graph import STAGES
from tests.project import ROOT

BAR = """
import sys
from cairnhub.core import logs
logs.configure()
from cairnhub.pipelines.executors.local import with_bar
from tqdm import tqdm
list(with_bar(iter("abc"), 3, "embed"))
list(tqdm("abc"))
print("done", file=sys.stderr)
"""


def test_heads_stay_whole_at_80_columns_and_no_cell_is_cut(tmp_path: Path):
    table = table_of("dataset", "images", "splits", "levels (fine to coarse)", "licence", "fingerprint")
    table.add_row(
        "a_dataset_with_a_long_name", "1,234", "train " * 30, "species 58, genus 36", "x" * 70, "f" * 64
    )
    path = tmp_path / "out.txt"
    with path.open("w", encoding="utf-8") as file:
        text_console(file, width=80).print(table)
    lines = path.read_text(encoding="utf-8").splitlines()
    heads = " ".join(line for line in lines if line.startswith("┃"))
    assert max(map(len, lines)) <= 80
    for word in ("dataset", "images", "splits", "levels", "(fine", "coarse)", "licence", "fingerprint"):
        assert word in re.split(r"[┃\s]+", heads)
    cells = "".join(lines)
    assert "…" not in cells
    assert cells.count("f") >= 64


def test_no_bar_is_drawn_into_a_pipe():
    environment = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    found = subprocess.run(
        [sys.executable, "-c", BAR], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert found.stderr == "done\n"


def test_every_bar_asks_whether_somebody_sees_it():
    """In another project's script no command has said where the output goes: the call itself asks."""
    drawn = [
        (path, call.lineno, {keyword.arg for keyword in call.keywords})
        for room in ("cairnhub/core", "pipelines", "hierarchies", "datasets_hub", "training")
        for path in (ROOT / room).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "tqdm"
    ]
    assert len(drawn) > 5
    assert [(path, line) for path, line, options in drawn if "disable" not in options] == []


def test_a_suggested_model_can_be_typed_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "models/sample/gldv2").mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound) as caught:
        find_model("gldv", None)
    (suggested,) = re.findall("did you mean '(.+?)'", str(caught.value))
    assert find_model(suggested, None) == (tmp_path / "models/sample/gldv2", "sample")
    assert "there are: gldv2 (sample)." in str(caught.value)


def test_plots_name_their_dataset_and_keep_the_order_of_levels():
    plots = {out.path: out.plot for stage in STAGES for out in stage.writes if out.plot}
    assert all(plot["title"].startswith("${item.dataset}: ") for plot in plots.values())
    for table, channel in (("levels.csv", "y"), ("precision_recall.csv", "color")):
        template = json.loads((ROOT / f".dvc/plots/{plots[table]['template']}.json").read_text())
        assert template["encoding"][channel]["sort"] is None, "as the table has them: fine to coarse"
