"""Two clones that share DVC's cache and the store, built at the same time, one of them killed on the way."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.chaos.repro import start
from tests.project import Project, copy_repository

COMPARED = ("data/hub", "data/tree", "data/index", "results")
BUILT = ("data", "dvc.lock", "results/*/*/", "results/report/index.html")


def contents(project: Project) -> dict[str, bytes]:
    return {name: content for folder in COMPARED for name, content in project.contents(folder).items()}


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_two_clones_share_a_cache_and_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_STORE", str(tmp_path / "store"))
    clones = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        clone = copy_repository(tmp_path / name)
        clone.edit_params(
            lambda raw: raw.update(
                datasets=["crockery"], tree_from_data=["crockery"], tree_from_text=[], train_on=[]
            )
        )
        clone.run("dvc", "config", "--local", "cache.dir", str(tmp_path / "cache"))
        clone.run("cairn", "graph")
        clones.append(clone)
    started = time.monotonic()
    together = [start(clone) for clone in clones]
    ends = [(run.communicate()[1], run.returncode) for run in together]
    seconds = time.monotonic() - started
    assert [code for _, code in ends] == [0, 0], ends
    built = contents(clones[0])
    assert built == contents(clones[1])
    assert any(name.startswith("data/hub") for name in built)

    # All again, in an empty cache and store; the first is killed while the second goes on.
    for folder in ("cache", "store"):
        shutil.rmtree(tmp_path / folder)
    for clone in clones:
        for path in [path for pattern in BUILT for path in clone.root.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    killed, other = (start(clone) for clone in clones)
    time.sleep(seconds / 2)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    errors = other.communicate()[1]
    assert other.returncode == 0, errors
    clones[0].run("dvc", "repro")
    for clone in clones:
        assert contents(clone) == built
        assert "up to date" in clone.run("dvc", "status").stdout
        clone.run("cairn", "doctor", "--deep")
