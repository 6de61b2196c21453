"""The download store against its manifests: damaged, missing, unfinished and unknown files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.errors import CairnError
from cairnhub.core.hashing import sha256_of
from cairnhub.pipelines.doctor.diagnosis import DAY_S, Diagnosis, Repair, age_s
from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.params import Params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.settings.sources import TableSource
from cairnhub.pipelines.sources.ledger import LEDGER
from cairnhub.pipelines.sources.manifest import NoTable, read_manifest
from cairnhub.pipelines.sources.registry import REGISTRIES, read_registry

QUARANTINE = ".quarantine"
_UNFINISHED = (".part", ".part.validator", ".link")


@dataclass(frozen=True)
class Blob:
    """A file that a manifest names."""

    path: Path
    size_bytes: int
    sha256: str

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class StoreManifest:
    """What was fetched for a dataset."""

    path: Path
    store: Path
    blobs: tuple[Blob, ...]


def read_manifests(root: Path, params: Params) -> tuple[list[StoreManifest], list[Diagnosis]]:
    """Every manifest of the project, and those that cannot be read."""
    manifests, broken = [], []
    for path in sorted(root.glob("results/fetch/*/*/manifest.json")):
        scale, dataset = path.parts[-3:-1]
        owner = params.files_of(dataset) if dataset in params.sources else ""
        paths = Paths(root, scale, dataset, owner)
        try:
            files = read_manifest(path, paths.loose_images).values()
        except NoTable as error:
            found = Diagnosis(
                f"manifest {scale}/{dataset}", str(error), "problem: `dvc checkout` or `dvc repro`"
            )
            broken.append(found)
        except CairnError as error:
            broken.append(
                Diagnosis(f"manifest {scale}/{dataset}", str(error), "problem: remove it, `dvc repro`")
            )
        else:
            store = paths.store
            blobs = tuple(Blob(store / file.name, file.size_bytes, file.sha256) for file in files)
            manifests.append(StoreManifest(path, store, blobs))
    return manifests, broken


def fault(blob: Blob) -> str:
    """What is wrong with a blob: `missing`, `damaged`, or nothing."""
    if not blob.path.is_file():
        return "missing"
    is_whole = blob.path.stat().st_size == blob.size_bytes and sha256_of(blob.path) == blob.sha256
    return "" if is_whole else "damaged"


def examine_store(
    manifests: Sequence[StoreManifest], params: Params, executor: Executor
) -> Iterator[Diagnosis]:
    """Hash every blob once; then look for what nobody asked for."""
    blobs = list({blob.path: blob for manifest in manifests for blob in manifest.blobs}.values())
    faults = dict(
        zip((blob.path for blob in blobs), executor.map(fault, blobs, "hash the store"), strict=True)
    )
    for manifest in manifests:
        yield from _blobs(manifest, faults)
    for store in sorted({manifest.store for manifest in manifests}):
        named = {blob.path for manifest in manifests if manifest.store == store for blob in manifest.blobs}
        yield from _unnamed(store, named, _known_names(store, params))


def _blobs(manifest: StoreManifest, faults: dict[Path, str]) -> Iterator[Diagnosis]:
    scale, dataset = manifest.path.parts[-3:-1]
    bad = [blob for blob in manifest.blobs if faults[blob.path]]
    if not bad:
        size_mb = sum(blob.size_bytes for blob in manifest.blobs) / 1e6
        linked = [blob for blob in manifest.blobs if blob.path.stat().st_nlink > 1]
        shared_mb = sum(blob.size_bytes for blob in linked) / 1e6
        more = f"; {len(linked):,} of them ({shared_mb:,.1f} MB) are hard links" if linked else ""
        found = f"{len(manifest.blobs):,} files, {size_mb:,.1f} MB, as their manifest says{more}"
        yield Diagnosis(f"store {scale}/{dataset}", found, "ok")
    n_missing = sum(faults[blob.path] == "missing" for blob in bad)
    if bad and n_missing == len(manifest.blobs):
        yield Diagnosis(
            f"store {scale}/{dataset}", "no file is here", "ok: a stage that needs them fetches them"
        )
        return
    if n_missing:
        verdict = f"problem: run `cairn stage fetch {dataset} {scale}`"
        yield Diagnosis(f"store {scale}/{dataset}", f"{n_missing:,} files are missing", verdict)
    for blob in bad:
        if faults[blob.path] == "damaged":
            quarantine = _quarantine(manifest.store) / blob.path.relative_to(manifest.store)
            name = blob.path.relative_to(manifest.store).as_posix()
            repair = Repair(blob.path, quarantine, manifest.path, name)
            verdict = "problem: other bytes than its manifest says; quarantine it and fetch it again"
            yield Diagnosis(str(blob.path), "damaged", verdict, repair)


def _quarantine(store: Path) -> Path:
    """Beside the stores of all scales: on the same disk, and below none of them."""
    return store.parents[1] / QUARANTINE / store.parent.name / store.name


def _unnamed(store: Path, named: set[Path], known: set[str]) -> Iterator[Diagnosis]:
    """Files that no manifest names; those that a registry knows may be needed by a larger subset."""
    for path in sorted(path for path in store.rglob("*") if path.is_file()):
        name = path.relative_to(store).as_posix()
        target = next((name.removesuffix(end) for end in _UNFINISHED if name.endswith(end)), name)
        if path in named or path.name == LEDGER or (path.name.startswith(".") and path.suffix == ".tmp"):
            continue
        if target != name and store / target not in named:
            yield Diagnosis(str(path), "unfinished download", "ok: the next fetch goes on with it")
        elif name in known:
            yield Diagnosis(str(path), "no manifest names it", "ok: a registry knows it")
        elif age_s(path) < DAY_S:
            yield Diagnosis(str(path), "no manifest names it", "ok: younger than a day")
        else:
            yield Diagnosis(
                str(path), "no manifest names it", "problem: nothing uses it; remove it", Repair(path)
            )


def _known_names(store: Path, params: Params) -> set[str]:
    """Names that the registries have; people may have put such files there by hand."""
    path = REGISTRIES / f"{store.name}.tsv"
    names = {row.name for row in read_registry(path)} if path.is_file() else set()
    source = params.sources.get(store.name)
    if isinstance(source, TableSource):
        names |= {source.labels, *source.images}
    return names
