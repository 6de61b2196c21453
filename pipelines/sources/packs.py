"""Upstream archives as people have them: the authors' own file, an unpacked folder, or an archive packed again."""

import logging
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.errors import BadInput, BrokenData
from cairnhub.core.hashing import sha256_of
from cairnhub.pipelines.archives.folder import Folder
from cairnhub.pipelines.archives.kinds import archive_at
from cairnhub.pipelines.archives.tar import Tar
from cairnhub.pipelines.archives.targz import TarGz
from cairnhub.pipelines.archives.zip import Zip
from cairnhub.pipelines.sources.registry import RegistryRow

log = logging.getLogger(__name__)

MAX_TOPS = 2
"""A copy lies so many folders deep at most, in a mirror or in an archive."""


@dataclass(frozen=True)
class Pack:
    """An archive that its authors publish, and how a copy of its content is known.

    Attributes:
        name: of the file, in the registry.
        root: what stands before its members' names: its top folder and a slash; None where copies differ in it.
        mark: pattern of a member below the root that no other dataset has.
        holds: pattern of the members below the root that are read.
        lists: members below the root that say which images there are: with these, a part of the images
            is a copy.
        has_original: whether its authors' own file is told from copies of it, by a registered hash.
    """

    name: str
    root: str | None
    mark: str
    holds: str
    lists: tuple[str, ...] = ()
    has_original: bool = True

    def root_of(self, member: str) -> str | None:
        """What stands before the mark in a member's name; None for a member that is not the mark."""
        match = re.fullmatch(rf"((?:[^/]+/){{0,{MAX_TOPS}}}){self.mark}", member)
        return match[1] if match else None

    def held(self, names: Iterable[str], root: str) -> list[str]:
        """Those of some paths that are its members that are read."""
        pattern = re.compile(f"{re.escape(root)}(?:{self.holds})")
        return [name for name in names if pattern.fullmatch(name)]

    @property
    def has_one_file(self) -> bool:
        """Whether it holds a single file."""
        return len(self.lists) == 1


@dataclass(frozen=True)
class Packed:
    """A pack as it lies in a folder.

    Attributes:
        pack: what it is.
        archive: the authors' file, or the copy.
        root: what stands before its members' names in there.
    """

    pack: Pack
    archive: Tar | Zip | TarGz | Folder
    root: str

    @property
    def is_copy(self) -> bool:
        """Whether it is not the file that its authors publish."""
        return self.archive.name != self.pack.name

    def __str__(self) -> str:
        if not self.is_copy:
            return self.pack.name
        if isinstance(self.archive, Folder):
            return f"an unpacked copy of {self.pack.name}"
        return f"a copy of {self.pack.name}, packed again as {self.archive.name}"

    def where(self, name: str) -> Path:
        """The path of a member for messages."""
        path = self.archive.path_of(self.root + name)
        return path if isinstance(self.archive, Folder) else path / (self.root + name)

    def read_files(self, names: Sequence[str]) -> dict[str, bytes]:
        """Members by their names below the root; a streamed archive is read as far as the last of them.

        Raises:
            CairnError: one is not there, or cannot be read.
        """
        if not isinstance(self.archive, TarGz):
            return {name: self.archive.read_file(self.root + name) for name in names}
        found: dict[str, bytes] = {}
        for member in self.archive.members():
            name = member.name.removeprefix(self.root)
            if name in names and member.name.startswith(self.root) and not member.refusal:
                found[name] = member.content
            if len(found) == len(names):
                return found
        lost = next(name for name in names if name not in found)
        raise BrokenData(
            f"{self.archive.path_of('')}: holds no {self.root}{lost}; is it the right archive? Fetch it again"
        )


def locate(folder: Path, pack: Pack, fetched: Collection[str] | None = None) -> Packed | None:
    """A pack in a folder: the authors' file; else an unpacked copy; else an archive with a copy; else None.

    Args:
        folder: a store or a mirror.
        pack: what to look for.
        fetched: the files of the folder that count, by their paths below it; None: all that lie there.

    Raises:
        CairnError: an archive that is looked through is damaged.
    """
    if pack.name in fetched if fetched is not None else (folder / pack.name).is_file():
        original = archive_at(folder, pack.name)
        return Packed(pack, original, _root_inside(original, pack) if pack.root is None else pack.root)
    depth = MAX_TOPS + pack.mark.count("/")
    names = _below(folder, depth) if fetched is None else sorted(fetched, key=lambda name: name.count("/"))
    for name in names:
        if (root := pack.root_of(name)) is not None:
            inside = None if fetched is None else frozenset(pack.held(fetched, root))
            return Packed(pack, Folder(folder, root.rstrip("/") or ".", inside), root)
    stem = pack.name.partition(".")[0]
    files = _below(folder, 0) if fetched is None else (name for name in fetched if "/" not in name)
    for name in sorted(files, key=lambda name: (not name.startswith(stem), name)):
        archive = archive_at(folder, name)
        if isinstance(archive, Folder) or (pack.has_one_file and not name.startswith(stem)):
            continue
        if (root := _find_root(archive, pack)) is not None:
            return Packed(pack, archive, root)
    return None


def with_copies(rows: Sequence[RegistryRow], base: str, packs: Sequence[Pack]) -> list[RegistryRow]:
    """The rows of a registry; of a pack of which a local mirror has a copy only, the files of the copy.

    A file that bears the upstream name is the upstream file, held against its registered hash; the files of a copy are
    held against what they are now.

    Raises:
        CairnError: a copy lacks a list of its images.
    """
    mirror = Path(base)
    if not packs or not base or "://" in base or not mirror.is_dir():
        return list(rows)
    known = {pack.name: pack for pack in packs}
    chosen: dict[str, RegistryRow] = {}
    for row in rows:
        packed = locate(mirror, known[row.name]) if row.name in known else None
        if packed is None or not packed.is_copy:
            chosen[row.name] = row
            continue
        log.info(f"{mirror}: has {packed}: it is taken as it is")
        chosen |= {name: local_row(name, mirror) for name in _files_of(packed, mirror)}
    return list(chosen.values())


def local_row(name: str, mirror: Path, declared: str | None = None) -> RegistryRow:
    """A file of a mirror as a registry would list it: with the declared hash, or with its present one."""
    path = mirror / name
    present = declared or f"sha256:{sha256_of(path)}"
    return RegistryRow(name=name, url=name, size_bytes=path.stat().st_size, hash=present)


def _files_of(packed: Packed, mirror: Path) -> list[str]:
    """The archive of a copy, or the files of its folder that are read."""
    if not isinstance(packed.archive, Folder):
        return [packed.archive.name]
    good = (entry.member for entry in packed.archive.entries() if entry.refusal is None)
    found = packed.pack.held(good, packed.root)
    if lost := [name for name in packed.pack.lists if packed.root + name not in set(found)]:
        raise BadInput(
            f"{mirror / packed.root}: {packed}, but without {lost[0]}, which says what its images are: put it there"
        )
    return found


def _find_root(archive: Tar | Zip | TarGz, pack: Pack) -> str | None:
    """What stands before the members' names in an archive; a streamed one is read as far as the mark."""
    names = (
        (member.name for member in archive.members())
        if isinstance(archive, TarGz)
        else (entry.member for entry in archive.entries() if entry.refusal is None)
    )
    return next((root for name in names if (root := pack.root_of(name)) is not None), None)


def _root_inside(archive: Tar | Zip | TarGz | Folder, pack: Pack) -> str:
    """The root of the authors' own archive, where it is not known.

    Raises:
        CairnError: the mark is not in there.
    """
    root = None if isinstance(archive, Folder) else _find_root(archive, pack)
    if root is None:
        raise BrokenData(
            f"{archive.path_of('')}: holds no {pack.lists[0]}, at the top or below one or two folders; is it the right "
            "archive?"
        )
    return root


def _below(folder: Path, depth: int) -> Iterator[str]:
    """Paths of the files at most so many folders deep, the shallow ones first, each folder's by name."""
    level = [""] if folder.is_dir() else []
    for _ in range(depth + 1):
        deeper: list[str] = []
        for prefix in level:
            with os.scandir(folder / prefix) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
            for entry in ordered:
                if entry.is_dir():
                    deeper.append(f"{prefix}{entry.name}/")
                elif entry.is_file():
                    yield f"{prefix}{entry.name}"
        level = deeper
