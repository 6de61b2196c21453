"""A user without a home, or with one that takes no writes, as containers have them."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import cairnhub
from cairnhub.core import home
from cairnhub.core.errors import BadInput, CairnError, NoSpace, Unreachable
from cairnhub.datasets_hub import preparation
from cairnhub.datasets_hub.destinations import open_destination
from cairnhub.datasets_hub.export.export_dataset import check_place
from cairnhub.datasets_hub.filesystems import filesystem_of
from cairnhub.datasets_hub.location import Location, find_hub, locate
from cairnhub.pipelines.doctor import machine
from tests.datasets_hub.hub_toy import write_toy
from tests.project import ROOT

NOWHERE = SimpleNamespace(location=Location("s3://bucket/toy"))


@pytest.fixture
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody says where this user's home is; the folder for temporary files."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}["uid not found"])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_who_has_no_home_gets_the_same_one_each_time(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.ensure_home()
    given = Path.home()
    assert given.parent == homeless
    assert given.stat().st_mode & 0o777 == 0o700
    monkeypatch.delenv("HOME")
    home.ensure_home()
    assert Path.home() == given


@pytest.mark.parametrize("of_another", ["open to all", "link", "file"])
def test_a_home_that_others_may_write_to_is_not_taken(homeless: Path, of_another: str) -> None:
    usual = homeless / f"cairn-home-{os.getuid()}"
    if of_another == "file":
        usual.touch(0o600)
    elif of_another == "link":
        (homeless / "theirs").mkdir(0o700)
        usual.symlink_to(homeless / "theirs")
    else:
        usual.mkdir()
        usual.chmod(0o777)
    home.ensure_home()
    assert Path.home() != usual
    assert Path.home().parent == homeless


def test_where_nothing_can_be_written_the_package_is_imported(
    homeless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(homeless / "absent"))
    home.ensure_home()
    assert not home.has_home()


def test_the_package_sees_to_it_when_it_is_imported(tmp_path: Path) -> None:
    code = """
import os, pwd
pwd.getpwuid = lambda uid: {}[uid]
import cairnhub
print(os.environ["HOME"])
"""
    environment = {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(tmp_path / f"cairn-home-{os.getuid()}")


@pytest.mark.parametrize(
    "take",
    [
        locate,
        find_hub,
        open_destination,
        filesystem_of,
        lambda path: check_place(Path(path), "record", NOWHERE),
    ],
)
def test_a_home_that_nobody_has_is_one_message(take: Callable[[str], object]) -> None:
    with pytest.raises(BadInput, match=r"nobody here has the home ~no-such-user: write the path in full"):
        take("~no-such-user/x")


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (errno.EACCES, Unreachable, "no permission"),
        (errno.EROFS, Unreachable, "takes no writes"),
        (errno.ENOSPC, NoSpace, "the disk is full"),
    ],
)
@pytest.mark.parametrize("is_cause", [False, True])
def test_where_copies_cannot_be_kept_hf_home_is_named(
    code: int,
    kind: type[CairnError],
    said: str,
    is_cause: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def fail(*_: object, **__: object) -> None:
        refused = OSError(code, os.strerror(code), "/home/of-nobody/.cache")
        if is_cause:  # as `datasets` does
            raise RuntimeError("an error while generating") from refused
        raise refused

    write_toy(tmp_path / "toy")
    monkeypatch.setattr(preparation, "_load_bounded", fail)
    with pytest.raises(kind, match=rf"/home/of-nobody/.cache: .*{said}.*HF_HOME=<folder>"):
        cairnhub.load_dataset(tmp_path / "toy", "train")


def test_the_doctor_says_what_other_packages_will_miss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(machine.getpass, "getuser", nobody)
    assert "DVC needs HOME and USER" in machine._home().verdict
    monkeypatch.setattr(machine.os, "access", lambda *_: False)
    assert "HF_HOME" in machine._home().verdict
