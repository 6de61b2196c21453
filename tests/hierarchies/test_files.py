"""Files and folders: whole or not at all, through kills, readers and writers side by side."""

import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cairnhub.core import files
from cairnhub.core.files import atomic_write, can_move, read_steadily, replace_folder, write_text_atomic
from cairnhub.hierarchies.review.decisions import Decision, append_decision, read_decisions

FORK = multiprocessing.get_context("fork")
N_DECISIONS = 20


def killed(function: Callable[..., None], *arguments: object) -> None:
    process = FORK.Process(target=function, args=arguments)
    process.start()
    process.join(30)
    assert process.exitcode == -9


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def die_writing_a_file(path: Path) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text("half")
        os.kill(os.getpid(), 9)


def die_filling_a_folder(path: Path) -> None:
    with replace_folder(path) as new:
        (new / "half").write_text("half")
        os.kill(os.getpid(), 9)


def test_what_a_killed_write_left_goes_with_the_next(tmp_path: Path) -> None:
    write_text_atomic(tmp_path / "tree.json", "old")
    killed(die_writing_a_file, tmp_path / "tree.json")
    killed(die_filling_a_folder, tmp_path / "folder")
    assert len(names(tmp_path)) == 3
    write_text_atomic(tmp_path / "tree.json", "new")
    with replace_folder(tmp_path / "folder") as new:
        (new / "whole").write_text("whole")
    assert names(tmp_path) == ["folder", "tree.json"]
    assert names(tmp_path / "folder") == ["whole"]


def test_what_a_living_write_has_stays(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a") as mine, replace_folder(tmp_path / "b") as my_folder:
        mine.write_text("mine")
        write_text_atomic(tmp_path / "a", "theirs")
        with replace_folder(tmp_path / "b") as theirs:
            (theirs / "theirs").touch()
        (my_folder / "mine").touch()
    assert (tmp_path / "a").read_text() == "mine"
    assert names(tmp_path / "b") == ["mine"]
    assert names(tmp_path) == ["a", "b"]


def test_a_name_with_brackets_is_no_pattern(tmp_path: Path) -> None:
    (tmp_path / ".a1.x.tmp").touch()
    write_text_atomic(tmp_path / "a[1]", "text")
    assert names(tmp_path) == [".a1.x.tmp", "a[1]"]


@pytest.mark.parametrize("platform", [sys.platform, "elsewhere"])
def test_a_folder_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(files.sys, "platform", platform)
    for text in ("old", "new"):
        with replace_folder(tmp_path / "folder") as new:
            (new / text).write_text(text)
    assert names(tmp_path / "folder") == ["new"]
    assert names(tmp_path) == ["folder"]


@pytest.mark.skipif(sys.platform != "linux", reason="folders change places in one step on Linux only")
def test_a_replaced_folder_is_never_missing(tmp_path: Path) -> None:
    def watch(event: str, _: tuple[object, ...]) -> None:
        if is_watching and event.startswith("os."):
            seen.append(folder.is_dir())

    folder, is_watching, seen = tmp_path / "folder", True, []
    folder.mkdir()
    sys.addaudithook(watch)
    with replace_folder(folder):
        pass
    is_watching = False
    assert seen
    assert all(seen)


def test_a_reader_sees_one_state(tmp_path: Path) -> None:
    folder = tmp_path / "folder"

    def replace(text: str) -> None:
        with replace_folder(folder) as new:
            (new / "a").write_text(text)
            (new / "b").write_text(text)

    def read() -> list[str]:
        first = (folder / "a").read_text()
        if later:
            replace(later.pop())
        return [first, (folder / "b").read_text()]

    replace("1")
    later = ["2"]
    os.utime(folder, ns=(1, 1))
    assert read_steadily(folder, read) == ["2", "2"]
    later = ["3", "2"]
    assert read_steadily(folder, read) == ["3", "3"]
    with pytest.raises(FileNotFoundError):
        read_steadily(folder, (folder / "c").read_text)
    with pytest.raises(FileNotFoundError):
        read_steadily(tmp_path / "none", (tmp_path / "none" / "c").read_text)


def decide(path: Path, author: str) -> None:
    for i in range(N_DECISIONS):
        append_decision(path, Decision("accept", "type", f"type {i}", "castle", author=author))


def test_two_reviewers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    reviewers = [FORK.Process(target=decide, args=(path, author)) for author in ("ada", "bob")]
    for reviewer in reviewers:
        reviewer.start()
    for reviewer in reviewers:
        reviewer.join(60)
    kept = [(decision.author, decision.label) for decision in read_decisions(path)]
    expected = [(author, f"type {i}") for author in ("ada", "bob") for i in range(N_DECISIONS)]
    assert sorted(kept) == sorted(expected)


IN_AN_IMAGE_LAYER = """
import errno, os
from pathlib import Path
from cairnhub.core.files import replace_folder, switch_folder

path = Path("merged/out")
try:
    os.rename(path, "merged/elsewhere")
    raise SystemExit("no image layer: a folder of it can be renamed")
except OSError as error:
    assert error.errno == errno.EXDEV, error
for text in ("new", "newer"):
    with replace_folder(path) as folder:
        (folder / "deep").mkdir()
        (folder / "deep/file").write_text(text)
    assert (path / "deep/file").read_text() == text
    assert sorted(os.listdir(path)) == ["deep"], os.listdir(path)
    assert sorted(os.listdir("merged")) == [".killed.partial", "out"], os.listdir("merged")
switch_folder(Path("merged/.killed.partial/first"), Path("merged/first"))
assert Path("merged/first/deep/file").read_text() == "of a killed run"
assert os.listdir("merged/.killed.partial") == []
"""


def test_a_folder_of_a_container_image_is_replaced(tmp_path: Path) -> None:
    """As of a built project in an image, and of a run that was killed there: overlayfs renames no folder of a layer."""
    for name in ("lower/out", "lower/.killed.partial/first/deep", "upper", "work", "merged"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "lower/.killed.partial/first/deep/file").write_text("of a killed run")
    (tmp_path / "lower/out/old").write_text("old")
    mount = "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged"
    unshare = shutil.which("unshare")
    if (
        not unshare
        or subprocess.run([unshare, "-m", "sh", "-c", mount], cwd=tmp_path, check=False).returncode
    ):
        pytest.skip("no overlay can be mounted here")
    command = f'{mount} && exec "{sys.executable}" -c "$SCRIPT"'
    environment = {**os.environ, "SCRIPT": IN_AN_IMAGE_LAYER, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(
        [unshare, "-m", "sh", "-c", command], cwd=tmp_path, env=environment, check=True, timeout=60
    )


def test_where_folders_cannot_be_renamed_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (there / ".toy.1234.tmp").mkdir()  # of a look that was killed
    assert can_move("toy", here, there)

    refused = iter((errno.EXDEV, errno.EACCES, errno.EROFS, errno.ENOSPC))

    def refuse(*_: object) -> None:
        code = next(refused)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "rename", refuse)
    assert [can_move("toy", here, there) for _ in range(3)] == [False] * 3
    with pytest.raises(OSError, match="space"):
        can_move("toy", here, there)
    assert names(here) == names(there) == []
