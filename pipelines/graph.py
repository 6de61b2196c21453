"""Make `dvc.yaml`: stages as `stage_graph` declares them, for the datasets that `params.yaml` lists.

Code dependencies are the import closure of a stage's module (`pipelines.code`); what differs between datasets (the
source's format, its registry or drawing, its registered counts, its evidence, its demonstration, the recipe) is one
dependency each. A project elsewhere runs the installed package, of which no file is a path of the project: what its
stages run stands there as a parameter, the code's fingerprint in `code.yaml`.
"""

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import yaml

from cairnhub.core.files import write_text_atomic
from cairnhub.pipelines.code import DATA, ROOT, fingerprint_of
from cairnhub.pipelines.dataset_facts import IN_PACKAGE, RECIPE, code_of, facts
from cairnhub.pipelines.params import Params, load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.stage_graph import PLAN, STAGES, Out, Stage

HEAD = """\
# The stage graph, made by `cairn graph` from pipelines/stage_graph.py, params.yaml and the imports of the code:
# change those, then make it again. A stage replaces its outputs itself, whole, at its end (persist), so that one that
# fails leaves the earlier ones untouched.
"""
CODE = "code.yaml"
CODE_HEAD = "# Fingerprints of the installed code, by stage, scale and dataset; made by `cairn graph`.\n"
SUFFIXES = {*DATA, ".py", ".yaml"}


def is_checkout(root: Path) -> bool:
    """Whether a project holds the code that runs: then its graph depends on files of it, else on `code.yaml`."""
    return root.resolve() == ROOT


def write_graph(root: Path) -> Path:
    """Write `dvc.yaml` of a project, and `code.yaml` where its code is the installed package."""
    for name, text in _texts(root).items():
        write_text_atomic(root / name, text)
    return root / "dvc.yaml"


def is_current(root: Path) -> bool:
    """Whether `write_graph` would change nothing."""
    return all(
        (root / name).is_file() and (root / name).read_text(encoding="utf-8") == text
        for name, text in _texts(root).items()
    )


def _texts(root: Path) -> dict[str, str]:
    root = root.resolve()
    params = load_params(root / "params.yaml")
    texts = {} if is_checkout(root) else {CODE: _fingerprints(params, root)}
    return texts | {"dvc.yaml": render(params, root)}


def render(params: Params, root: Path = ROOT) -> str:
    """The text of `dvc.yaml`."""
    return HEAD + yaml.dump({"stages": graph(params, root)}, Dumper=_Dumper, sort_keys=False, width=1000)


def graph(params: Params, root: Path) -> dict[str, dict[str, Any]]:
    """The stages as `dvc.yaml` has them, by name; those that some dataset asks for."""
    asked = {stage.name for stage in STAGES if not stage.over or _items(stage, params)}
    return {stage.name: _entry(stage, params, root, asked) for stage in STAGES if stage.name in asked}


def _items(stage: Stage, params: Params) -> list[tuple[str, str]]:
    """Scales and datasets that a stage runs for."""
    return [
        (scale, dataset)
        for scale in params.scales
        for dataset in getattr(params, stage.over)
        if stage.over not in ("train_on", "evaluate_on")
        or params.trains(params.model_of(dataset, scale), scale)
    ]


def _entry(stage: Stage, params: Params, root: Path, asked: Collection[str]) -> dict[str, Any]:
    """A stage as `dvc.yaml` has it."""
    if not stage.over:
        reads = [name for name in stage.reads if _is_there(name, root, asked)]
        definition = _definition(stage, root, [], [*reads])
        if not is_checkout(root) and stage.name == "plan":
            definition["always_changed"] = True  # it tells whether the installed code is another
        return {"desc": stage.does, "cmd": f"cairn stage {stage.name}", **definition}
    items = {
        f"{scale}-{dataset}": _Inline(
            {
                "dataset": dataset,
                "scale": scale,
                **_transfer(stage, params, scale, dataset),
                **_facts(stage, params, root, scale, dataset),
            }
        )
        for scale, dataset in _items(stage, params)
    }
    return {
        "foreach": items,
        "do": {
            "desc": stage.does,
            "cmd": f"cairn stage {stage.name} ${{item.dataset}} ${{item.scale}}",
            **_definition(
                stage, root, _own_facts(stage, root), [_place(stage, name) for name in stage.reads]
            ),
        },
    }


def _transfer(stage: Stage, params: Params, scale: str, dataset: str) -> dict[str, str]:
    """Of a stage that measures a model: whose it is, and the key of `params.yaml` that says so."""
    if stage.over != "evaluate_on":
        return {}
    model_of = params.model_of(dataset, scale)
    key = "batch_size" if model_of == dataset else f"transfer.{dataset}"
    return {"model_of": model_of, "transfer": f"evaluate.{scale}.{key}"}


def _is_there(name: str, root: Path, asked: Collection[str]) -> bool:
    """Whether a project has what a stage over all datasets reads: results of a stage that runs, or a file."""
    folder, _, stage = name.partition("/")
    return stage in asked if folder == "results" and "/" not in stage else (root / name).exists()


def _place(stage: Stage, name: str) -> str:
    """The path of an artifact, as `dvc.yaml` has it."""
    if not stage.over or "/" in name:
        return name
    model_of = "${item.model_of}" if stage.over == "evaluate_on" else ""
    paths = Paths(Path(), "${item.scale}", "${item.dataset}", model_of=model_of)
    path: Path = getattr(paths, name) if hasattr(paths, name) else paths.results(stage.name) / name
    return path.as_posix()


def _own_facts(stage: Stage, root: Path) -> list[str]:
    """Dependencies that differ between datasets; of installed code only those that may be files of the project."""
    if is_checkout(root):
        return [f"${{item.{key}}}" for key in stage.per_dataset]
    recipes = [key for key in RECIPE if f"${{item.{key}}}:" in stage.params]
    own = (*stage.per_dataset, *stage.inputs, *recipes)
    return [f"${{item.{key}}}" for key in own if key not in IN_PACKAGE]


def _definition(stage: Stage, root: Path, own: list[str], reads: list[str]) -> dict[str, Any]:
    """Dependencies, parameters and outputs."""
    kinds = {
        "outs": [out for out in stage.writes if not out.metric and not out.plot],
        "metrics": [out for out in stage.writes if out.metric],
        "plots": [out for out in stage.writes if out.plot],
    }
    written = {
        kind: [_out(out, _place(stage, out.path)) for out in outs] for kind, outs in kinds.items() if outs
    }
    code: list[str] = []
    params: list[Any] = [{key.removesuffix(":"): None} if key.endswith(":") else key for key in stage.params]
    if is_checkout(root):
        code = [path.relative_to(ROOT).as_posix() for path in together(code_of(stage))]
    else:
        item = ".${item.scale}.${item.dataset}" if stage.over else ""
        params = [key for key in stage.params if not key.endswith(":")] + [{CODE: [stage.name + item]}]
    return {"deps": [*code, *own, *reads], **({"params": params} if params else {}), **written}


def _facts(stage: Stage, params: Params, root: Path, scale: str, dataset: str) -> dict[str, str]:
    """What differs between datasets, as paths below the root; for files of the package, one that never changes."""
    found = facts(stage, params, root, scale, dataset)
    if is_checkout(root):
        return {key: path.relative_to(ROOT).as_posix() for key, path in found.items()}
    return {
        key: PLAN if _is_packaged(path, root) else Path(os.path.relpath(path, root)).as_posix()
        for key, path in found.items()
        if key not in IN_PACKAGE
    }


def _is_packaged(path: Path, root: Path) -> bool:
    """Whether a file is one of the package; that may be installed below the project, or the project lie below it."""
    return path.is_relative_to(ROOT) and not (root.is_relative_to(ROOT) and path.is_relative_to(root))


def _fingerprints(params: Params, root: Path) -> str:
    """The text of `code.yaml`: of each stage, per scale and dataset, the SHA-256 of the code that it runs."""
    made: dict[str, Any] = {}
    for stage in STAGES:
        code = code_of(stage)
        if not stage.over:
            made[stage.name] = fingerprint_of(code)
        for scale, dataset in _items(stage, params) if stage.over else ():
            given = facts(stage, params, root, scale, dataset).values()
            packaged = [path for path in given if _is_packaged(path, root)]
            scales = made.setdefault(stage.name, {}).setdefault(scale, {})
            scales[dataset] = fingerprint_of([*code, *packaged])
    return CODE_HEAD + yaml.safe_dump(made, sort_keys=False)


def _out(out: Out, path: str) -> dict[str, Any]:
    in_git = out.in_git or out.metric
    return {path: {**({"cache": False} if in_git else {}), "persist": True, **out.plot}}


def together(files: Iterable[Path]) -> list[Path]:
    """Files, and in place of files that are all of a folder, the folder; sorted.

    A package's `__init__.py` that nothing imports holds a docstring or lazy names: it keeps no folder apart, and counts
    where the folder stands for its files.
    """
    left = set(files)
    folders = {folder for path in left for folder in path.parents if ROOT in folder.parents}
    for folder in sorted(folders, key=lambda path: -len(path.parts)):
        held = {path for path in folder.rglob("*") if path.is_file() and path.suffix in SUFFIXES}
        inside = {path for path in left if folder in path.parents or path == folder}
        covered = {path for path in held if any(part in left for part in (path, *path.parents))}
        if len(inside) > 1 and covered >= {path for path in held if path.name != "__init__.py"}:
            left = (left - inside) | {folder}
    return sorted(left)


class _Inline(dict[str, str]):
    """Written on one line."""


class _Dumper(yaml.SafeDumper):
    """Lists are indented, nothing is aliased, what differs between datasets stands on one line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    _Inline,
    lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True),
)
_Dumper.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", ""))
