"""The machine: Python, disk, links, GPU and packages."""

import configparser
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.version import Version

from cairnhub.pipelines.doctor.findings import Finding
from cairnhub.pipelines.params import Params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.sources.registry import REGISTRIES, RegistryRow, read_registry

MIN_FREE_GB = 5
_EXTRAS = ("", "build", "train", "review", "s3", "ray")


def examine() -> list[Finding]:
    """Python, free disk, cache links, GPU and package versions of this machine."""
    return [_python(), _disk(), _links(), _gpu(), *_packages()]


def _python() -> Finding:
    version = platform.python_version()
    return Finding("Python", version, "ok" if sys.version_info >= (3, 11) else "problem: needs 3.11 or newer")


def _disk() -> Finding:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    verdict = "ok" if free_gb > MIN_FREE_GB else f"problem: the sample wants {MIN_FREE_GB} GB"
    return Finding("free disk here", f"{free_gb:,.0f} GB", verdict)


def _links() -> Finding:
    """How DVC can share a file between its cache and the workspace."""
    with TemporaryDirectory(dir=Path.cwd(), prefix=".cairn-doctor-") as folder:
        source, target = Path(folder) / "a", Path(folder) / "b"
        source.write_bytes(b"cairn")
        try:
            os.link(source, target)
        except OSError:
            return Finding("cache links", "copy", "ok, but every built file takes its space twice")
    return Finding("cache links", "hardlink", "ok")


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding(
            "GPU", "torch is not installed", "ok: only training needs it (pip install 'cairn[train]')"
        )
    import torch

    if not torch.cuda.is_available():
        return Finding("GPU", "none", "ok for the sample; scale full wants one")
    return Finding("GPU", torch.cuda.get_device_name(), "ok")


def _packages() -> list[Finding]:
    """Versions of the packages that decide what works."""
    wanted = {
        "datasets": "loading",
        "pyarrow": "loading",
        "networkx": "trees",
        "dvc": "building",
        "sentence-transformers": "building",
        "torch": "training",
    }
    findings = []
    for name, use in wanted.items():
        try:
            findings.append(Finding(name, metadata.version(name), "ok"))
        except metadata.PackageNotFoundError:
            needed = use == "loading"
            findings.append(Finding(name, "absent", f"{'problem' if needed else 'ok'}: only {use} needs it"))
    return findings


def examine_deeper(root: Path, params: Params) -> Iterator[Finding]:
    """What the parameters and the pins of a project ask of this machine."""
    yield from _versions(root)
    if (root / ".dvc/config").is_file():
        yield _cache_links(root)
    yield from _space(root, params)


def _versions(root: Path) -> Iterator[Finding]:
    """Every package within its bounds, and how many are not those that were tested together."""
    for text in metadata.requires("cairn") or []:
        requirement = Requirement(text)
        wanted_by = [
            e for e in _EXTRAS if not requirement.marker or requirement.marker.evaluate({"extra": e})
        ]
        found = _version(requirement.name)
        if found is None and "" in wanted_by:
            yield Finding(requirement.name, "absent", f"problem: pip install '{text}'")
        elif found and wanted_by and not requirement.specifier.contains(found, prereleases=True):
            yield Finding(
                requirement.name, found, f"problem: pip install '{requirement.name}{requirement.specifier}'"
            )
    path = root / "constraints.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pins = dict(line.split("==", 1) for line in lines if "==" in line)
    present = {name: found for name in pins if (found := _version(name))}
    others = [
        f"{name} {found}"
        for name, found in present.items()
        if Version(found).public != Version(pins[name]).public
    ]
    found = f"{len(present) - len(others)} as in constraints.txt, {len(others)} others"
    verdict = f"ok, but tested with other versions: {', '.join(others)}" if others else "ok"
    yield Finding("packages", found, verdict)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cache_links(root: Path) -> Finding:
    """The first kind of link of DVC's configuration that works from its cache to the workspace."""
    from dvc_objects.fs.system import hardlink, reflink, symlink

    config = configparser.ConfigParser()
    config.read(root / ".dvc/config")
    wanted = config.get("cache", "type", fallback="reflink,copy").strip('"').split(",")
    cache = root / ".dvc" / config.get("cache", "dir", fallback="cache")
    cache.mkdir(parents=True, exist_ok=True)
    ways: dict[str, Callable[[str, str], None]] = {
        "reflink": reflink,
        "hardlink": hardlink,
        "symlink": symlink,
    }
    with (
        TemporaryDirectory(dir=cache, prefix=".cairn-doctor-") as there,
        TemporaryDirectory(dir=root, prefix=".cairn-doctor-") as here,
    ):
        source = Path(there) / "a"
        source.write_bytes(b"cairn")
        for kind in wanted:
            try:
                ways[kind](str(source), str(Path(here) / kind))
            except (OSError, KeyError):
                continue
            return Finding("DVC links", f"{kind} (of {', '.join(wanted)})", "ok")
    return Finding("DVC links", "copy", "ok, but every built file takes its space twice")


def _space(root: Path, params: Params) -> Iterator[Finding]:
    """Free space against what is still to be fetched, and published from it."""
    for scale in params.scales:
        datasets = [Paths(root, scale, name, params.files_of(name)) for name in params.datasets]
        wanted = {paths.dataset: _to_come(paths, _rows(paths)) for paths in datasets}
        unknown = sum(
            row.size_bytes is None and not (paths.store / row.name).is_file()
            for paths in datasets
            for row in _rows(paths)
        )
        needed = sum(wanted.values())
        free = shutil.disk_usage(root).free
        more = f" and {unknown:,} files of unknown size" if unknown else ""
        found = f"{needed / 1e9:,.1f} GB{more} to come, {free / 1e9:,.1f} GB free"
        most = max(wanted, key=lambda name: wanted[name])
        verdict = f"problem: make room or take a subset; {most} needs most" if needed > free else "ok"
        yield Finding(f"space for {scale}", found, verdict)


def _rows(paths: Paths) -> list[RegistryRow]:
    """The files that a dataset consists of, where a registry lists them; samples are drawn."""
    path = REGISTRIES / f"{paths.owner}.tsv"
    return read_registry(path) if path.is_file() and paths.scale == "full" else []


def _to_come(paths: Paths, rows: list[RegistryRow]) -> int:
    """Bytes that the next stages of a dataset write: files to fetch, and about as many again to publish."""
    if paths.hub.is_dir():
        return 0
    listed = sum(row.size_bytes or 0 for row in rows)
    present = sum(file.stat().st_size for file in paths.store.rglob("*") if file.is_file())
    return max(listed - present, 0) + max(listed, present)
