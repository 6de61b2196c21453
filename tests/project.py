"""A working copy of the repository, in which tests run its commands."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from cairnhub.core.portable import MARK

ROOT = Path(__file__).resolve().parents[1]
BUILT = ("gldv2", "inat2018", "dyml_product", "crockery")
"""What the built project has: every way to a tree, both with and without training."""


class Project:
    """A working copy and its commands."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the copy with this environment's programs; its code is the copy's.

        It computes with this processor's kernels, some times faster: `test_portable` and `make repro` hold the bits.
        """
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root),
            "DVC_NO_ANALYTICS": "1",
            MARK: "1",
        }
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
        return done

    def repro(self, *targets: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """As `make repro`: the graph of the present parameters, then `dvc repro`."""
        self.run("cairn", "graph", check=False)  # DVC tells what is wrong with parameters that cannot be read
        return self.run("dvc", "repro", *targets, check=check)

    def edit_params(self, edit) -> None:
        """Change `params.yaml` by a function of its parsed content."""
        path = self.root / "params.yaml"
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        edit(raw)
        path.write_text(yaml.safe_dump(raw), encoding="utf-8")

    def contents(self, folder: str) -> dict[str, bytes]:
        """Every file below a folder."""
        files = sorted(path for path in (self.root / folder).rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in files}


def copy_repository(target: Path) -> Project:
    """Copy what git would commit; the copy is a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file() or (ROOT / name).is_symlink():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    for scale in (target / "results").glob("*/*/"):
        shutil.rmtree(scale)
    (target / "results/report/index.html").unlink(missing_ok=True)
    (target / "dvc.lock").unlink(missing_ok=True)
    subprocess.run(["git", "init", "-q"], cwd=target, check=True)
    return Project(target)
