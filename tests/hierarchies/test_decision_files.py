"""A decisions file in use: it grows for ever, may be a link, and two logins may share it."""

import io
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cairnhub.core.console import text_console
from cairnhub.core.errors import CairnError, Unreachable
from cairnhub.core.files import write_text_atomic
from cairnhub.hierarchies.review.decisions import Decision, append_decision, read_decisions
from cairnhub.hierarchies.voice.model_evidence import read_evidence
from tests.project import ROOT


def decision(number: int) -> Decision:
    return Decision("accept", "type", f"thing {number}", "group")


def write(path: Path, *numbers: int) -> None:
    path.write_text("".join(f"{decision(number).to_line()}\n" for number in numbers), encoding="utf-8")


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lines as they are parsed."""
    lines: list[str] = []
    parse = Decision.from_line

    def counting(line: str, where: str) -> Decision:
        lines.append(line)
        return parse(line, where)

    monkeypatch.setattr(Decision, "from_line", counting)
    return lines


def test_an_act_parses_no_line_twice(tmp_path: Path, parsed: list[str]) -> None:
    path = tmp_path / "d.jsonl"
    write(path, *range(500))
    for number in range(500, 505):
        assert append_decision(path, decision(number))[-1] == decision(number)
    assert read_decisions(path) == [decision(number) for number in range(505)]
    assert len(parsed) == 505


@pytest.mark.parametrize("numbers", [(0, 7, 2), (0, 1), (), (5, 0, 1, 2)])
def test_a_file_that_did_not_grow_is_read_anew(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    path = tmp_path / "d.jsonl"
    write(path, 0, 1, 2)
    assert len(read_decisions(path)) == 3
    write(path, *numbers)
    assert read_decisions(path) == [decision(number) for number in numbers]


def test_a_last_line_without_an_end_may_go_on(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    line = decision(1).to_line()
    path.write_text(f"{decision(0).to_line()}\n{line}", encoding="utf-8")
    assert read_decisions(path) == [decision(0), decision(1)]
    path.write_text(f"{decision(0).to_line()}\n{line}{line}\n", encoding="utf-8")
    with pytest.raises(CairnError, match=r"d\.jsonl:2: not JSON"):
        read_decisions(path)


def test_the_line_at_fault_is_named_after_the_file_grew(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    write(path, 0, 1)
    read_decisions(path)
    with path.open("a", encoding="utf-8") as file:
        file.write("\n{broken\n")
    with pytest.raises(CairnError, match=r"d\.jsonl:4: not JSON"):
        read_decisions(path)


def test_a_link_is_followed_and_the_mode_stays(tmp_path: Path) -> None:
    shared, mine = tmp_path / "shared", tmp_path / "mine"
    shared.mkdir()
    mine.mkdir()
    write(shared / "d.jsonl", 0)
    (shared / "d.jsonl").chmod(0o664)
    (mine / "d.jsonl").symlink_to("../shared/d.jsonl")
    append_decision(mine / "d.jsonl", decision(1))
    assert (mine / "d.jsonl").is_symlink()
    assert read_decisions(shared / "d.jsonl") == [decision(0), decision(1)]
    assert (shared / "d.jsonl").stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize(("folder", "lock"), [(0o2775, 0o664), (0o755, 0o644), (0o700, 0o600)])
def test_who_may_write_beside_the_file_may_take_its_lock(tmp_path: Path, folder: int, lock: int) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team").chmod(folder)
    before = os.umask(0o077)
    try:
        append_decision(tmp_path / "team/d.jsonl", decision(0))
    finally:
        os.umask(before)
    assert (tmp_path / "team/.d.jsonl.lock").stat().st_mode & 0o777 == lock


def test_a_lock_that_was_private_is_opened_by_its_owner(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    lock = tmp_path / ".d.jsonl.lock"
    lock.touch(0o600)
    append_decision(tmp_path / "d.jsonl", decision(0))
    assert lock.stat().st_mode & 0o777 == 0o664


@contextmanager
def another_login(group: int) -> Iterator[None]:
    """One of `nobody`, in this group."""
    os.setegid(group)
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="another user becomes root only")
def test_two_logins_of_a_group_share_file_and_lock() -> None:
    group = 4321
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # where another login gets in
        team = Path(name)
        os.chown(team, -1, group)
        team.chmod(0o775)  # files get the group of who makes them
        append_decision(team / "d.jsonl", decision(0))
        os.chown(team / "d.jsonl", -1, group)
        (team / "d.jsonl").chmod(0o660)
        append_decision(team / "d.jsonl", decision(1))
        with another_login(group):
            append_decision(team / "d.jsonl", decision(2))
            (team / "private.jsonl").touch()
        assert len(read_decisions(team / "d.jsonl")) == 3
        assert (team / "d.jsonl").stat().st_gid == (team / ".d.jsonl.lock").stat().st_gid == group
        (team / ".private.jsonl.lock").touch(0o600)
        with (
            another_login(group),
            pytest.raises(Unreachable, match=r"private\.jsonl\.lock: belongs to another"),
        ):
            append_decision(team / "private.jsonl", decision(0))


@pytest.mark.parametrize(
    "use", [lambda path: append_decision(path, decision(0)), read_decisions, read_evidence]
)
def test_a_link_that_leads_in_a_circle_is_named(tmp_path: Path, use: Callable[[Path], object]) -> None:
    (tmp_path / "a.jsonl").symlink_to("b.jsonl")
    (tmp_path / "b.jsonl").symlink_to("a.jsonl")
    with pytest.raises(CairnError, match=r"[ab]\.jsonl: a link that leads back to itself"):
        use(tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").is_symlink()


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    write_text_atomic(path, "old")
    path.chmod(0o640)
    write_text_atomic(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o640)


@pytest.mark.parametrize("evil", ["\x1b[2J\x1b]0;owned\x07", "\x9b31m", "a\rb", "\u202eexe.gpj"])
def test_what_data_say_is_shown_and_not_obeyed(evil: str) -> None:
    console = text_console(out := io.StringIO(), width=120)
    table = Table("level", evil)
    table.add_row(evil, Text(evil, style="red"))
    for shown in (evil, Text(evil), table, Panel(evil, title=Text(evil)), f"[bold]{evil}[/bold]"):
        console.print(shown)
    assert not any(sign in out.getvalue() for sign in "\x1b\x9b\x07\r\u202e")
    assert "[bold]" in out.getvalue()


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("last", [b"\n", b""], ids=["a last line", "a last line without an end"])
def test_git_merges_the_decisions_of_two_branches(tmp_path: Path, last: bytes) -> None:
    """Both went on from the same lines, and made one decision alike."""
    (tmp_path / ".gitattributes").write_bytes((ROOT / ".gitattributes").read_bytes())
    path = tmp_path / "decisions" / "toy.jsonl"
    path.parent.mkdir()
    write(path, *range(20))
    path.write_bytes(path.read_bytes().rstrip(b"\n") + last)
    git(tmp_path, "init", "-q", "-b", "base")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "base")
    for branch, numbers in (("hers", (100, 101, 102)), ("his", (200, 101, 201, 202))):
        git(tmp_path, "checkout", "-q", "-b", branch, "base")
        for number in numbers:
            append_decision(path, decision(number))
        git(tmp_path, "commit", "-qam", branch)
    git(tmp_path, "merge", "-q", "hers")
    merged = read_decisions(path)
    assert set(merged) == {decision(number) for number in (*range(20), *range(100, 103), *range(200, 203))}
    assert append_decision(path, decision(300)) == [*merged, decision(300)]
