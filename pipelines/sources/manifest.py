"""What was fetched and verified: a small manifest in git, and beside it, outside git, the table of loose images.

The manifest lists archives, tables and the like one by one, and of loose images only their folders, each with a digest
over its lines of the table: what it says of every byte fits into a line per folder, and an image that changes changes
one line. DVC keeps the table. Before schema 2 every file stood in the manifest.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath

from cairnhub.core.errors import BrokenData, CairnError, NewerFormat
from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import read_json, read_text
from cairnhub.pipelines.sources.image_endings import is_image_name
from cairnhub.pipelines.sources.ledger import FetchedFile

SCHEMA = 2
COLUMNS = ("name", "bytes", "sha256")
_HEAD = "\t".join(COLUMNS)


class NoTable(BrokenData):
    """The table of loose images is not there, or is of another manifest."""


@dataclass(frozen=True)
class LooseFolder:
    """The images that lie in a folder itself.

    Attributes:
        name: its path in the store; `.` for the store.
        n_files: how many.
        size_bytes: their size together.
        sha256: of their lines in the table, each with its end.
    """

    name: str
    n_files: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class ListedFile:
    """A file that the manifest names; `hash` is the registered one where that is no SHA-256."""

    name: str
    size_bytes: int
    sha256: str
    hash: str | None = None

    def fetched(self) -> FetchedFile:
        """The same as a verified file."""
        return FetchedFile(self.name, self.size_bytes, self.sha256, self.hash)


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`."""

    dataset: str
    scale: str
    files: tuple[ListedFile, ...]
    folders: tuple[LooseFolder, ...] = ()
    schema: int = 1


def load_manifest(path: Path) -> Manifest:
    """A manifest, without its table.

    Raises:
        CairnError: it is missing, damaged or of a newer Cairn.
    """
    try:
        manifest = read_json(path, Manifest)
    except CairnError as error:
        raise error.with_advice("remove the manifest and run the fetch stage again") from error
    if manifest.schema > SCHEMA:
        raise NewerFormat(f"{path}: schema {manifest.schema}, this Cairn reads up to {SCHEMA}: upgrade Cairn")
    return manifest


def read_manifest(path: Path, table: Path) -> dict[str, FetchedFile]:
    """The verified files of a manifest, by name; none where there is no manifest yet.

    Args:
        path: the manifest.
        table: the images of its folders.

    Raises:
        NoTable: the table is missing, or not that of this manifest.
        CairnError: the manifest is damaged.
    """
    if not path.is_file():
        return {}
    manifest = load_manifest(path)
    listed = {file.name: file.fetched() for file in manifest.files}
    if not manifest.folders:
        return listed
    loose = _read_table(table)
    if others := differing(manifest.folders, loose):
        raise NoTable(f"{table}: not of {path}, as its {others[0]} tells; {_ADVICE}")
    return listed | {file.name: file for file in loose}


_ADVICE = "bring it back with `dvc pull` or `dvc checkout`, or run the fetch stage again"


def write_manifest(path: Path, table: Path, dataset: str, scale: str, files: Iterable[FetchedFile]) -> None:
    """Write a manifest and its table; the same files give the same bytes."""
    files = sorted(files, key=lambda file: file.name)
    loose = _in_table(file for file in files if is_image_name(file.name))
    listed = [_entry(file) for file in files if not is_image_name(file.name)]
    write_table(table, loose)
    record = {
        "dataset": dataset,
        "files": listed,
        "folders": [vars(folder) for folder in folders_of(loose)],
        "scale": scale,
        "schema": SCHEMA,
    }
    write_text_atomic(path, _dump(record))


def write_table(path: Path, loose: Iterable[FetchedFile]) -> None:
    """Write the table of loose images."""
    write_text_atomic(path, f"{_HEAD}\n" + "".join(map(_line, _in_table(loose))))


def mark_damaged(path: Path, name: str) -> None:
    """Change a manifest, which DVC watches, where it tells of a file: `fetch` runs again and writes it anew."""
    record = json.loads(path.read_text(encoding="utf-8"))
    for entry in [*record["files"], *record.get("folders", ())]:
        if entry["name"] in (name, _folder(name)):
            entry["quarantined"] = True
    write_text_atomic(path, _dump(record))


def folders_of(loose: Sequence[FetchedFile]) -> tuple[LooseFolder, ...]:
    """The folders of loose images, by name."""
    folders = []
    for name, group in groupby(_in_table(loose), key=lambda file: _folder(file.name)):
        files = [*group]
        digest = hashlib.sha256("".join(map(_line, files)).encode()).hexdigest()
        folders.append(LooseFolder(name, len(files), sum(file.size_bytes for file in files), digest))
    return tuple(folders)


def differing(folders: Iterable[LooseFolder], loose: Sequence[FetchedFile]) -> list[str]:
    """Names of the folders that hold other images than some list of them, by name."""
    return sorted({folder.name for folder in {*folders} ^ {*folders_of(loose)}})


def _in_table(loose: Iterable[FetchedFile]) -> list[FetchedFile]:
    """Folder by folder, and by name within each."""
    return sorted(loose, key=lambda file: (_folder(file.name), file.name))


def _folder(name: str) -> str:
    return PurePosixPath(name).parent.as_posix()


def _line(file: FetchedFile) -> str:
    return f"{file.name}\t{file.size_bytes}\t{file.sha256}\n"


def _entry(file: FetchedFile) -> dict[str, object]:
    entry: dict[str, object] = {"name": file.name, "sha256": file.sha256, "size_bytes": file.size_bytes}
    return entry if file.hash in (None, file.content_hash) else entry | {"hash": file.hash}


def _dump(record: dict[str, object]) -> str:
    """JSON with one line per file and folder, so that a change of one is a change of one line."""
    parts = []
    for key, value in sorted(record.items()):
        text = json.dumps(value, sort_keys=True)
        if isinstance(value, list) and value:
            text = "[\n  " + ",\n  ".join(json.dumps(entry, sort_keys=True) for entry in value) + "\n ]"
        parts.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _read_table(path: Path) -> list[FetchedFile]:
    """The table of loose images.

    Raises:
        NoTable: it is missing, or no such table.
    """
    try:
        head, *lines = read_text(path).split("\n")
    except FileNotFoundError:
        raise NoTable(f"{path} is missing: {_ADVICE}") from None
    rows = [line.split("\t") for line in lines[:-1]]
    if head != _HEAD or lines[-1:] != [""] or any(len(row) != 3 or not row[1].isdecimal() for row in rows):
        raise NoTable(f"{path}: not a table of {', '.join(COLUMNS)}; {_ADVICE}")
    return [FetchedFile(name, int(size[:20]), sha256, None) for name, size, sha256 in rows]
