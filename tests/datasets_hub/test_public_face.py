"""`import cairnhub`: costs next to nothing, shows all it has, and says the same things in the same order."""

import ast
import inspect
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Literal, get_args, get_origin, get_overloads, get_type_hints

import pytest
import typer

import cairnhub
from cairnhub.core import errors
from cairnhub.datasets_hub import loader
from cairnhub.datasets_hub.open_split import open_split, read_columns
from cairnhub.pipelines import cli
from cairnhub.pipelines.cli import datasets

FACE = Path(cairnhub.__file__)
ORDER = ["name", "split", "levels", "scale", "revision", "hub", "storage_options"]
ASK = [cairnhub.load_dataset, cairnhub.load_tree, cairnhub.describe, cairnhub.check, cairnhub.push]
FAMILY = ["BadInput", "BrokenData", "NoSpace", "NotFound", "Unreachable"]


def test_importing_it_costs_next_to_nothing() -> None:
    code = (
        "import sys, time, typing, importlib; before = set(sys.modules); start = time.perf_counter(); import cairnhub; "
        "seconds = time.perf_counter() - start; dir(cairnhub); "
        "import json; print(json.dumps([seconds, sorted(set(sys.modules) - before)]))"
    )
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    assert {name for name in runs[0][1] if name.partition(".")[0] not in sys.stdlib_module_names} == {
        "cairnhub",
        "cairnhub.core",
        "cairnhub.core.home",
        "cairnhub.core.lazy",
    }
    assert min(seconds for seconds, _ in runs) < 0.1


def test_loading_brings_no_torch() -> None:
    code = "import sys, cairnhub; cairnhub.load_dataset; cairnhub.write_dataset; assert 'torch' not in sys.modules"
    # Torch, where it is installed, is imported by `datasets` itself unless told otherwise.
    subprocess.run([sys.executable, "-c", f"import os; os.environ['USE_TORCH'] = '0'; {code}"], check=True)


def test_every_name_is_there_and_seen_by_dir_and_by_type_checkers() -> None:
    for name in cairnhub.__all__:
        assert getattr(cairnhub, name) is not None
    assert dir(cairnhub) == sorted(cairnhub.__all__)
    (block,) = [node for node in ast.parse(FACE.read_text()).body if isinstance(node, ast.If)]
    typed = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(typed) == sorted(cairnhub.__all__)
    for name, home in typed.items():
        module, _, name_there = home.partition(":")
        assert getattr(cairnhub, name) is getattr(sys.modules[module], name_there), name
    assert (FACE.parent / "py.typed").is_file()
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        cairnhub.nosuch  # noqa: B018


@pytest.mark.parametrize("function", [*ASK, open_split, read_columns], ids=lambda function: function.__name__)
def test_arguments_have_one_order(function: object) -> None:
    parameters = inspect.signature(function).parameters  # type: ignore[arg-type]
    known = [name for name in parameters if name in ORDER]
    assert known == [name for name in ORDER if name in known]
    assert known[0] == next(iter(parameters)) == "name"
    for name in ("scale", "revision", "hub", "storage_options"):
        if name in parameters:
            assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
            assert parameters[name].default is None


@pytest.mark.parametrize(
    ("split", "streaming", "kind"),
    [
        ("test", False, "Dataset"),
        (None, False, "DatasetDict"),
        ("test", True, "IterableDataset"),
        (None, True, "IterableDatasetDict"),
    ],
)
def test_what_load_dataset_gives_is_what_its_overloads_say(
    hub: Path, split: str | None, streaming: bool, kind: str
) -> None:
    loaded = cairnhub.load_dataset("toy", split, streaming=streaming, hub=hub, scale="sample")
    assert type(loaded).__name__ == kind
    given = {"split": str if split else type(None), "streaming": streaming}
    names = dict.fromkeys(("Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict"), object)
    fitting = []
    for overload in get_overloads(loader.load_dataset):
        hints = get_type_hints(overload, localns=names)
        is_streaming = get_origin(hints["streaming"]) is Literal and get_args(hints["streaming"])[0]
        if (hints["split"], is_streaming) == (given["split"], given["streaming"]):
            fitting.append(overload.__annotations__["return"])
    assert fitting == [kind]


def test_errors_are_one_family() -> None:
    members = [getattr(cairnhub, name) for name in FAMILY]
    assert all(issubclass(member, cairnhub.CairnError) for member in members)
    assert issubclass(cairnhub.CairnError, ValueError)
    assert not any(issubclass(a, b) for a in members for b in members if a is not b)
    where = errors.NotFound("no such image").within("toy")
    assert type(where) is errors.NotFound
    assert str(where) == "toy: no such image"


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ("torch", r"torch is missing; it comes with the extra 'train'.*'\.\[train\]'.*\.whl\[train\]'"),
        ("sklearn", r"scikit-learn is missing; it comes with the extra 'build'"),
        ("ruamel.yaml", r"ruamel-yaml is missing; it comes with the extra 'build'"),
        ("nosuch", "nosuch is missing: pip install nosuch"),
    ],
)
def test_a_missing_package_is_one_line_that_names_its_extra(package: str, message: str) -> None:
    def command() -> None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    with pytest.raises(SystemExit, match=message) as ended:
        errors.run_command_line(command)
    assert "\n" not in str(ended.value)


def test_a_missing_module_of_ours_is_a_fault_of_ours() -> None:
    def command() -> None:
        raise ModuleNotFoundError("No module named 'cairnhub.nosuch'", name="cairnhub.nosuch")

    with pytest.raises(ModuleNotFoundError):
        errors.run_command_line(command)


def test_each_help_text_has_an_example() -> None:
    modules = [import_module(f"{cli.__name__}.{found.name}") for found in iter_modules(cli.__path__)]
    apps = [app for module in modules for app in vars(module).values() if isinstance(app, typer.Typer)]
    texts = [each.callback.__doc__ or "" for app in apps for each in app.registered_commands if each.callback]
    assert len(texts) > 30
    for text in texts:
        assert re.search(r"^    Example: cairn ", text, re.M), text


def test_publish_is_push_by_its_former_name(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CAIRN_HUB", str(hub))
    arguments = ["toy", "--to", str(tmp_path / "toy"), "--scale", "sample"]
    for name, said in (("publish", "is now `cairn push`"), ("push", "")):
        datasets.sharing([name, *arguments], standalone_mode=False)
        assert (tmp_path / "toy/README.md").is_file()
        errors_shown = capsys.readouterr().err
        assert errors_shown.count("cairn push") == (1 if said else 0)
        assert said in errors_shown
