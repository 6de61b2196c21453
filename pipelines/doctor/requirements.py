"""What the parameters and the pins of a project ask of this machine: versions, links, space."""

import configparser
import shutil
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.version import Version

from cairnhub.core.errors import DISTRIBUTION
from cairnhub.pipelines.doctor.diagnosis import Diagnosis
from cairnhub.pipelines.params import Params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.sources.registry import REGISTRIES, RegistryRow, read_registry

_EXTRAS = ("", "build", "train", "review", "s3", "ray")


def examine_project(root: Path, params: Params) -> Iterator[Diagnosis]:
    """What the parameters and the pins of a project ask of this machine."""
    yield from _versions(root)
    if (root / ".dvc/config").is_file():
        yield _cache_links(root)
    yield from _space(root, params)


def _versions(root: Path) -> Iterator[Diagnosis]:
    """Every package within its bounds, and how many are not those that were tested together."""
    for text in metadata.requires(DISTRIBUTION) or []:
        requirement = Requirement(text)
        wanted_by = [
            e for e in _EXTRAS if not requirement.marker or requirement.marker.evaluate({"extra": e})
        ]
        version = _version(requirement.name)
        if version is None and "" in wanted_by:
            yield Diagnosis(requirement.name, "absent", f"problem: pip install '{text}'")
        elif version and wanted_by and not requirement.specifier.contains(version, prereleases=True):
            yield Diagnosis(
                requirement.name, version, f"problem: pip install '{requirement.name}{requirement.specifier}'"
            )
    path = root / "constraints.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pins = dict(line.split("==", 1) for line in lines if "==" in line)
    present = {name: version for name in pins if (version := _version(name))}
    others = [
        f"{name} {version}"
        for name, version in present.items()
        if Version(version).public != Version(pins[name]).public
    ]
    found = f"{len(present) - len(others)} as in constraints.txt, {len(others)} others"
    verdict = f"ok, but tested with other versions: {', '.join(others)}" if others else "ok"
    yield Diagnosis("packages", found, verdict)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cache_links(root: Path) -> Diagnosis:
    """How built files share their bytes with DVC's cache: what works here, and what really lies on the disk."""
    config = configparser.ConfigParser()
    config.read(root / ".dvc/config")
    wanted = config.get("cache", "type", fallback="reflink,copy").strip('"').split(",")
    cache = root / ".dvc" / config.get("cache", "dir", fallback="cache")
    kind = _first_that_works(wanted, cache, root)
    if kind == "copy":
        return Diagnosis("DVC links", kind, "ok, but every built file takes its space twice")
    found = f"{kind} (of {', '.join(wanted)})"
    shards = sorted((root / "data/hub").glob("[!.]*/[!.]*/data/*.parquet"))
    n_copies = 0 if kind == "reflink" else sum(_is_copy(shard) for shard in shards)
    if n_copies:
        verdict = (
            f"ok, but {n_copies:,} of {len(shards):,} shards are copies and take their space twice: with "
            f"`dvc config cache.type {kind},copy`, `dvc checkout --relink` links them"
        )
        return Diagnosis("DVC links", found, verdict)
    return Diagnosis("DVC links", found, "ok")


def _is_copy(path: Path) -> bool:
    return not path.is_symlink() and path.stat().st_nlink == 1


def _first_that_works(wanted: Sequence[str], cache: Path, root: Path) -> str:
    """The first kind of link, in the order of DVC's configuration, that leads from its cache to the workspace."""
    from dvc_objects.fs.system import hardlink, reflink, symlink

    ways: dict[str, Callable[[str, str], None]] = {
        "reflink": reflink,
        "hardlink": hardlink,
        "symlink": symlink,
    }
    cache.mkdir(parents=True, exist_ok=True)
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
            return kind
    return "copy"


def _space(root: Path, params: Params) -> Iterator[Diagnosis]:
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
        yield Diagnosis(f"space for {scale}", found, verdict)


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
