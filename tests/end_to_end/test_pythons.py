"""The wheel alone, as an installer brings it, in each Python that it names: write, check, load, look at the tree."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.test_python_route import BLOCKS, draw_photos
from tests.project import ROOT

VERSIONS = re.findall(
    r"Programming Language :: Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8")
)
LOADED = """
import sys

import cairnhub

dataset = load_dataset("birds", "train", scale="sample")
print(sys.version_info[:2], len(dataset), dataset[0]["image"].size, cairnhub.load_tree("birds").levels)
print(cairnhub.__file__)
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
def test_the_bare_install_works_in_every_python_named(tmp_path: Path, version: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    found = subprocess.run(
        [uv, "python", "find", "--no-python-downloads", version], capture_output=True, check=False
    )
    if found.returncode:
        pytest.skip(f"no Python {version} on this machine")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=ROOT)
    run(uv, "venv", "--quiet", "--no-python-downloads", "--python", version, "environment", cwd=tmp_path)
    python, (wheel,) = tmp_path / "environment/bin/python", tmp_path.glob("*.whl")
    run(uv, "pip", "install", "--quiet", "--python", python, wheel, cwd=tmp_path)
    draw_photos(tmp_path)
    (tmp_path / "script.py").write_text(BLOCKS[0] + LOADED, encoding="utf-8")
    told = run(python, "script.py", cwd=tmp_path)
    assert told.startswith(f"(3, {version[2:]}) 32 (32, 32) ('species', 'kind')\n{tmp_path / 'environment'}")
    cairn = tmp_path / "environment/bin/cairn"
    assert "birds" in run(cairn, "datasets", cwd=tmp_path)
    assert "owl" in run(cairn, "tree", "show", "birds", cwd=tmp_path)
