"""One house, one name: nothing of ours is called but `cairnhub`, wherever it is installed."""

import ast
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project import ROOT

ROOMS = ("pipelines", "hierarchies", "datasets_hub", "training")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL = {
    "triton",  # comes with the CUDA build of torch, and is done without elsewhere
    "faiss",  # of faiss-cpu, whose name it does not have
}


def tracked(*patterns: str) -> list[Path]:
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [ROOT / name for name in sorted(filter(None, listed.split("\0"))) if (ROOT / name).is_file()]


def imported(path: Path) -> set[str]:
    """Modules that a file imports, absolute, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: a relative import"
            names.add(node.module or "")
    return names


def test_no_room_is_imported_by_its_bare_name() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in tracked("*.py")
        for name in imported(path)
        if name.partition(".")[0] in ROOMS
    }
    assert not found


def test_no_page_shows_an_import_of_a_room_by_its_bare_name() -> None:
    bare = re.compile(rf"^\s*(?:from|import) (?:{'|'.join(ROOMS)})\b|-m (?:{'|'.join(ROOMS)})\b", re.M)
    found = {
        f"{path.relative_to(ROOT)}: {match[0].strip()}"
        for path in tracked("*.md", "*.yaml", "Makefile")
        for match in bare.finditer(path.read_text(encoding="utf-8"))
    }
    assert not found


def test_no_module_is_imported_twice_under_two_names() -> None:
    code = """
import importlib, os, pkgutil, sys
import cairnhub
for module in pkgutil.walk_packages(cairnhub.__path__, "cairnhub."):
    if module.name.rsplit(".", 1)[-1] in ("__main__", "triton"):  # runs; needs the package triton
        continue
    importlib.import_module(module.name)
names = {}
for name, module in list(sys.modules.items()):
    file = getattr(module, "__file__", None)
    if file and os.path.realpath(file).startswith(sys.argv[1] + os.sep) and "site-packages" not in file:
        names.setdefault(os.path.realpath(file), set()).add(name)
assert len(names) > 100, len(names)
print("; ".join(f"{sorted(each)}" for each in names.values() if len(each) > 1))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stdout.strip()


def test_what_is_imported_is_declared() -> None:
    """Every package that a room imports stands in pyproject.toml, in the bare install or in an extra."""
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for name in extras if name != "dev" for line in extras[name])]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    homes = packages_distributions()
    undeclared = set()
    for path in tracked("cairnhub/*.py", *(f"{room}/*.py" for room in ROOMS)):
        for name in {module.partition(".")[0] for module in imported(path)} - {"cairnhub"} - OPTIONAL:
            if name in sys.stdlib_module_names:
                continue
            if not {canonicalize_name(home) for home in homes.get(name, [name])} & declared:
                undeclared.add(f"{path.relative_to(ROOT)}: {name}")
    assert not undeclared


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_one_top_level_name_and_no_decisions(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"cairnhub", f"cairnhub-{PROJECT['version']}.dist-info"}
    for room in ROOMS:
        assert f"cairnhub/{room}/__init__.py" in names
    assert "cairnhub/py.typed" in names
    demonstrations = (
        "cairnhub/pipelines/samples/demonstrations/"  # drawn as the sample is: nobody's decisions
    )
    lines = [name for name in names if name.endswith(".jsonl") and not name.startswith(demonstrations)]
    assert not lines
    assert not [name for name in names if "decisions/" in name or name.endswith(".pyc")]
    assert f"{demonstrations}gldv2.jsonl" in names


def test_a_project_with_rooms_of_the_same_names_keeps_its_own(wheel: Path, tmp_path: Path) -> None:
    environment, project = tmp_path / "environment", tmp_path / "project"
    venv.create(environment, with_pip=False)
    (site,) = environment.glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    # The dependencies are those of this environment, without what it has of us: its own `.pth` files are not read.
    (site / "dependencies.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")))
    for room in ROOMS:
        (project / room).mkdir(parents=True)
        (project / room / "__init__.py").write_text(f"NAME = 'my {room}'\n")
    (project / "training" / "run.py").write_text(
        "from pipelines.etl import ROWS\nimport cairnhub\nROWS += 1\n"
    )
    (project / "pipelines" / "etl.py").write_text("ROWS = 41\n")
    code = f"""
import cairnhub, cairnhub.training, cairnhub.pipelines.params, cairnhub.datasets_hub.loader
import training.run, pipelines, hierarchies, datasets_hub
assert training.run.ROWS == 42
assert [room.NAME for room in (pipelines, hierarchies, datasets_hub)] == [f"my {{n}}" for n in {ROOMS[:3]}]
assert cairnhub.training.__file__.startswith({str(site)!r}), cairnhub.training.__file__
table = {{"leaf": ["a", "b"], "kind": ["x", "y"]}}
import pandas
print(cairnhub.LabelTree.from_table(pandas.DataFrame(table), ["leaf", "kind"]).path("a"))
"""
    python = environment / "bin" / "python"
    for command in (["-c", code], ["-m", "cairnhub", "tree", "--help"]):
        done = subprocess.run(
            [str(python), *command], cwd=project, env={}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert "Propose label trees" in done.stdout
