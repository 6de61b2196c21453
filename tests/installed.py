"""The wheel, installed in an environment of its own, and a folder in which a newcomer works: no checkout in sight."""

import os
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cairnhub.core.portable import MARK
from tests.project import ROOT


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel and this environment's other packages, and a folder to work in.

    Attributes:
        site: its `site-packages`.
        folder: where commands run, if no other is named.
    """

    environment: Path
    site: Path
    folder: Path

    def run(
        self, *command: str, cwd: Path | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run `cairn`, `dvc` or `python`."""
        modules = {"cairn": ["-m", "cairnhub"], "dvc": ["-m", "dvc"], "python": []}
        python = [str(self.environment / "bin/python"), *modules[command[0]]]
        variables = {**os.environ, "PATH": f"{self.environment / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        variables |= {"DVC_NO_ANALYTICS": "1", MARK: "1"}
        variables.pop("PYTHONPATH", None)
        done = subprocess.run(
            [*python, *command[1:]],
            cwd=cwd or self.folder,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
        return done


def install(folder: Path) -> Installed:
    """Build the wheel and install it below `folder`."""
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "wheel")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    (site,) = environment.glob("lib/python*/site-packages")
    (wheel,) = (folder / "wheel").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    # The dependencies are those of this environment, without what it has of us: its own `.pth` files are not read.
    (site / "dependencies.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")))
    cairn = environment / "bin/cairn"  # as an installer writes it, for `dvc repro`
    main = "from cairnhub.__main__ import main\n\nif __name__ == '__main__':\n    main()\n"
    cairn.write_text(f"#!{environment / 'bin/python'}\n{main}")
    cairn.chmod(0o755)
    (folder / "work").mkdir()
    return Installed(environment, site, folder / "work")


def draw_classes(folder: Path, names: list[str], n_each: int = 4, side_px: int = 32) -> None:
    """Photos of each class in a folder of its name, alike by groups of ten."""
    rng = np.random.default_rng(0)
    shades = rng.random((len(names) // 10 + 1, 6, 6, 3))
    for place, name in enumerate(names):
        own = rng.random((6, 6, 3))
        (folder / name).mkdir(parents=True)
        for nth in range(n_each):
            mixed = 0.5 * shades[place // 10] + 0.35 * own + 0.15 * rng.random((6, 6, 3))
            picture = Image.fromarray((mixed * 255).astype(np.uint8))
            picture.resize((side_px, side_px), Image.Resampling.BICUBIC).save(folder / name / f"{nth}.jpg")
