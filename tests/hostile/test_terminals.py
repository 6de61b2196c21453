"""What a stranger calls levels, splits and tags is shown by no command in a form that a terminal obeys."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.records import RowList
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.pipelines.cli import app
from tests.datasets_hub.hub_toy import toy_card, toy_row, toy_tree, write_toy

EVIL = "\x1b]0;owned\x07"
COMMANDS = (
    "datasets",
    "datasets check {bad}",
    "datasets diff {good} {bad}",
    "export {bad} --to imagefolder --output {tmp}/out",
    "tree show {bad}",
    "tree show {bad}/tree.json",
    "tree diff {good} {bad}",
    "tree export {bad}",
    "tree export {bad}/tree.json",
    "push {bad} --to {tmp}/pushed",
)
READ_IT = ("export {bad} --to imagefolder --output {tmp}/out", "tree show {bad}", "tree diff {good} {bad}")
"""Those that read the column of a level."""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal") / "hub" / "sample" / "toy"
    rows = [toy_row("train", 0), toy_row("train", 1), toy_row("test", 0)]
    write_toy(folder, tree=toy_tree(200), card=toy_card(protocols=()), partitions=[RowList(rows)])
    return folder


def spoil(folder: Path, what: str) -> None:
    """Put a name with escapes into the small files of a dataset; or one that is no column."""
    readme, stats, tree = (folder / name for name in ("README.md", "stats.json", "tree.json"))
    if what == "tag":
        text = readme.read_text().replace("  tags:\n", f"  tags:\n  - {json.dumps(EVIL)}\n", 1)
        assert json.dumps(EVIL) in text
        readme.write_text(text)
    elif what == "split":
        stats.write_text(stats.read_text().replace('"test"', json.dumps(f"te{EVIL}st")))
    else:
        name = "unknown" if what == "column" else f"fi{EVIL}ne"
        before = LabelTree.load(tree)
        levels = (name, *before.levels[1:])
        after = LabelTree(levels, before.names, before.parents)
        old, new = json.dumps(before.levels[0]), json.dumps(name)
        tree.write_text(tree.read_text().replace(old, new))
        numbers = stats.read_text().replace(old, new).replace(before.fingerprint, after.fingerprint)
        stats.write_text(numbers)
        text = re.sub(rf"(?m)^(\s*- ){before.levels[0]}$", lambda line: line[1] + new, readme.read_text())
        readme.write_text(text)


@pytest.mark.parametrize("what", ["level", "column", "split", "tag"])
def test_names_of_strangers_are_not_obeyed(
    good: Path, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "hub" / "sample" / "toy"
    shutil.copytree(good, bad)
    spoil(bad, what)
    monkeypatch.setenv("CAIRN_HUB", str(tmp_path / "hub"))
    n_refused = 0
    for command in COMMANDS if what != "column" else READ_IT:
        done = CliRunner().invoke(app, command.format(good=good, bad=bad, tmp=tmp_path).split())
        error = done.exception
        assert error is None or isinstance(error, CairnError | SystemExit), (command, repr(error))
        shown = f"{done.output}{error or ''}"
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown), (command, shown)
        n_refused += error is not None
    assert n_refused >= 3
