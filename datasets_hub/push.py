"""Push a published dataset to others: data first, then the version's own folder, then the README."""

import hashlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.errors import BadInput, BrokenData, NewerFormat, NotFound, Unreachable
from cairnhub.core.hashing import has_hash, hash_in_name, sha256_of
from cairnhub.datasets_hub.card import OWN_LICENCE, Card
from cairnhub.datasets_hub.dataset_diff import difference
from cairnhub.datasets_hub.destinations import Destination, open_destination
from cairnhub.datasets_hub.labels_only import write_labels_only
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import Location, PublishedDataset, open_dataset, safe_name
from cairnhub.datasets_hub.readme import addressed
from cairnhub.datasets_hub.stats import Stats
from cairnhub.datasets_hub.versions import (
    HISTORY,
    Version,
    announced,
    check_finished,
    parse_history,
    read_history,
    render_changelog,
    render_history,
    settled,
    under_way,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PushResult:
    """What a push did, or (dry run) would do.

    Attributes:
        destination: URI of the dataset's folder or repository.
        version: the version that readers now see.
        sent: files that travelled, with their sizes in bytes.
        n_kept: files that were there already.
        with_images: False if labels and splits travelled without the images.
        changes: what changed since the version before.
        switched: False if readers saw this version before, or in a dry run.
        mended: files that were there with other bytes than they should have, and were sent again.
    """

    destination: str
    version: str
    sent: Mapping[str, int]
    n_kept: int
    with_images: bool
    changes: tuple[str, ...]
    switched: bool
    mended: tuple[str, ...] = ()

    def __str__(self) -> str:
        size = sum(self.sent.values()) / 1e6
        did = "sent" if self.switched else "to send"
        files = f"{len(self.sent)} files {did} ({size:,.1f} MB), {self.n_kept} there"
        lines = [f"{self.destination} {self.version}: {files}"]
        if not self.with_images:
            lines.append("  labels and splits only, as asked: no image")
        if self.mended:
            lines.append(
                f"  {len(self.mended)} files there had other bytes than they should have"
                f"{' and were sent again' if self.switched else ''}: {', '.join(self.mended[:10])}"
            )
        return "\n".join([*lines, *(f"  {change}" for change in self.changes)])


def push(
    name: str | Path,
    to: str | Path,
    *,
    message: str = "",
    dry_run: bool = False,
    private: bool = False,
    labels_only: bool = False,
    scale: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> PushResult:
    """Push a dataset of this machine's hub to a folder, an object store or the Hugging Face hub.

    Only files that are not there travel. Readers see the version before until the README is replaced, the
    last step; a killed push is finished by running it again.

    Args:
        name: a name in the hub, or the dataset's folder.
        to: the dataset's place: `/path/of/dataset`, `s3://bucket/prefix`, `gs://..` or `hf://org/name`.
        message: a line for the changelog.
        dry_run: only say what would travel.
        private: only its owner reads the place, so that images go there whatever their licence says of passing them
            on. A repository on the Hugging Face hub is made private, and one that is public is refused.
        labels_only: send labels and splits without images.
        scale: `sample` or `full`, for names; as for `load_dataset`.
        hub: where names are looked up.
        storage_options: passed to fsspec, such as `{"endpoint_url": ...}` for S3.

    Raises:
        NotFound: no such dataset.
        BrokenData: a file of the dataset is missing or altered; nothing is pushed.
        BadInput: something else lies at the destination; or the card does not let its images leave this machine, and
            neither `private` nor `labels_only` says how it is meant.
        Unreachable: the destination does not answer or does not let us in.
    """
    source = describe(name, scale=scale, hub=hub)
    destination = open_destination(to, storage_options, private=private or source.card.is_own)
    if source.stats.with_images and not (labels_only or private or destination.is_local):
        _check_licence(source.card)
    if private:
        destination.require_private()
    history = read_history(destination)
    _check_place(source, destination, history)
    verify_files(source)
    with _edition(source, labels_only) as (edition, folder):
        before = _present(destination, history, storage_options)
        known = settled(history)
        version = _next_version(known, before, edition, folder, message)
        entered = [*(each for each in known if each.name != version.name), version]
        act = f"push of {version.name}"
        there = destination.sizes_bytes()
        named = {path: size for path, size in _sizes(folder).items() if hash_in_name(path)}
        missing = destination.altered({path: folder / path for path in named})
        texts = _texts(destination, folder, version, entered)
        is_seen = before is not None and before.version == version.name
        stale = destination.altered({path: text.encode() for path, text in texts.items()}) if is_seen else []
        mended = [path for path in (*missing, *stale) if path in there]
        is_there = is_seen and not missing and not stale and under_way(history) != act
        if is_there and not dry_run:
            destination.mark(version.name)
        if not dry_run and not is_there:
            with destination.held():
                listed = destination.sizes_bytes()  # before the history: a version is entered there first
                written = destination.read_text(HISTORY)
                if parse_history(written, destination) != history:
                    raise Unreachable(f"{destination.uri}: another push was made meanwhile; push again")
                check_finished(destination, history, version, listed, act)
                destination.upload(folder, sorted(missing))
                if entered != known:  # of two pushes one is refused
                    destination.claim(HISTORY, render_history(entered), written)
                    destination.switch(texts, version.name)
                else:
                    _switch_alone(destination, texts, version.name, entered, written, act)
        return PushResult(
            destination.uri,
            version.name,
            {path: named[path] for path in missing},
            len(named) - len(missing),
            edition.stats.with_images,
            version.changes,
            switched=not (dry_run or is_there),
            mended=tuple(sorted(mended)),
        )


def rollback(to: str | Path, version: str, *, storage_options: Mapping[str, object] | None = None) -> None:
    """Let readers see an earlier version again; nothing is deleted.

    Raises:
        NotFound: there is no such version.
        BrokenData: one of its files is gone.
        Unreachable: a push is under way there.
    """
    destination = open_destination(to, storage_options)
    _known(destination, read_history(destination), version)  # before `held` makes a folder
    with destination.held():
        there = destination.sizes_bytes()  # before the history: a version is entered there first
        written = destination.read_text(HISTORY)
        history = parse_history(written, destination)
        act = f"rollback to {version}"
        check_finished(destination, history, _known(destination, history, version), there, act)
        texts = _texts_of(destination, version, there)
        _switch_alone(destination, texts, version, settled(history), written, act)


def _switch_alone(
    destination: Destination,
    texts: Mapping[str, str],
    version: str,
    history: list[Version],
    written: str | None,
    act: str,
) -> None:
    """Switch to a version that is in the history already, and keep others out by saying so there meanwhile."""
    if destination.is_local:  # is locked
        destination.switch(texts, version)
        return
    destination.claim(HISTORY, render_history(announced(history, act)), written)
    destination.switch({**texts, HISTORY: render_history(history)}, version)


def _known(destination: Destination, history: list[Version], version: str) -> Version:
    for known in history:
        if known.name == version:
            return known
    names = ", ".join(known.name for known in history) or "none"
    raise NotFound(f"{destination.uri}: no version {version!r}; there are: {names}")


def _texts_of(destination: Destination, version: str, there: Mapping[str, int]) -> dict[str, str]:
    """The small files of a version that was pushed before, the README last; its large ones are looked for."""
    folder = f"versions/{safe_name(version)}"
    texts = {}
    for path in sorted(there):
        if path.startswith(f"{folder}/"):
            texts[path.removeprefix(f"{folder}/")] = destination.read_text(path) or ""
    stats = Stats.from_json(texts.get("stats.json", ""), f"{destination.uri}/{folder}/stats.json")
    gone = [file.path for file in stats.files if there.get(file.path) != file.size_bytes]
    if gone:
        raise BrokenData(
            f"{destination.uri}: {version} cannot come back, {len(gone)} files are gone: {gone[0]}"
        )
    if "README.md" not in texts:
        raise BrokenData(f"{destination.uri}: {version} cannot come back, {folder}/README.md is gone")
    readme = texts.pop("README.md")
    return {**texts, "README.md": readme}


def verify_files(dataset: PublishedDataset) -> None:
    """Every file is there and unaltered, and the tree is the one that the images were published with.

    Raises:
        BrokenData: naming the file.
        BadInput: the dataset is not on this machine, or was built by an earlier Cairn.
    """
    if not dataset.location.is_local:
        raise BadInput(f"{dataset.location.uri}: push from a folder of this machine")
    dataset.stats.check_current(dataset.location.uri)
    dataset.tree()
    for file in dataset.stats.files:
        path = Path(dataset.location.file(file.path))
        if not path.is_file():
            raise BrokenData(f"{path} is missing; build the dataset again before you push it")
        if not has_hash(path, file.sha256):
            raise BrokenData(f"{path} was altered since it was built; build the dataset again")


def _check_place(source: PublishedDataset, destination: Destination, history: list[Version]) -> None:
    """Refuse the dataset's own folder, and a place whose README is of something else: it would be overwritten."""
    if destination.is_local and Path(destination.uri).resolve().is_relative_to(
        Path(source.location.uri).resolve()
    ):
        raise BadInput(f"{destination.uri} is the folder of the dataset itself: give another place")
    readme = None if history else destination.read_text("README.md")
    if readme is not None and "\ncairn:\n" not in readme:
        raise BadInput(
            f"{destination.uri} has a README.md of something else: give a place of the dataset's own"
        )


def _check_licence(card: Card) -> None:
    """The licence gate: images leave this machine only if they may be passed on, or if somebody answers for it."""
    if card.redistributable or card.is_own:
        return
    raise BadInput(
        f"{card.name}: its card says licence {card.licence!r} and `redistributable: false`, so its images stay on this "
        "machine; nothing was sent. If they are yours, push with --private to a place that only you read, or write "
        f"`licence: {OWN_LICENCE}` under sources in params.yaml; if they are not, --labels-only sends labels and splits"
    )


@contextmanager
def _edition(source: PublishedDataset, labels_only: bool) -> Iterator[tuple[PublishedDataset, Path]]:
    """What is sent: the dataset's own folder, or one without its images."""
    if not (labels_only and source.stats.with_images):
        yield source, Path(source.location.uri)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / source.card.name
        write_labels_only(source, folder)
        yield open_dataset(Location(str(folder))), folder


def _present(
    destination: Destination, history: list[Version], storage_options: Mapping[str, object] | None
) -> PublishedDataset | None:
    """What readers see there now; None, and a warning, where its small files are damaged: they are replaced."""
    if not history or "README.md" not in destination.sizes_bytes():
        return None
    try:
        return open_dataset(Location(destination.uri, None, dict(storage_options or {})))
    except NewerFormat:
        raise
    except (BadInput, BrokenData, NotFound) as error:
        _log.warning("what readers see there now is damaged, and is replaced: %s", error)
        return None


def _next_version(
    history: list[Version],
    before: PublishedDataset | None,
    edition: PublishedDataset,
    folder: Path,
    message: str,
) -> Version:
    lines = [
        path if hash_in_name(path) else f"{path} {sha256_of(folder / path)}"
        for path in sorted(_sizes(folder))
    ]
    content = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    if history and history[-1].content == content:
        return history[-1]
    changes = _changes(before, edition) if before else ()
    name = f"v{len(history) + 1}"
    return Version(name, content, edition.stats.fingerprint, edition.stats.n_images, message, changes)


def _changes(before: PublishedDataset, edition: PublishedDataset) -> tuple[str, ...]:
    try:
        return tuple(str(change) for change in difference(before, edition).changes)
    except Unreachable:
        raise
    except (ValueError, FileNotFoundError) as error:  # `CairnError` is one, so is Arrow's
        _log.warning(
            "%s: what changed is not known, the version before is damaged: %s", before.location.uri, error
        )
        return ("not known: the version before was damaged",)


def _texts(
    destination: Destination, folder: Path, version: Version, history: list[Version]
) -> dict[str, str]:
    """The small files of a version in the order of writing: its own README comes last, with it a push is finished."""
    texts = {
        path: (folder / path).read_text(encoding="utf-8")
        for path in sorted(_sizes(folder))
        if not hash_in_name(path)
    }
    readme = texts.pop("README.md").replace("---\n", f"---\ncairn_version: {version.name}\n", 1)
    readme = addressed(readme, destination.uri)
    own = f"versions/{version.name}"
    files_of_version = {f"{own}/{path}": text for path, text in texts.items()}
    last = {"README.md": readme, f"{own}/README.md": readme}
    return {**files_of_version, **texts, "CHANGELOG.md": render_changelog(history), **last}


def _sizes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }
