"""What a stage of one dataset depends on beside its artifacts: its code, and the files that differ between datasets."""

import os
from pathlib import Path

from cairnhub.pipelines.code import ROOT, closure, source_of
from cairnhub.pipelines.params import Params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.samples.demonstration import DEMONSTRATIONS, demonstration
from cairnhub.pipelines.samples.generate import SAMPLES
from cairnhub.pipelines.settings.sources import GLDv2Source, TableSource
from cairnhub.pipelines.sources.readers import reader
from cairnhub.pipelines.stage_graph import Stage
from cairnhub.training.recipes.files import files_of_recipe, folder_of_recipe

IN_PACKAGE = ("format", "origin", "counts", "demonstration")
"""Facts that are always files of the package; the others may be files of the project."""
RECIPE = ("recipe", "base")


def code_of(stage: Stage) -> list[Path]:
    """The files that a stage runs whatever the dataset, sorted; of what it loads by name, what those import."""
    chosen = [module for key in stage.per_dataset for module in _chosen(key)]
    reached = closure([f"pipelines.stages.{stage.name}", *chosen], stage.neutral)
    own = {_home(module) for module in chosen}
    return [path for path in reached if not own & {path, *path.parents}]


def facts(stage: Stage, params: Params, root: Path, scale: str, dataset: str) -> dict[str, Path]:
    """What differs between datasets: files of the package, or of the project below `root`."""
    every = {
        "format": lambda: _home(f"pipelines.sources.formats.{params.source(dataset).format}"),
        "origin": lambda: _origin(params, scale, dataset),
        "counts": lambda: _registered(reader(params, dataset, scale).edition, ".counts.yaml"),
        "exclusions": lambda: _own(params.source(dataset).exclude_ids, root, ".exclusions.csv"),
        "groups": lambda: _of_tree(params, root, dataset, "names"),
        "vectors": lambda: _vectors(params, root, dataset),
        "evidence": lambda: _evidence(root, dataset),
        "demonstration": lambda: demonstration(scale, params.files_of(dataset)),
        "whitening": lambda: _whitening(params, root, scale, dataset),
        "mirror": lambda: _mirror(params, root, scale, dataset),
        "linked": lambda: _linked(params, root, scale, dataset),
        "recipe": lambda: _recipe_files(params, root, scale, dataset)[0],
        "base": lambda: _recipe_files(params, root, scale, dataset)[-1],
    }
    named = {*stage.per_dataset, *(() if root == ROOT else stage.inputs)}
    used = [key for key in every if f"${{item.{key}}}" in "".join(stage.params) or key in named]
    return {key: every[key]() for key in used}


def _chosen(key: str) -> list[str]:
    """Modules of which a stage loads one by name: that one is a dependency per dataset, what they import of all."""
    if key == "format":
        return [f"pipelines.sources.formats.{name}" for name in _modules(ROOT / "pipelines/sources/formats")]
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


def _origin(params: Params, scale: str, dataset: str) -> Path:
    """What says which files there are: the code that draws the sample, or the registry; a table has neither."""
    owner = params.files_of(dataset)
    if scale == "sample" and owner in SAMPLES:
        return _home(f"pipelines.samples.{SAMPLES[owner].split(':')[0]}")
    return _registered(owner, ".tsv")


def _of_tree(params: Params, root: Path, dataset: str, key: str) -> Path:
    """A file that a declared tree names; an empty one where it names none."""
    tree = params.source(dataset).tree
    return _own(getattr(tree, key) if tree else None, root, ".groups.txt")


def _vectors(params: Params, root: Path, dataset: str) -> Path:
    """Of the photos of labels; an empty file where none are declared."""
    source = params.source(dataset)
    if isinstance(source, GLDv2Source):
        return _own(source.vectors, root, ".groups.txt")
    return _of_tree(params, root, dataset, "vectors")


def _evidence(root: Path, dataset: str) -> Path:
    """What a language model answered; an empty file where none was asked."""
    path = Paths(root, "", dataset).evidence
    return path if path.is_file() else DEMONSTRATIONS / "none.jsonl"


def _mirror(params: Params, root: Path, scale: str, dataset: str) -> Path:
    """The folder of a person's own images and labels; an empty file where it is none."""
    mirror: str | None = getattr(params.fetch, scale).mirrors.get(dataset)
    is_own = mirror is not None and isinstance(params.source(dataset), TableSource)
    if mirror is None or not is_own or "://" in mirror:
        return _registered("none", ".tsv")
    return Path(os.path.abspath(root / mirror))  # noqa: PTH100  # `..` made short, links kept


def _linked(params: Params, root: Path, scale: str, dataset: str) -> Path:
    """Where a link in it leads, which no dependency follows; an empty file where there is none."""
    source, mirror = params.source(dataset), _mirror(params, root, scale, dataset)
    names = source.images if isinstance(source, TableSource) else ()
    links = [mirror / name for name in names if (mirror / name).is_symlink()]
    return links[0].resolve() if links and links[0].exists() else _registered("none", ".tsv")


def _whitening(params: Params, root: Path, scale: str, dataset: str) -> Path:
    """The images that whitening is learnt on; an empty file where there is none."""
    transfer = params.transfer(dataset, scale)
    if transfer is None or transfer.whitening is None:
        return _registered("none", ".tsv")
    return Paths(root, scale, transfer.model).shards


def _recipe_files(params: Params, root: Path, scale: str, dataset: str) -> list[Path]:
    """The recipe's file and the one that it extends, if it does."""
    name: str = getattr(params.train, scale).recipes[dataset]
    folder = folder_of_recipe(name, Paths(root, scale, dataset).recipes)
    return [path.resolve() for path in files_of_recipe(name, folder)]


def _own(name: str | None, root: Path, ending: str) -> Path:
    """A file of the project; one of the package, that holds nothing, where none is named."""
    return root / name if name else _registered("none", ending)


def _registered(name: str, ending: str) -> Path:
    path = ROOT / "pipelines/sources/registries" / f"{name}{ending}"
    return path if path.is_file() else path.with_name(f"none{ending}")
