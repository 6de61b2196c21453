"""Which files of our own a module's results depend on: its static import closure, and the data files it names."""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import grimp

PACKAGE = "cairnhub"
ROOT = Path(__file__).resolve().parents[1]
"""The folder that holds the rooms."""
NEUTRAL = (
    "core.errors",  # messages
    "core.files",  # atomic writes and locks: bytes go through as they are
    "core.home",  # where caches lie
    "core.lazy",
    "core.version",
    "core.logs",
    "core.workers",
    "datasets_hub.progress",
    "datasets_hub.readers",  # what is refused has no bytes
    "datasets_hub.storage_errors",  # messages
    "pipelines.code",  # keys of caches
    "pipelines.context",
    "pipelines.executors",  # where work runs
    "pipelines.params",  # reads and explains; the values are parameters of DVC, the defaults lie in `settings`
    "pipelines.paths",  # where files lie: `dvc.yaml` says it too
)
"""Modules that cannot change the bytes of any result; what only they import does not count either."""
DATA = (".css", ".html", ".js", ".svg", ".tsv")
"""Endings of data files that modules name."""


def closure(modules: Iterable[str], neutral: Iterable[str] = ()) -> tuple[Path, ...]:
    """Files that decide what modules compute, sorted: their own, those that they import, and their data files.

    Args:
        modules: names below `cairnhub`, such as `pipelines.stages.index`.
        neutral: modules and packages to leave out beside `NEUTRAL`.
    """
    cut = {*NEUTRAL, *neutral}
    graph, seen, waiting = _imports(), set[str](), [*modules]
    while waiting:
        name = waiting.pop()
        if name not in seen and not cut & {name, *_packages_of(name)}:
            seen.add(name)
            imported = graph.find_modules_directly_imported_by(f"{PACKAGE}.{name}")
            waiting += [module.removeprefix(f"{PACKAGE}.") for module in imported]
    files = {source_of(name) for name in seen}
    return tuple(sorted(files.union(*map(data_files, files))))


def fingerprint(modules: Iterable[str], neutral: Iterable[str] = ()) -> str:
    """SHA-256 (hex) of all that `closure` names: a key for what a module made and a cache keeps."""
    return fingerprint_of(closure(modules, neutral))


def fingerprint_of(code: Iterable[Path]) -> str:
    """SHA-256 (hex) of files of the code, and of all in folders of it, with their paths."""
    files = {file for path in code for file in ([path] if path.is_file() else _files_below(path))}
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]


def _packages_of(module: str) -> list[str]:
    """The packages that a module lies in, inner to outer."""
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(len(parts) - 1, 0, -1)]


def source_of(module: str) -> Path:
    """The file of a module below `cairnhub`; the rooms lie beside the package, not only inside it."""
    room = module.split(".")[0]
    base = (ROOT if (ROOT / room).is_dir() else ROOT / PACKAGE).joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@cache
def data_files(source: Path) -> set[Path]:
    """Files that a module or a page template names: beside it, in a folder of pages, or among the shared pages."""
    text = source.read_text(encoding="utf-8")
    names = _strings(text) if source.suffix == ".py" else _quoted(text)
    shared = source_of("core.html").parent / "pages"
    places = (source.parent, source.parent / "pages", source.parents[1] / "pages", shared)
    paths = {place / name for name in names if name.endswith(DATA) for place in places}
    files = {path for path in paths if path.is_file()}
    return files.union(*(data_files(path) for path in files if path.suffix == ".html"))


def _strings(text: str) -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value
    }


def _quoted(text: str) -> set[str]:
    return {part for part in text.split('"') if "\n" not in part}


@cache
def _imports() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
