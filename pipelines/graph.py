"""Make `dvc.yaml`: stages as `stage_graph` declares them, for the datasets that `params.yaml` lists.

Code dependencies are the import closure of a stage's module (`pipelines.code`); what differs between datasets (the
source's format, its registry or drawing, its registered counts, its evidence, its demonstration, the recipe) is one
dependency each.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from cairnhub.core.errors import BadInput
from cairnhub.core.files import write_text_atomic
from cairnhub.pipelines.code import DATA, ROOT, closure, source_of
from cairnhub.pipelines.params import Params, load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.samples.demonstration import DEMONSTRATIONS, demonstration
from cairnhub.pipelines.samples.generate import SAMPLES
from cairnhub.pipelines.sources.readers import reader
from cairnhub.pipelines.stage_graph import STAGES, Out, Stage
from cairnhub.training.recipes.files import files_of_recipe

HEAD = """\
# The stage graph, made by `cairn graph` from pipelines/stage_graph.py, params.yaml and the imports of the code:
# change those, then make it again. A stage replaces its outputs itself, whole, at its end (persist), so that one that
# fails leaves the earlier ones untouched.
"""
Item = dict[str, str]
SUFFIXES = {*DATA, ".py", ".yaml"}


def is_checkout(root: Path) -> bool:
    """Whether a project is the checkout that this code runs from: its graph depends on the code."""
    return root.resolve() == ROOT


def write_graph(root: Path) -> Path:
    """Write `dvc.yaml` of a checkout.

    Raises:
        BadInput: the project is no checkout of the code that runs.
    """
    if not is_checkout(root):
        raise BadInput(
            f"{root}: the graph depends on the code of {ROOT}: run this there, or `cairn stage` by hand here"
        )
    path = root / "dvc.yaml"
    write_text_atomic(path, render(load_params(root / "params.yaml")))
    return path


def is_current(root: Path) -> bool:
    """Whether `dvc.yaml` is what `write_graph` would write."""
    return (root / "dvc.yaml").read_text(encoding="utf-8") == render(load_params(root / "params.yaml"))


def render(params: Params) -> str:
    """The text of `dvc.yaml`."""
    stages = {stage.name: entry for stage in STAGES if (entry := _entry(stage, params))}
    return HEAD + yaml.dump({"stages": stages}, Dumper=_Dumper, sort_keys=False, width=1000)


def _entry(stage: Stage, params: Params) -> dict[str, Any]:
    """A stage as `dvc.yaml` has it; empty where no dataset asks for it."""
    if not stage.over:
        return {
            "desc": stage.does,
            "cmd": f"cairn stage {stage.name}",
            **_definition(stage, [], lambda name: name),
        }
    datasets: Sequence[str] = getattr(params, stage.over)
    items = {
        f"{scale}-{dataset}": _Inline(
            {"dataset": dataset, "scale": scale, **_facts(stage, params, scale, dataset)}
        )
        for scale in params.scales
        for dataset in datasets
        if stage.over not in ("train_on", "evaluate_on") or params.trains(dataset, scale)
    }
    if not items:
        return {}
    paths = Paths(Path(), "${item.scale}", "${item.dataset}")

    def place(name: str) -> str:
        if "/" in name:
            return name
        path: Path = getattr(paths, name) if hasattr(paths, name) else paths.results(stage.name) / name
        return path.as_posix()

    per_dataset = [f"${{item.{key}}}" for key in stage.per_dataset]
    return {
        "foreach": items,
        "do": {
            "desc": stage.does,
            "cmd": f"cairn stage {stage.name} ${{item.dataset}} ${{item.scale}}",
            **_definition(stage, per_dataset, place),
        },
    }


def _definition(stage: Stage, per_dataset: list[str], place: Callable[[str], str]) -> dict[str, Any]:
    """Dependencies, parameters and outputs; `place` turns an artifact's name into its path."""
    chosen = [module for key in stage.per_dataset for module in _chosen(key)]
    reached = closure([f"pipelines.stages.{stage.name}", *chosen], stage.neutral)
    own = {_home(module) for module in chosen}
    code = together(path for path in reached if not own & {path, *path.parents})
    deps = [*(_below_root(path) for path in code), *per_dataset, *map(place, stage.reads)]
    kinds = {
        "outs": [out for out in stage.writes if not out.metric and not out.plot],
        "metrics": [out for out in stage.writes if out.metric],
        "plots": [out for out in stage.writes if out.plot],
    }
    written = {kind: [_out(out, place(out.path)) for out in outs] for kind, outs in kinds.items() if outs}
    params: list[Any] = [{key.removesuffix(":"): None} if key.endswith(":") else key for key in stage.params]
    return {"deps": deps, **({"params": params} if params else {}), **written}


def _out(out: Out, path: str) -> dict[str, Any]:
    in_git = out.in_git or out.metric
    return {path: {**({"cache": False} if in_git else {}), "persist": True, **out.plot}}


def _facts(stage: Stage, params: Params, scale: str, dataset: str) -> Item:
    """What differs between datasets, as paths below the root."""
    every = {
        "format": lambda: _format(params, dataset),
        "origin": lambda: _origin(params, scale, dataset),
        "counts": lambda: _counts(params, scale, dataset),
        "exclusions": lambda: params.source(dataset).exclude_ids or _registered("none", ".exclusions.csv"),
        "groups": lambda: _of_tree(params, dataset, "names"),
        "vectors": lambda: _of_tree(params, dataset, "vectors"),
        "evidence": lambda: _evidence(dataset),
        "demonstration": lambda: _below_root(demonstration(scale, params.files_of(dataset))),
        "recipe": lambda: _recipe_files(params, scale, dataset)[0],
        "base": lambda: _recipe_files(params, scale, dataset)[-1],
    }
    used = [key for key in every if f"${{item.{key}}}" in "".join(stage.params) or key in stage.per_dataset]
    return {key: every[key]() for key in used}


def _below_root(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _chosen(key: str) -> list[str]:
    """Modules of which a stage loads one by name: that one is a dependency per dataset, what they import of all."""
    if key == "format":
        folder = ROOT / "pipelines/sources/formats"
        return [f"pipelines.sources.formats.{name}" for name in _modules(folder)]
    if key == "origin":
        names = {writer.split(":")[0] for writer in SAMPLES.values()}
        return [f"pipelines.samples.{name}" for name in sorted(names)]
    return []


def _modules(package: Path) -> list[str]:
    """Names of the modules and packages in a package."""
    return sorted(
        path.stem
        for path in package.iterdir()
        if (path.suffix == ".py" and path.name != "__init__.py") or (path / "__init__.py").is_file()
    )


def _home(module: str) -> Path:
    """A module's file, or the folder that it is."""
    source = source_of(module)
    return source.parent if source.name == "__init__.py" else source


def _format(params: Params, dataset: str) -> str:
    """The code of the source's format: a module or a folder."""
    return _below_root(_home(f"pipelines.sources.formats.{params.source(dataset).format}"))


def _origin(params: Params, scale: str, dataset: str) -> str:
    """What says which files there are: the code that draws the sample, or the registry; a table has neither."""
    owner = params.files_of(dataset)
    if scale == "sample" and owner in SAMPLES:
        return _below_root(_home(f"pipelines.samples.{SAMPLES[owner].split(':')[0]}"))
    return _registered(owner, ".tsv")


def _counts(params: Params, scale: str, dataset: str) -> str:
    """The counts that a whole dataset is held against."""
    return _registered(reader(params, dataset, scale).edition, ".counts.yaml")


def _of_tree(params: Params, dataset: str, key: str) -> str:
    """A file that a declared tree names; an empty one where it names none."""
    tree = params.source(dataset).tree
    return (getattr(tree, key) if tree else None) or _registered("none", ".groups.txt")


def _evidence(dataset: str, root: Path = ROOT) -> str:
    """What a language model answered; an empty file where none was asked."""
    path = Paths(Path(), "", dataset).evidence
    return path.as_posix() if (root / path).is_file() else _below_root(DEMONSTRATIONS / "none.jsonl")


def _recipe_files(params: Params, scale: str, dataset: str) -> list[str]:
    """The recipe's file and the one that it extends, if it does."""
    name: str = getattr(params.train, scale).recipes[dataset]
    return [_below_root(path.resolve()) for path in files_of_recipe(name)]


def _registered(name: str, ending: str) -> str:
    path = Path("pipelines/sources/registries") / f"{name}{ending}"
    return (path if (ROOT / path).is_file() else path.with_name(f"none{ending}")).as_posix()


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
