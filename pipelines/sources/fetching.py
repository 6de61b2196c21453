"""From `params.yaml` to verified files in the store: which files, from where, and the manifest of what came."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from cairnhub.core.errors import BadInput, BrokenData, CairnError, NotFound
from cairnhub.core.hashing import sha256_of
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.executors.local import HERE
from cairnhub.pipelines.samples.generate import SAMPLES, generate
from cairnhub.pipelines.sources.download_registry import fetch_all
from cairnhub.pipelines.sources.image_endings import is_image_name
from cairnhub.pipelines.sources.ledger import FetchedFile, Ledger
from cairnhub.pipelines.sources.manifest import (
    NoTable,
    differing,
    load_manifest,
    read_manifest,
    write_manifest,
    write_table,
)
from cairnhub.pipelines.sources.packs import with_copies
from cairnhub.pipelines.sources.readers import reader, subset_of
from cairnhub.pipelines.sources.registered_counts import check_counts, expected_counts
from cairnhub.pipelines.sources.registry import (
    MANUAL,
    REGISTRIES,
    RegistryRow,
    read_registry,
    split_hash,
    write_registry,
)
from cairnhub.pipelines.sources.source_reader import SourceReader

log = logging.getLogger(__name__)


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
    source = _source(context)
    origin = _needed(context, source)
    rows = _hashed_rows(context, source, origin)
    fetched = _fetch_packs(context, source, replace(origin, rows=rows))
    by_hand = [row.name for row in rows if row.url.startswith(MANUAL) and row.hash is None]
    if by_hand:
        _accept(context, source, by_hand)
    fetched += source.fetch_more(context.paths.store, getattr(context.params.fetch, context.scale))
    write_manifest(
        context.paths.manifest, context.paths.loose_images, context.dataset, context.scale, fetched
    )
    return fetched


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
    hashed = _hashed_rows(context, _source(context), Origin(rows, mirror_of(context) or ""))
    write_registry(path, hashed)
    return sum(before.hash != after.hash for before, after in zip(rows, hashed, strict=True))


def _hashed_rows(context: Context, source: SourceReader, origin: Origin) -> list[RegistryRow]:
    """The rows with the hashes of files by hand that were accepted, and with those that the authors publish.

    The latter stand in files of their own, which are fetched first.
    """
    rows = _with_accepted(origin.rows, context.paths.manifest)
    hash_files = source.hash_files(rows)
    if hash_files:
        _fetch_rows(context, origin, hash_files)
    return source.with_published_hashes(rows, context.paths.store)


def _with_accepted(rows: list[RegistryRow], manifest: Path) -> list[RegistryRow]:
    """Hold a file that came by hand to what the manifest recorded when it was accepted."""
    files = load_manifest(manifest).files if manifest.is_file() else ()
    recorded = {file.name: file.fetched().content_hash for file in files}
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
        counted = source.summary(context.paths.store)
        if subset_of(context.params, context.dataset, context.scale).is_whole:
            check_counts(context.dataset, expected_counts(source.edition, context.scale), counted)
    except CairnError as error:
        place = f"{', '.join(names)}: came by hand into {context.paths.store}, but not as expected"
        raise error.within(place) from error


def _fetch_packs(context: Context, source: SourceReader, origin: Origin) -> list[FetchedFile]:
    """Fetch the rows of an origin; where that is a folder of which copies will do, an error says so."""
    try:
        return _fetch_rows(context, origin, origin.rows)
    except (BrokenData, NotFound) as error:
        if not (source.packs and origin.base and Path(origin.base).is_dir()):
            raise
        advice = (
            "what bears an upstream name must be the upstream file: give an archive that you packed yourself "
            "another name"
            if isinstance(error, BrokenData)
            else "nor is there a copy of it, unpacked or packed again (docs/sources.md says what is known as one)"
        )
        raise error.with_advice(advice) from error


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
        may_link=settings.mirror_files == "link" and origin.base != str(context.paths.generated),
    )


def require_fetched(context: Context) -> None:
    """Make sure that the store holds the very bytes that the manifest says, and the manifest all that the subset needs.

    DVC tracks the manifest, not the store: after a fresh clone or a cleared disk the files may not be there, and those
    that are may be of another commit or project. What was hashed once is known by the ledger.

    Raises:
        CairnError: other bytes than those of the manifest are all that can be had; names file and hashes.
    """
    files = _read_manifest(context)
    if not files or not _holds_all(context, files):
        fetch(context)
        return
    lost = _unverified(context, files.values())
    if lost:
        try:
            _bring_back(context, lost)
        except (BrokenData, NotFound) as error:
            manifest = context.paths.manifest.relative_to(context.paths.root)
            where = f"{manifest} lists a file that neither {context.paths.store} nor its source has as it was then"
            stage = f"cairn stage fetch {context.dataset} {context.scale}"
            raise error.within(where).with_advice(
                f"or take the files as they are now: `{stage}`, then `dvc repro`"
            ) from error


def _read_manifest(context: Context) -> dict[str, FetchedFile]:
    """The manifest's files; a table of loose images that is lost is made again where the source still has them.

    Raises:
        CairnError: the source has others.
    """
    manifest, table = context.paths.manifest, context.paths.loose_images
    try:
        return read_manifest(manifest, table)
    except NoTable as error:
        try:
            rows = _needed(context, _source(context)).rows
        except CairnError as lost:
            raise lost.within(f"{error}. It cannot be made again") from lost
        hashed = [row for row in rows if row.hash and row.size_bytes is not None and is_image_name(row.name)]
        loose = [
            FetchedFile(row.name, row.size_bytes or 0, digits, None)
            for row in hashed
            for algorithm, digits in [split_hash(row.hash or "")]
            if algorithm == "sha256"
        ]
        if others := differing(load_manifest(manifest).folders, loose):
            raise error.within(f"the source has other images by now, as in {others[0]}") from error
        write_table(table, loose)
        return read_manifest(manifest, table)


def _unverified(context: Context, files: Iterable[FetchedFile]) -> list[FetchedFile]:
    """Files that are gone from the store, or have other bytes there; what the ledger does not know is hashed once."""
    store = context.paths.store
    ledger = Ledger(store)
    unknown = [file for file in files if not ledger.find(file.name, file.size_bytes, file.content_hash)]
    whole = [file for file in unknown if _has_size(store / file.name, file.size_bytes)]
    if whole:
        log.info(f"{context.dataset}: hashing {len(whole):,} files in {store} that were not verified there")
    with ThreadPoolExecutor(getattr(context.params.fetch, context.scale).n_connections) as pool:
        hashes = pool.map(sha256_of, (store / file.name for file in whole))
        right = [file for file, sha256 in zip(whole, hashes, strict=True) if sha256 == file.sha256]
    for file in right:
        ledger.add(file)
    verified = set(right)
    return [file for file in unknown if file not in verified]


def _has_size(path: Path, size_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes


def _bring_back(context: Context, lost: Sequence[FetchedFile]) -> None:
    """Fetch files as the manifest has them."""
    source = _source(context)
    origin = _origin(context, source)
    urls = {row.name: row.url for row in origin.rows}
    if (
        source.packs or not source.has_registry
    ):  # of a copy, and of a table, each file lies in the mirror by its name
        urls = {file.name: file.name for file in lost} | urls
    rows = [
        RegistryRow(file.name, urls[file.name], file.size_bytes, file.hash or file.content_hash)
        for file in lost
        if file.name in urls
    ]
    _fetch_rows(context, origin, rows)
    if len(rows) == len(lost):
        return
    settings = getattr(context.params.fetch, context.scale)
    made = {file.name: file.content_hash for file in source.fetch_more(context.paths.store, settings)}
    for file in lost:
        if file.name not in urls and made.get(file.name) != file.content_hash:
            found = made.get(file.name, "nothing")
            raise BrokenData(f"{file.name}: {file.content_hash} was made then, {found} is made now")


def _holds_all(context: Context, files: Mapping[str, FetchedFile]) -> bool:
    """Whether a manifest has all registered files that the subset needs; a pack may be there as a copy.

    What has no registry would have to be hashed to be named.
    """
    source = _source(context)
    if not source.has_registry:
        return True
    names = {row.name for row in _origin(context, source).rows if source.needs(row.name)}
    return files.keys() >= names - {pack.name for pack in source.packs}


def mirror_of(context: Context) -> str | None:
    """The mirror that the environment or `params.yaml` names; a relative folder counts from the project."""
    mirrors: dict[str, str] = getattr(context.params.fetch, context.scale).mirrors
    named = (
        os.environ.get(f"CAIRN_MIRROR_{name.upper()}") or mirrors.get(name)
        for name in (context.dataset, context.paths.owner)
    )
    mirror = next(filter(None, named), None)
    return str((context.paths.root / mirror).resolve()) if mirror and "://" not in mirror else mirror


def _source(context: Context) -> SourceReader:
    return reader(context.params, context.dataset, context.scale)


def _needed(context: Context, source: SourceReader) -> Origin:
    """The files that the subset needs."""
    origin = _origin(context, source)
    if not origin.rows:
        origin = replace(origin, rows=source.own_files(origin.base))
    rows = with_copies(origin.rows, origin.base, source.packs)
    return replace(origin, rows=[row for row in rows if source.needs(row.name)])


def _origin(context: Context, source: SourceReader) -> Origin:
    """Where the files come from: the drawn sample, the source's own mirror, or the authors' server.

    Of a source without a registry the rows are left out: naming its files takes hashing them.
    """
    mirror = mirror_of(context)
    owner = context.paths.owner
    if context.scale == "sample" and owner in SAMPLES:
        generate(owner, context.paths.generated)
        registry = read_registry(context.paths.generated / "registry.tsv")
        return Origin(registry, mirror or str(context.paths.generated))
    if source.has_registry:
        return Origin(read_registry(REGISTRIES / f"{owner}.tsv"), mirror or "")
    if mirror is None:
        raise BadInput(
            f"params.yaml: fetch.{context.scale}.mirrors.{context.dataset}: missing; give the folder or URL that "
            "holds the files named under sources"
        )
    return Origin([], mirror)
