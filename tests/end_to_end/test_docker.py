"""`examples/docker`: its files against Makefile and checkout, and its steps where there is no Docker: on an overlay."""

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cairnhub.core.portable import MARK
from tests.project import ROOT, copy_repository

EXAMPLE = ROOT / "examples/docker"
STEP = re.compile(r"^(\w+) ((?:.*\\\n)*.*)$", re.MULTILINE)


def steps(kind: str = "") -> list[str]:
    """Instructions of the Dockerfile, joined to one line each."""
    text = re.sub(r"^#.*\n", "", (EXAMPLE / "Dockerfile").read_text(), flags=re.MULTILINE)
    found = [(word, " ".join(rest.replace("\\\n", " ").split())) for word, rest in STEP.findall(text)]
    return [rest if kind else f"{word} {rest}" for word, rest in found if kind in ("", word)]


def ignored() -> list[str]:
    lines = (EXAMPLE / "Dockerfile.dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def is_sent(path: str) -> bool:
    """Whether a path of the checkout is part of what Docker gets."""
    parents = ["/".join(path.split("/")[: i + 1]) for i in range(path.count("/") + 1)]
    patterns = [pattern.removeprefix("**/") for pattern in ignored()]
    deep = {pattern.removeprefix("**/") for pattern in ignored() if pattern.startswith("**/")}
    return not any(
        fnmatch.fnmatchcase(parent.rsplit("/", 1)[-1] if pattern in deep else parent, pattern)
        for parent in parents
        for pattern in patterns
    )


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    return list(filter(None, listed.stdout.split("\0")))


def test_the_dockerfile_copies_what_is_there_and_makes_what_can_be_made() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    runs = " && ".join(steps("RUN"))
    assert re.findall(r"make ([a-z-]+)", runs) == ["setup", "repro"]
    assert {"setup", "repro"} <= targets
    for copy in steps("COPY"):
        *sources, _ = [word for word in copy.split() if not word.startswith("--")]
        assert all((ROOT / source).exists() for source in sources), copy
    requirement = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert requirement is not None
    assert steps()[0] == f"FROM python:{requirement[1]}-slim"
    assert steps("CMD") == ['["cairn", "datasets"]']


def test_what_docker_gets_is_the_checkout_and_nothing_else() -> None:
    assert [path for path in tracked() if not is_sent(path)] == []
    for path in (
        ".git/config",
        ".venv/bin/python",
        "data/hub/x",
        "models/m",
        "training/__pycache__/a.pyc",
        "dist/x.whl",
    ):
        assert not is_sent(path), path
    ours = set((ROOT / ".gitignore").read_text().replace("/\n", "\n").splitlines())
    assert {"/data", "/models", ".venv"} <= ours


def test_the_page_of_the_example_says_commands_that_are() -> None:
    page = (EXAMPLE / "README.md").read_text()
    build = next(line for line in page.splitlines() if line.startswith("docker build"))
    assert build in (EXAMPLE / "Dockerfile").read_text()
    arguments = shlex.split(build)
    assert (ROOT / arguments[arguments.index("-f") + 1]).samefile(EXAMPLE / "Dockerfile")
    (home,) = steps("WORKDIR")
    assert re.findall(r"-v \S+?:(/home\S+)", page) == [f"{home}/data"]
    assert 'os.environ.get("CAIRN_STORE"' in (ROOT / "pipelines/paths.py").read_text()
    assert "-e CAIRN_STORE=/store" in page


IN_THE_IMAGE = """
set -e
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged
cd merged
dvc repro
dvc status > ../status
cairn stage index crockery sample
cairn stage publish crockery sample
"""


@pytest.mark.long
@pytest.mark.slow
def test_the_steps_of_the_image_on_an_overlay(tmp_path: Path) -> None:
    """What `make repro` built in a layer is up to date in a container, and is built again there."""
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    unshare = shutil.which("unshare")
    mount = IN_THE_IMAGE.splitlines()[2]
    if (
        not unshare
        or subprocess.run([unshare, "-m", "sh", "-c", mount], cwd=tmp_path, check=False).returncode
    ):
        pytest.skip("no overlay can be mounted here")
    project = copy_repository(tmp_path / "lower")
    sent = {path.relative_to(project.root).as_posix() for path in project.root.rglob("*") if path.is_file()}
    for path in sent:
        if not path.startswith(".git/") and not is_sent(path):
            (project.root / path).unlink()
    shutil.rmtree(project.root / ".git")
    project.edit_params(
        lambda raw: raw.update(
            datasets=["crockery"], tree_from_data=["crockery"], tree_from_text=[], train_on=[]
        )
    )
    # As `make setup` leaves it, with the packages of this environment.
    (project.root / ".venv").mkdir()
    (project.root / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (project.root / ".venv/.ready").touch()
    last = steps("RUN")[-1]
    assert last == "git init --quiet && make repro"
    project.run("sh", "-c", last)
    built = project.contents("data/hub")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(tmp_path / "merged"),
        "DVC_NO_ANALYTICS": "1",
        MARK: "1",
    }
    done = subprocess.run(
        [unshare, "-m", "sh", "-c", IN_THE_IMAGE], cwd=tmp_path, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Data and pipelines are up to date." in done.stdout
    assert "up to date" in (tmp_path / "status").read_text()
    assert {
        path.relative_to(tmp_path / "upper").as_posix()
        for path in (tmp_path / "upper/data/hub").rglob("*")
        if path.is_file()
    } == set(built), "not written anew in the container"
    for path, raw in built.items():
        assert (tmp_path / "upper" / path).read_bytes() == raw
