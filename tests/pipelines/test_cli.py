"""`cairn tree` on trees in files: what each command prints, and how it refuses."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from cairnhub import __main__ as program
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.pipelines import cli
from cairnhub.pipelines.cli import review
from cairnhub.pipelines.cli import trees as tree_commands
from tests.explorer_data import data_of

LEVELS = ["landmark", "category", "kind"]
ROWS = [
    ("Pont Neuf", "bridge", "human-made"),
    ("Tower Bridge", "bridge", "human-made"),
    ("Burg Eltz [bold]", "castle", "human-made"),
    ("Lac Léman", "lake", "natural"),
]


def tree_file(path: Path, rows: list[tuple[str, str, str]]) -> str:
    LabelTree.from_table(pd.DataFrame(rows, columns=LEVELS), levels=LEVELS).save(path)
    return str(path)


@pytest.fixture
def trees(tmp_path: Path) -> tuple[str, str]:
    moved = [("Pont Neuf", "lake", "natural"), *ROWS[1:]]
    return tree_file(tmp_path / "ours.json", ROWS), tree_file(tmp_path / "theirs.json", moved)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in which no table wraps, whatever runs the tests."""
    monkeypatch.setattr(tree_commands, "console", Console(width=160))


def cairn(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments, catch_exceptions=False)


def test_show_draws_the_tree_and_prints_markup_as_it_is(trees):
    shown = cairn("tree", "show", trees[0]).stdout
    assert shown.index("human-made") < shown.index("Burg Eltz [bold]")
    assert "Pont Neuf" not in cairn("tree", "show", trees[0], "--search", "leman").stdout
    assert "Pont Neuf" not in cairn("tree", "show", trees[0], "--depth", "2").stdout


def test_find_forgives_accents_and_case(trees):
    assert cairn("tree", "find", trees[0], "LEMAN").stdout == "Lac Léman (landmark) < lake < natural\n"
    assert cairn("tree", "find", trees[0], "xyzzy").stdout == "no label like 'xyzzy'\n"


def test_diff_names_the_moved_label(trees):
    assert cairn("tree", "diff", *trees).stdout == "landmark moved: bridge -> lake (1 leaves): Pont Neuf\n"
    assert cairn("tree", "diff", trees[0], trees[0]).stdout == "no difference\n"


def test_compare_prints_a_table_and_the_disagreement(trees):
    printed = cairn("tree", "compare", *trees).stdout
    assert "V-measure" in printed
    assert "1 in 'bridge' (mostly 'bridge') are 'lake': Pont Neuf" in printed
    same = cairn("tree", "compare", trees[0], trees[0]).stdout
    assert same.count("1.000") == 2 * 4


def test_export_and_html_write_the_tree(trees, tmp_path: Path):
    assert cairn("tree", "export", trees[0]).stdout.splitlines()[0] == "landmark,category,kind"
    assert json.loads(cairn("tree", "export", trees[0], "--form", "d3").stdout)["children"]
    page = tmp_path / "page.html"
    cairn("tree", "html", trees[0], "--output", str(page))
    assert "Lac Léman" in json.dumps(data_of(page.read_text(encoding="utf-8"))["trees"], ensure_ascii=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tree", "show", "nowhere.json"), "nowhere.json"),
        (("tree", "export", "{ours}", "--form", "xls"), "xls"),
        (("tree", "find", "no_such_dataset", "x"), "no_such_dataset"),
    ],
)
def test_a_mistake_is_one_message(trees, monkeypatch, tmp_path, arguments, words):
    monkeypatch.setenv("CAIRN_HUB", str(tmp_path))
    filled = [argument.format(ours=trees[0]) for argument in arguments]
    monkeypatch.setattr(sys, "argv", ["cairn", *filled])
    with pytest.raises(SystemExit) as stop:
        program.main()
    assert str(stop.value).startswith("error: ")
    assert words in str(stop.value)


def test_html_writes_one_tree_or_two_side_by_side(trees, tmp_path: Path):
    for arguments, n_panes in (([trees[0]], 1), ([trees[0], "--compare", trees[1]], 2)):
        page = tmp_path / f"{n_panes}.html"
        assert (
            f"{page}: open it in a browser" in cairn("tree", "html", *arguments, "--output", str(page)).stdout
        )
        assert page.read_text(encoding="utf-8").count('<section class="pane"') == n_panes


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "takes no writes"), (errno.EACCES, "owner")],
)
def test_what_the_disk_refuses_is_one_message(monkeypatch, code, words):
    def refuse() -> None:
        raise OSError(code, os.strerror(code), "/data/file")

    monkeypatch.setattr(cli, "app", refuse)
    with pytest.raises(SystemExit, match=f"^error: /data/file: .*{words}"):
        program.main()


def test_other_errors_pass(monkeypatch):
    def fail() -> None:
        raise OSError(errno.EBADF, "a fault of ours")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(OSError, match="a fault of ours"):
        program.main()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stage", "taxonomy", "gldv2"], "the tree of 'gldv2' is proposed from texts"),
        (["stage", "cluster", "inat2018"], "the tree of 'inat2018' comes from its labels"),
        (["stage", "cluster", "gldv3"], "no dataset 'gldv3' under sources; did you mean 'gldv2'?"),
        (["stage", "train", "dyml_animal"], "'dyml_animal' has no recipe under train.sample.recipes"),
        (["include", "cub", "--scale", "big"], "no scale 'big'; choose one of sample, full"),
    ],
)
def test_a_stage_that_cannot_be_is_refused(monkeypatch, arguments, words):
    monkeypatch.setattr(sys, "argv", ["cairn", *arguments])
    with pytest.raises(SystemExit) as stop:
        program.main()
    assert words in str(stop.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["review", "inat2018"], "nothing to propose or to review; trees from texts have: gldv2"),
        (["review", "gldv2", "--scale", "big"], "no scale 'big'"),
        (["search", "gldv2", "absent.jpg"], "absent.jpg: there is no such picture"),
        (["retrieve", "gldv", "gldv2"], "no model 'gldv'"),
    ],
)
def test_people_are_told_what_there_is(monkeypatch, arguments, words):
    monkeypatch.setattr(sys, "argv", ["cairn", *arguments])
    with pytest.raises(SystemExit) as stop:
        program.main()
    assert words in str(stop.value)


def test_a_login_without_a_name_is_asked_for(monkeypatch):
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr(review.getpass, "getuser", nameless)
    monkeypatch.setattr(sys, "argv", ["cairn", "review", "gldv2"])
    with pytest.raises(SystemExit, match="say who decides with --author"):
        program.main()


def test_a_terminal_without_unicode_shows_what_it_can(trees) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment.pop("PYTHONIOENCODING", None)
    command = [sys.executable, "-m", "cairnhub", "tree", "show", trees[0]]
    shown = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"Lac L\\xe9man" in shown.stdout
