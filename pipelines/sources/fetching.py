"""From `params.yaml` to verified files in the store: which files, from where, and the manifest of what came."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cairnhub.core.errors import CairnError
from cairnhub.core.files import write_text_atomic
from cairnhub.core.hashing import sha256_of
from cairnhub.core.parse import read_json
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.executors.local import HERE
from cairnhub.pipelines.samples.generate import SAMPLES, generate
from cairnhub.pipelines.settings.sources import TableSource
from cairnhub.pipelines.sources import SourceReader, reader, subset_of
from cairnhub.pipelines.sources.download import MANUAL, FetchedFile, fetch_all
from cairnhub.pipelines.sources.mined_types import forget_types, mine_types
from cairnhub.pipelines.sources.published_hashes import hash_files, with_published_hashes
from cairnhub.pipelines.sources.registered_counts import check_counts, expected_counts
from cairnhub.pipelines.sources.registry import RegistryRow, read_registry, write_registry

REGISTRIES = Path(__file__).parent / "registries"


@dataclass(frozen=True)
class Manifest:
    """What was fetched and verified, as `manifest.json` holds it."""

    dataset: str
    scale: str
    files: tuple[FetchedFile, ...]


def read_manifest(path: Path) -> dict[str, FetchedFile]:
    """The verified files of a manifest, by name; none where there is no manifest yet.

    Raises:
        CairnError: it is damaged.
    """
    if not path.is_file():
        return {}
    try:
        manifest = read_json(path, Manifest)
    except CairnError as error:
        raise CairnError(f"{error}; remove the manifest and run the fetch stage again") from error
    return {file.name: file for file in manifest.files}


@dataclass(frozen=True)
class Origin:
    """The files of a dataset and the folder or URL that their relative addresses start from."""

    rows: list[RegistryRow]
    base: str


def fetch(context: Context) -> list[FetchedFile]:
    """Bring every file that a dataset's subset needs into the store, verify it, and write the manifest.

    Raises:
        CairnError: a file cannot be had, does not match its hash, or came by hand and is something else.
    """
    origin = _needed(context)
    source = reader(context.params, context.dataset, context.scale)
    rows = _hashed_rows(context, origin)
    fetched = _fetch_rows(context, origin, rows)
    by_hand = [row.name for row in rows if row.url.startswith(MANUAL) and row.hash is None]
    if by_hand:
        _accept(context, source, by_hand)
    fetched += _mine(context, source)
    files = sorted((asdict(file) for file in fetched), key=lambda file: str(file["name"]))
    manifest = {"dataset": context.dataset, "files": files, "scale": context.scale}
    write_text_atomic(context.paths.manifest, json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    return fetched


def _mine(context: Context, source: SourceReader) -> list[FetchedFile]:
    """The types of landmarks that the source gives none, where the parameters ask for them."""
    settings = getattr(context.params.fetch, context.scale).wikimedia
    categories = source.untyped(context.paths.store)
    if categories and settings is not None:
        return [mine_types(categories, context.paths.store, settings)]
    if categories:
        forget_types(context.paths.store)
    return []


def register(context: Context) -> int:
    """Record hashes into the registry, for review and commit.

    They are those that the authors publish beside their files, and those of files that came by hand and were
    accepted by their content when they were fetched.

    Returns:
        How many rows got a hash.

    Raises:
        CairnError: the hash files cannot be had, or the dataset has no registry of its own.
    """
    path = REGISTRIES / f"{context.paths.owner}.tsv"
    rows = read_registry(path)
    hashed = _hashed_rows(context, Origin(rows, _mirror(context) or ""))
    write_registry(path, hashed)
    return sum(before.hash != after.hash for before, after in zip(rows, hashed, strict=True))


def _hashed_rows(context: Context, origin: Origin) -> list[RegistryRow]:
    """The rows with the hashes of files by hand that were accepted, and with those that the authors publish.

    The latter stand in files of their own, which are fetched first.
    """
    rows = _with_accepted(origin.rows, context.paths.manifest)
    wanted = hash_files(rows)
    if wanted:
        _fetch_rows(context, origin, wanted)
    return with_published_hashes(rows, context.paths.store)


def _with_accepted(rows: list[RegistryRow], manifest: Path) -> list[RegistryRow]:
    """Hold a file that came by hand to what the manifest recorded when it was accepted."""
    recorded = {name: f"sha256:{file.sha256}" for name, file in read_manifest(manifest).items()}
    return [
        replace(row, hash=row.hash or recorded.get(row.name)) if row.url.startswith(MANUAL) else row
        for row in rows
    ]


def _accept(context: Context, source: SourceReader, names: list[str]) -> None:
    """Judge files that came by hand, for which no hash is registered, by their structure and counts.

    Where a subset is declared they may be a part themselves: only their structure is judged.

    Raises:
        CairnError: they are not what they should be.
    """
    try:
        found = source.summary(context.paths.store)
        if subset_of(context.params, context.dataset, context.scale).is_whole:
            check_counts(context.dataset, expected_counts(source.edition, context.scale), found)
    except CairnError as error:
        raise CairnError(
            f"{', '.join(names)}: came by hand into {context.paths.store}, but not as expected. {error}"
        ) from error


def _fetch_rows(context: Context, origin: Origin, rows: list[RegistryRow]) -> list[FetchedFile]:
    settings = getattr(context.params.fetch, context.scale)
    is_local = getattr(context.params.executor, context.scale).kind == "local"
    return fetch_all(
        rows,
        context.paths.store,
        origin.base,
        n_connections=settings.n_connections,
        timeout_s=settings.timeout_s,
        n_retries=settings.n_retries,
        title=f"fetch {context.dataset}",
        executor=HERE if is_local else context.executor,  # threads do: no process is started for nothing
    )


def require_fetched(context: Context) -> None:
    """Make sure that the store still holds what the manifest says, and the manifest all that the subset needs.

    DVC tracks the manifest, not the store: after a fresh clone or a cleared disk the manifest may be there
    and the files may not.
    """
    files = read_manifest(context.paths.manifest)
    is_there = all(_has_size(context.paths.store / name, file.size_bytes) for name, file in files.items())
    if not files or not is_there or not files.keys() >= set(_needed_names(context)):
        fetch(context)


def _needed_names(context: Context) -> list[str]:
    """The registered files that the subset needs; a table has no registry."""
    if isinstance(context.params.source(context.dataset), TableSource):
        return []
    return [row.name for row in _needed(context).rows]


def _has_size(path: Path, size_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes


def _mirror(context: Context) -> str | None:
    """The mirror that `params.yaml` names; a relative folder counts from the project."""
    settings = getattr(context.params.fetch, context.scale)
    mirrors: dict[str, str] = settings.mirrors
    mirror = mirrors.get(context.dataset, mirrors.get(context.paths.owner))
    return str((context.paths.root / mirror).resolve()) if mirror and "://" not in mirror else mirror


def _needed(context: Context) -> Origin:
    """The files that the subset needs."""
    origin = _origin(context)
    source = reader(context.params, context.dataset, context.scale)
    return replace(origin, rows=[row for row in origin.rows if source.needs(row.name)])


def _origin(context: Context) -> Origin:
    """Where the files come from: the mirror of `params.yaml`, the drawn sample, or the authors' server."""
    source = context.params.source(context.dataset)
    mirror = _mirror(context)
    owner = context.paths.owner
    if context.scale == "sample" and owner in SAMPLES:
        generate(owner, context.paths.generated)
        registry = read_registry(context.paths.generated / "registry.tsv")
        return Origin(registry, mirror or str(context.paths.generated))
    if isinstance(source, TableSource):
        if mirror is None:
            raise CairnError(
                f"params.yaml: fetch.{context.scale}.mirrors.{context.dataset}: missing; give the folder or URL that "
                f"holds {source.labels} and {', '.join(source.images)}"
            )
        return Origin(_table_rows(source, mirror), mirror)
    return Origin(read_registry(REGISTRIES / f"{owner}.tsv"), mirror or "")


def _table_rows(source: TableSource, base: str) -> list[RegistryRow]:
    """The files of a table; a local file without a declared hash is held against its own present content."""
    names = [source.labels]
    for name in source.images:
        folder = Path(base) / name
        if name.endswith(".tar"):
            names.append(name)
        elif folder.is_dir():
            names.extend(sorted(p.relative_to(base).as_posix() for p in folder.rglob("*") if p.is_file()))
        else:
            raise CairnError(
                f"{folder}: no such folder; name a folder of a local mirror or a .tar under images"
            )
    unknown = sorted(set(source.hashes) - set(names))
    if unknown:
        raise CairnError(f"params.yaml: hashes names {unknown[0]!r}, which is not among labels and images")
    if "://" in base:
        return [RegistryRow(name, name, None, source.hashes.get(name)) for name in names]
    return [_local_row(name, source.hashes.get(name), Path(base)) for name in names]


def _local_row(name: str, declared: str | None, base: Path) -> RegistryRow:
    path = base / name
    if not path.is_file():
        raise CairnError(
            f"{path} is missing: put it there, or correct labels, images or the mirror in params.yaml"
        )
    present = declared or f"sha256:{sha256_of(path)}"
    return RegistryRow(name=name, url=name, size_bytes=path.stat().st_size, hash=present)
